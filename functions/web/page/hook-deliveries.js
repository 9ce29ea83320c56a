/** The newest deliveries of a webhook: what became of them, and buttons that send them again. */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { button } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { count, formatMoment } from "./format.js";
import { escaped } from "./printable.js";

const SHOWN = 20;
const POLL_MS = 1000;
const POLLS = 25; // longer than an attempt
const OUTCOMES = { pending: "waiting", delivered: "delivered", failed: "failed" };

/**
 * @typedef {{id: string, type: string, job_id: string | null, status: "pending" | "delivered" | "failed", attempts: number, created_at: string,
 *   next_attempt_at: string | null, last_error: string | null}} Delivery
 */

/** The list, empty until `load` or `send` is called. */
export class Deliveries extends HTMLElement {
  #address;
  #enabled;
  #list;
  #problem = element("p", { class: "error", role: "alert" });

  /**
   * @param {string} hook its id
   * @param {string} url printable
   * @param {boolean} enabled
   */
  constructor(hook, url, enabled) {
    super();
    this.#address = `/hooks/${hook}`;
    this.#enabled = enabled;
    this.#list = element("ul", { class: "deliveries", tabindex: -1, "aria-label": `Deliveries to ${url}` });
  }

  connectedCallback() {
    if (!this.firstChild) this.append(this.#problem, this.#list);
  }

  async load() {
    await this.#try(() => this.#load());
  }

  /**
   * Have a message sent, and show what becomes of it.
   * @param {string} path below that of the webhook
   */
  async send(path) {
    await this.#try(async () => {
      /** @type {Delivery} */
      const begun = await request("POST", `${this.#address}/${path}`);
      for (let poll = 0; poll < POLLS && this.checkVisibility(); poll += 1) {
        const sent = (await this.#load()).find((delivery) => delivery.id === begun.id);
        // The number of attempts includes one in progress; the time of the next one changes when it has failed.
        if (!sent || sent.status !== "pending" || sent.next_attempt_at !== begun.next_attempt_at) {
          announce(sent?.status === "delivered" ? "The message is delivered." : "The message is not delivered.");
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    });
  }

  /** @param {() => Promise<unknown>} work */
  async #try(work) {
    this.#problem.textContent = "";
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#problem.textContent = error.detail;
    }
  }

  /** @returns {Promise<Delivery[]>} */
  async #load() {
    /** @type {{deliveries: Delivery[]}} */
    const { deliveries } = await request("GET", `${this.#address}/deliveries`, { query: { limit: SHOWN } });
    const focused = [...this.#list.children].findIndex((item) => item.contains(document.activeElement));
    this.#list.replaceChildren(...deliveries.map((delivery) => this.#item(delivery)));
    if (!deliveries.length) this.#list.append(element("li", { class: "muted" }, "Nothing has been sent yet."));
    if (focused >= 0) /** @type {HTMLElement} */ (this.#list.children[focused]?.querySelector("button, a") ?? this.#list).focus();
    return deliveries;
  }

  /** @param {Delivery} delivery */
  #item(delivery) {
    const again = button("Send again", () => whileBusy(again, () => this.send(`deliveries/${delivery.id}/replay`)));
    again.ariaLabel = `Send again: ${delivery.type}, ${formatMoment(delivery.created_at)}`;
    const next = delivery.next_attempt_at && delivery.attempts ? `, next ${formatMoment(delivery.next_attempt_at)}` : "";
    const outcome = `${OUTCOMES[delivery.status]}, ${count(delivery.attempts, "attempt")}${next}`;
    const type = delivery.job_id ? element("a", { href: `#job=${delivery.job_id}` }, delivery.type) : delivery.type;
    return element("li", {}, element("div", {}, `${formatMoment(delivery.created_at)}: `, type, `, ${outcome}`),
      delivery.last_error && element("div", { class: "muted" }, escaped(delivery.last_error)),
      delivery.status !== "pending" && this.#enabled && again);
  }
}

customElements.define("sl-deliveries", Deliveries);
