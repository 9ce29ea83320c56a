/** The webhooks of the signed-in user: add, test, disable and remove them, and make new secrets, which are shown once. */

import { announce } from "./announcer.js";
import { request } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, checkbox, labelled } from "./controls.js";
import { CredentialList } from "./credential-list.js";
import { element, whileBusy } from "./dom.js";
import { Deliveries } from "./hook-deliveries.js";
import { escaped } from "./printable.js";

/**
 * @typedef {{id: string, url: string, all_jobs: boolean, state: "active" | "failing" | "disabled", detail: string | null}} Hook
 */

/** The form and the list of webhooks. */
export class Hooks extends CredentialList {
  #url = labelled("Address", element("input", { type: "url", autocomplete: "off", placeholder: "https://…" }));
  #named = checkbox("Only for uploads that choose it in their options");

  heading = "Webhooks";
  lead = ["When a file is ready or has failed, the server sends a signed message to these addresses."];
  path = "/hooks";
  property = "webhooks";
  none = "You have no webhooks.";
  fields = [this.#url.field, this.#named.field];
  first = this.#url.control;
  submit = "Add a webhook";

  reset() {
    this.#url.showProblem("");
  }

  async make() {
    const url = this.#url.control.value.trim();
    this.#url.showProblem(url ? "" : "Enter the address that gets the messages.");
    if (!url) return this.#url.control.focus();
    let made = { secret: "" };
    const json = { url, all_jobs: !this.#named.control.checked };
    const added = await this.try(async () => (made = await request("POST", "/hooks", { json })), (detail) => {
      this.#url.showProblem(detail);
      this.#url.control.focus();
    });
    if (!added) return;
    this.#url.control.value = "";
    this.#showSecret(made.secret);
    await this.load();
  }

  /** @param {string} secret */
  #showSecret(secret) {
    this.showOnce("The secret", secret, "The receiver verifies messages with it.");
  }

  /** @param {Hook} hook */
  row(hook) {
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
        state && element("span", { class: "badge" }, state), !hook.all_jobs && element("span", { class: "badge" }, "Only if chosen")),
      hook.detail && element("p", { class: "muted" }, escaped(hook.detail)), actions, deliveries);
  }

  /**
   * @param {Hook} hook
   * @param {boolean} enabled
   */
  async #change(hook, enabled) {
    if (!(await this.try(() => request("PATCH", `/hooks/${hook.id}`, { json: { enabled } })))) return;
    announce(`${escaped(hook.url)} is ${enabled ? "enabled" : "disabled"}.`);
    await this.reload();
  }

  /** @param {Hook} hook */
  async #rotate(hook) {
    const consequence = "For 24 hours, messages are signed with the old secret, too.";
    if (!(await confirmed(`Make a new secret for ${escaped(hook.url)}?`, consequence, "Make it"))) return;
    let made = { secret: "" };
    if (await this.try(async () => (made = await request("POST", `/hooks/${hook.id}/secret`)))) this.#showSecret(made.secret);
  }

  /** @param {Hook} hook */
  async #remove(hook) {
    if (!(await confirmed(`Remove ${escaped(hook.url)}?`, "It gets no more messages.", "Remove"))) return;
    if (!(await this.try(() => request("DELETE", `/hooks/${hook.id}`)))) return;
    announce(`${escaped(hook.url)} is removed.`);
    await this.reload();
  }
}

customElements.define("sl-hooks", Hooks);
