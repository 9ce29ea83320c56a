/** The webhooks of the signed-in user: add, test, disable and remove them, and make new secrets, which are shown once. */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, checkbox, labelled } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { Deliveries } from "./hook-deliveries.js";
import { escaped } from "./printable.js";

const LONGEST_URL = 2048;

/**
 * @typedef {{id: string, url: string, all_jobs: boolean, state: "active" | "failing" | "disabled", detail: string | null}} Hook
 */

/** The form and the list; it loads the list anew each time that it is shown, and forgets a secret when it is hidden. */
export class Hooks extends HTMLElement {
  #url = labelled("Address", element("input", { type: "url", autocomplete: "off", placeholder: "https://…", maxlength: LONGEST_URL }));
  #named = checkbox("Only for uploads that name it");
  #submit = element("button", { class: "primary" }, "Add a webhook");
  #made = element("div", { class: "made" });
  #list = element("ul", { class: "users", "aria-label": "Webhooks" });
  #problem = element("p", { class: "error", role: "alert" });
  #again = button("Try again", () => this.#load(), "");
  #generation = 0;

  static observedAttributes = ["hidden"];

  connectedCallback() {
    if (this.firstChild) return;
    const form = element("form", { novalidate: true, class: "card" }, this.#url.field, this.#named.field,
      element("div", { class: "actions" }, this.#submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void whileBusy(this.#submit, () => this.#add());
    });
    this.append(
      element("h1", {}, "Webhooks"),
      element("p", { class: "muted" }, "When a file is ready or has failed, the server sends a signed message to these addresses."),
      form, this.#made, this.#problem, this.#list, element("div", { class: "actions" }, this.#again),
    );
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.isConnected) return;
    this.#generation += 1;
    this.#made.replaceChildren();
    this.#list.replaceChildren();
    this.#url.showProblem("");
    if (!this.hidden) void this.#load();
  }

  /**
   * Do something, and show why the server refuses it; return whether it was done, and this is still the same view.
   * @param {() => Promise<void>} work
   * @param {(detail: string) => void} [refuse]
   */
  async #try(work, refuse = (detail) => (this.#problem.textContent = detail)) {
    const generation = this.#generation;
    this.#problem.textContent = "";
    try {
      await work();
      return generation === this.#generation;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (generation === this.#generation) refuse(error.detail);
      return false;
    }
  }

  async #load() {
    this.#again.hidden = true;
    /** @type {Hook[]} */
    let hooks = [];
    const loaded = await this.#try(async () => ({ webhooks: hooks } = await request("GET", "/hooks")));
    this.#again.hidden = loaded;
    if (!loaded) return;
    this.#list.replaceChildren(...hooks.map((hook) => this.#row(hook)));
    if (!hooks.length) this.#list.append(element("li", { class: "muted" }, "You have no webhooks."));
  }

  async #add() {
    const url = this.#url.control.value.trim();
    this.#url.showProblem(url ? "" : "Enter the address that gets the messages.");
    if (!url) return this.#url.control.focus();
    let made = { secret: "" };
    const json = { url, all_jobs: !this.#named.control.checked };
    const added = await this.#try(async () => (made = await request("POST", "/hooks", { json })), (detail) => {
      this.#url.showProblem(detail);
      this.#url.control.focus();
    });
    if (!added) return;
    this.#url.control.value = "";
    this.#showSecret(made.secret);
    await this.#load();
  }

  /** @param {string} text */
  #showSecret(text) {
    const secret = labelled("The secret", element("input", { type: "text", readonly: true, value: text, spellcheck: "false" }));
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
        announce("The secret is copied.");
      } catch {
        secret.control.select(); // where there is no clipboard, people copy what is selected
      }
    }, "primary");
    const hide = button("Hide", () => {
      this.#made.replaceChildren();
      this.#url.control.focus();
    });
    const once = "The receiver verifies messages with it. Copy it now: it is not shown again.";
    this.#made.replaceChildren(element("div", { class: "card" }, secret.field, element("p", {}, once),
      element("div", { class: "actions" }, copy, hide)));
    announce(once);
    copy.focus();
  }

  /** @param {Hook} hook */
  #row(hook) {
    const url = escaped(hook.url);
    const enabled = hook.state !== "disabled";
    const deliveries = new Deliveries(hook.id, url, enabled);
    const act = (/** @type {string} */ text, /** @type {() => Promise<unknown>} */ work) => {
      const made = button(text, () => whileBusy(made, work));
      made.ariaLabel = `${text}: ${url}`;
      return made;
    };
    const actions = element("div", { class: "actions" },
      enabled && act("Test", () => deliveries.send("test")),
      act("Deliveries", () => deliveries.load()),
      act(enabled ? "Disable" : "Enable", () => this.#change(hook, !enabled)),
      act("New secret", () => this.#rotate(hook)),
      act("Remove", () => this.#remove(hook)));
    const state = { active: "", failing: "Failing", disabled: "Disabled" }[hook.state];
    return element("li", { class: "hook" },
      element("div", { class: "user" }, element("bdi", { class: "name" }, url),
        state && element("span", { class: "badge" }, state), !hook.all_jobs && element("span", { class: "badge" }, "Named uploads")),
      hook.detail && element("p", { class: "muted" }, escaped(hook.detail)), actions, deliveries);
  }

  /**
   * @param {Hook} hook
   * @param {boolean} enabled
   */
  async #change(hook, enabled) {
    if (await this.#try(() => request("PATCH", `/hooks/${hook.id}`, { json: { enabled } }))) await this.#reload();
  }

  /** @param {Hook} hook */
  async #rotate(hook) {
    const consequence = "For 24 hours, messages are signed with the old secret, too.";
    if (!(await confirmed(`Make a new secret for ${escaped(hook.url)}?`, consequence, "Make it"))) return;
    let made = { secret: "" };
    if (await this.#try(async () => (made = await request("POST", `/hooks/${hook.id}/secret`)))) this.#showSecret(made.secret);
  }

  /** @param {Hook} hook */
  async #remove(hook) {
    if (!(await confirmed(`Remove ${escaped(hook.url)}?`, "It gets no more messages.", "Remove"))) return;
    if (await this.#try(() => request("DELETE", `/hooks/${hook.id}`))) await this.#reload();
  }

  async #reload() {
    await this.#load();
    this.#url.control.focus({ preventScroll: true }); // the button that had the focus is gone
  }
}

customElements.define("sl-hooks", Hooks);
