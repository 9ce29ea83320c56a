/** The API keys of the signed-in user: make one, which is shown once, and revoke those that are not used any more. */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, checkbox, labelled, selection, textInput } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { formatDay, formatMoment } from "./format.js";
import { escaped } from "./printable.js";
import { session } from "./session.js";

const DAY_SECONDS = 24 * 3600;
const LONGEST_NAME = 100;
/** @type {Array<[string, string]>} */
const SCOPES = [
  ["upload", "Upload videos"],
  ["jobs:read", "See your jobs"],
  ["jobs:write", "Cancel, retry and delete jobs"],
  ["download", "Download audio, and make links"],
  ["hooks", "Manage webhooks"],
  ["admin", "Act for all users, as an admin"],
];
/** @type {Array<[string, string]>} */
const LIFETIMES = [["30", "30 days"], ["90", "90 days"], ["365", "a year"], ["", "until it is revoked"]];

/**
 * @typedef {{id: string, name: string, start: string, scopes: string[], state: "active" | "expired" | "revoked",
 *   created_at: string, expires_at: string | null, last_used_at: string | null}} Key
 */

/** The form and the list; it loads the list anew each time that it is shown, and forgets a key when it is hidden. */
export class Keys extends HTMLElement {
  #name = labelled("Name", textInput("such as nightly uploads", LONGEST_NAME));
  #lifetime = labelled("Works for", selection(LIFETIMES));
  #scopes = SCOPES.map(([scope, text]) => ({ scope, ...checkbox(text) }));
  #refusal = element("p", { class: "error", role: "alert" });
  #submit = element("button", { class: "primary" }, "Make a key");
  #made = element("div", { class: "made" });
  #list = element("ul", { class: "users", "aria-label": "API keys" });
  #problem = element("p", { class: "error", role: "alert" });
  #again = button("Try again", () => this.#load(), "");
  #generation = 0;

  static observedAttributes = ["hidden"];

  connectedCallback() {
    if (this.firstChild) return;
    this.#lifetime.control.value = "90";
    const scopes = element("fieldset", { class: "scopes" }, element("legend", { class: "label" }, "It may"),
      ...this.#scopes.map(({ field }) => field));
    const form = element("form", { novalidate: true, class: "card" }, this.#name.field, scopes, this.#lifetime.field,
      this.#refusal, element("div", { class: "actions" }, this.#submit));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void whileBusy(this.#submit, () => this.#make());
    });
    this.append(
      element("h1", {}, "API keys"),
      element("p", { class: "muted" }, "A program uses a key instead of your password, and can do only what the key allows. " +
        "The command soundlift takes it from SOUNDLIFT_API_KEY."),
      form, this.#made, this.#list, this.#problem, element("div", { class: "actions" }, this.#again),
    );
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.isConnected) return;
    this.#generation += 1;
    this.#made.replaceChildren();
    this.#list.replaceChildren();
    this.#refusal.textContent = "";
    const admin = this.#scopes.find(({ scope }) => scope === "admin");
    if (admin) admin.field.hidden = !session.identity?.admin;
    if (!this.hidden) void this.#load();
  }

  async #load() {
    const generation = this.#generation;
    this.#again.hidden = true;
    this.#problem.textContent = "";
    try {
      const { keys } = await request("GET", "/login/keys");
      if (generation === this.#generation) this.#show(keys);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (generation !== this.#generation) return;
      this.#problem.textContent = error.detail;
      this.#again.hidden = false;
    }
  }

  /** @param {Key[]} keys */
  #show(keys) {
    this.#list.replaceChildren(...keys.map((key) => this.#row(key)));
    if (!keys.length) this.#list.append(element("li", { class: "muted" }, "You have no API keys."));
  }

  /** @param {Key} key */
  #row(key) {
    const name = escaped(key.name);
    const revoke = button("Revoke", () => whileBusy(revoke, () => this.#revoke(key)));
    revoke.ariaLabel = `Revoke ${name}`;
    const ended = key.state === "active" ? null : element("span", { class: "badge" }, key.state === "expired" ? "Expired" : "Revoked");
    const used = key.last_used_at ? `Last used ${formatMoment(key.last_used_at)}` : "Never used";
    const ends = key.expires_at ? `expires ${formatDay(key.expires_at)}` : "does not expire";
    return element(
      "li",
      {},
      element("div", { class: "user" }, element("bdi", { class: "name" }, name), ended),
      element("div", {}, element("code", {}, `${key.start}…`)),
      element("div", { class: "usage" }, key.scopes.join(", ")),
      element("div", { class: "usage muted" }, key.state === "active" ? `${used}, ${ends}` : used),
      key.state === "active" && revoke,
    );
  }

  async #make() {
    const name = this.#name.control.value.trim();
    const scopes = this.#scopes.filter(({ control, field }) => control.checked && !field.hidden).map(({ scope }) => scope);
    this.#name.showProblem(name ? "" : "Give the key a name, by which you recognize it.");
    this.#refusal.textContent = scopes.length ? "" : "Choose what the key may do.";
    if (!name) return this.#name.control.focus();
    if (!scopes.length) return this.#scopes[0]?.control.focus();
    const days = Number(this.#lifetime.control.value);
    const generation = this.#generation;
    try {
      const made = await request("POST", "/login/keys", { json: { name, scopes, expires_in: days * DAY_SECONDS || null } });
      if (generation === this.#generation) this.#showOnce(made.key);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#refusal.textContent = error.detail;
      return;
    }
    this.#name.control.value = "";
    await this.#load();
  }

  /** @param {string} text */
  #showOnce(text) {
    const key = labelled("Your new key", element("input", { type: "text", readonly: true, value: text, spellcheck: "false" }));
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
        announce("The key is copied.");
      } catch {
        key.control.select(); // where there is no clipboard, people copy what is selected
      }
    }, "primary");
    const hide = button("Hide", () => {
      this.#made.replaceChildren();
      this.#name.control.focus();
    });
    this.#made.replaceChildren(element("div", { class: "card" }, key.field,
      element("p", {}, "Copy it now: it is not shown again."), element("div", { class: "actions" }, copy, hide)));
    announce("The key is made. Copy it now: it is not shown again.");
    copy.focus();
  }

  /** @param {Key} key */
  async #revoke(key) {
    const agreed = await confirmed(`Revoke ${escaped(key.name)}?`, "Programs that use this key stop working at once.", "Revoke");
    if (!agreed) return;
    try {
      await request("DELETE", `/login/keys/${key.id}`);
      announce(`${escaped(key.name)} is revoked.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#problem.textContent = error.detail;
      return;
    }
    await this.#load();
    this.#name.control.focus({ preventScroll: true }); // the button that had the focus is gone
  }
}

customElements.define("sl-keys", Keys);
