/** The API keys of the signed-in user: make one, which is shown once, and revoke those that are not used any more. */

import { announce } from "./announcer.js";
import { request } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, checkbox, labelled, selection, textInput } from "./controls.js";
import { CredentialList } from "./credential-list.js";
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

/** The form and the list of keys. */
export class Keys extends CredentialList {
  #name = labelled("Name", textInput("such as nightly uploads", LONGEST_NAME));
  #lifetime = labelled("Works for", selection(LIFETIMES));
  #scopes = SCOPES.map(([scope, text]) => ({ scope, ...checkbox(text) }));
  #unscoped = element("p", { class: "error problem", role: "alert", id: "scopes-problem" });
  #refusal = element("p", { class: "error", role: "alert" });

  heading = "API keys";
  lead = ["A program uses a key instead of your password, and can do only what the key allows. The command ",
    element("code", {}, "soundlift"), " reads it in ", element("code", {}, "SOUNDLIFT_API_KEY"), "."];
  path = "/login/keys";
  property = "keys";
  none = "You have no API keys.";
  fields = [
    this.#name.field,
    element("fieldset", { class: "scopes", "aria-describedby": "scopes-problem" }, element("legend", { class: "label" }, "It may"),
      ...this.#scopes.map(({ field }) => field), this.#unscoped),
    this.#lifetime.field,
    this.#refusal,
  ];
  first = this.#name.control;
  submit = "Make a key";

  reset() {
    this.#name.showProblem("");
    this.#unscoped.textContent = this.#refusal.textContent = "";
    this.#lifetime.control.value = "90";
    const admin = this.#scopes.find(({ scope }) => scope === "admin");
    if (admin) admin.field.hidden = !session.identity?.admin;
  }

  /** @param {Key} key */
  row(key) {
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

  async make() {
    const name = this.#name.control.value.trim();
    const scopes = this.#scopes.filter(({ control, field }) => control.checked && !field.hidden).map(({ scope }) => scope);
    this.#name.showProblem(name ? "" : "Give the key a name by which you will recognize it.");
    this.#unscoped.textContent = scopes.length ? "" : "Choose what the key may do.";
    this.#refusal.textContent = "";
    if (!name) return this.#name.control.focus();
    if (!scopes.length) return this.#scopes[0]?.control.focus();
    const days = Number(this.#lifetime.control.value);
    let made = { key: "" };
    const json = { name, scopes, expires_in: days * DAY_SECONDS || null };
    const isMade = await this.try(async () => (made = await request("POST", "/login/keys", { json })),
      (detail) => (this.#refusal.textContent = detail));
    if (!isMade) return;
    this.#name.control.value = "";
    this.showOnce("Your new key", made.key, "The key is made.");
    await this.load();
  }

  /** @param {Key} key */
  async #revoke(key) {
    const agreed = await confirmed(`Revoke ${escaped(key.name)}?`, "Programs that use this key stop working at once.", "Revoke");
    if (!agreed || !(await this.try(() => request("DELETE", `/login/keys/${key.id}`)))) return;
    announce(`${escaped(key.name)} is revoked.`);
    await this.reload();
  }
}

customElements.define("sl-keys", Keys);
