/** The users of the server, for its admins: what each has in progress, stored and lately sent, against the limits. */

import { ApiError, request } from "./api.js";
import { button } from "./controls.js";
import { element } from "./dom.js";
import { count, formatSize } from "./format.js";

const PAGE_SIZE = 50;

/**
 * @typedef {{max_upload_bytes: number, max_jobs_in_flight: number, max_stored_bytes: number,
 *   max_uploads_per_hour: number, max_minutes_per_day: number}} Limits by the names of their settings; 0 means none
 * @typedef {{email: string, admin: boolean, disabled: boolean, jobs_in_flight: number, stored_bytes: number, uploads_in_hour: number,
 *   minutes_in_day: number, limits: Partial<Limits>}} User `limits` are the user's own
 */

/** The list of users; it loads them anew each time that it is shown. */
export class Admin extends HTMLElement {
  #limits = element("p", { class: "muted" });
  #list = element("ul", { class: "users" });
  #problem = element("p", { class: "error", role: "alert" });
  #more = button("Show more", () => this.#load(), "");
  #again = button("Try again", () => this.#load(), "");
  #last = "";
  #generation = 0;

  static observedAttributes = ["hidden"];

  connectedCallback() {
    if (this.firstChild) return;
    const actions = element("div", { class: "actions" }, this.#more, this.#again);
    this.append(element("h1", {}, "Users"), this.#limits, this.#list, this.#problem, actions);
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.isConnected) return;
    this.#generation += 1;
    this.#last = "";
    this.#list.replaceChildren();
    if (!this.hidden) void this.#load();
  }

  async #load() {
    const generation = this.#generation;
    this.#more.hidden = this.#again.hidden = true;
    this.#problem.textContent = "";
    this.#list.ariaBusy = "true";
    try {
      const page = await request("GET", "/login/users", { query: { after: this.#last, limit: PAGE_SIZE } });
      if (generation === this.#generation) this.#show(page);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (generation !== this.#generation) return;
      this.#problem.textContent = error.detail;
      this.#again.hidden = false;
    }
    this.#list.ariaBusy = null;
  }

  /** @param {{users: User[], limits: Limits, links: {next?: string}}} page */
  #show({ users, limits, links }) {
    this.#limits.textContent = limitsText(limits);
    const first = this.#list.children.length;
    this.#list.append(...users.map((user) => makeRow(user, limits)));
    this.#more.hidden = !links.next;
    this.#last = users.at(-1)?.email ?? "";
    if (first) this.#list.children[first]?.querySelector("button")?.focus();
  }
}

/** @param {Limits} limits */
function limitsText(limits) {
  const texts = [
    limits.max_upload_bytes && `${formatSize(limits.max_upload_bytes)} in a file`,
    limits.max_jobs_in_flight && `${count(limits.max_jobs_in_flight, "job")} in progress`,
    limits.max_stored_bytes && `${formatSize(limits.max_stored_bytes)} stored`,
    limits.max_uploads_per_hour && `${count(limits.max_uploads_per_hour, "upload")} in an hour`,
    limits.max_minutes_per_day && `${count(limits.max_minutes_per_day, "minute")} of sound converted in 24 hours`,
  ].filter(Boolean);
  const all = new Intl.ListFormat("en-GB", { type: "conjunction" }).format(/** @type {string[]} */ (texts));
  return all ? `Each user without other limits may have ${all}.` : "There are no limits for a user.";
}

/**
 * @param {User} user
 * @param {Limits} common
 */
function makeRow(user, common) {
  const limits = { ...common, ...user.limits };
  const show = button("Show jobs", () => document.dispatchEvent(new CustomEvent("show-jobs-of", { detail: user.email })));
  show.ariaLabel = `Show jobs of ${user.email}`;
  const name = element("bdi", { class: "name" }, user.email);
  const badge = (/** @type {string} */ text) => element("span", { class: "badge" }, text);
  return element(
    "li",
    {},
    element("div", { class: "user" }, name, user.admin && badge("Admin"), user.disabled && badge("Disabled")),
    usage("Jobs in progress", user.jobs_in_flight, limits.max_jobs_in_flight, String),
    usage("Stored", user.stored_bytes, limits.max_stored_bytes, formatSize),
    usage("Uploads in the last hour", user.uploads_in_hour, limits.max_uploads_per_hour, String),
    usage("Minutes of sound in 24 hours", user.minutes_in_day, limits.max_minutes_per_day, String),
    show,
  );
}

/**
 * Show an amount, and the share of its limit; a limit of 0 means that there is none.
 * @param {string} label
 * @param {number} amount
 * @param {number} limit
 * @param {(amount: number) => string} format
 */
function usage(label, amount, limit, format) {
  const text = element("span", {}, element("span", { class: "muted" }, `${label} `), format(amount));
  if (!limit) return element("div", { class: "usage" }, text);
  text.append(element("span", { class: "muted" }, ` of ${format(limit)}`));
  const bar = element("meter", { value: amount, max: limit, high: limit * 0.9, "aria-label": label });
  return element("div", { class: "usage" }, text, bar);
}

customElements.define("sl-admin", Admin);
