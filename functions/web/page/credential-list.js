/**
 * What the views of API keys and webhooks have in common: a form that makes one, its secret, which is shown once, and the list.
 * It is loaded with the first of them.
 */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { button, labelled } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { session } from "./session.js";

/** A view that loads its list anew each time that it is shown, and forgets a secret when it is hidden. */
export class CredentialList extends HTMLElement {
  heading = "";
  /** @type {Array<Node | string>} */
  lead = [];
  /** Where the list is loaded, and its name in the answer. */
  path = "";
  property = "";
  /** What the list says while it is empty. */
  none = "";
  /** @type {HTMLElement[]} */
  fields = [];
  /** The control that gets the focus when another one is gone. @type {HTMLElement} */
  first = this;
  submit = "";
  #made = element("div", { class: "made" });
  #list = element("ul", { class: "users" });
  #problem = element("p", { class: "error", role: "alert" });
  #again = button("Try again", () => this.load(), "");
  #generation = 0;

  static observedAttributes = ["hidden"];

  connectedCallback() {
    if (this.firstChild) return;
    const { heading, lead, fields, submit } = this;
    this.#list.ariaLabel = heading;
    const make = element("button", { class: "primary" }, submit);
    const form = element("form", { novalidate: true, class: "card" }, ...fields, element("div", { class: "actions" }, make));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void whileBusy(make, () => this.make());
    });
    session.addEventListener("signed-out", () => form.reset()); // what one user has typed is not for the next one
    this.append(element("h1", {}, heading), element("p", { class: "muted" }, ...lead), form, this.#made, this.#problem, this.#list,
      element("div", { class: "actions" }, this.#again));
    this.attributeChangedCallback();
  }

  attributeChangedCallback() {
    if (!this.isConnected) return;
    this.#generation += 1;
    this.#made.replaceChildren();
    this.#list.replaceChildren();
    this.reset();
    if (!this.hidden) void this.load();
  }

  /** Forget what was refused. */
  reset() {}

  /** Make what the fields describe. */
  async make() {}

  /**
   * Return a row of the list.
   * @param {any} _item
   * @returns {HTMLElement}
   */
  row(_item) {
    return element("li");
  }

  /**
   * Do something, and show why the server refuses it; return whether it was done, and this is still the same view.
   * @param {() => Promise<unknown>} work
   * @param {(detail: string) => void} [refuse]
   */
  async try(work, refuse = (detail) => (this.#problem.textContent = detail)) {
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

  async load() {
    this.#again.hidden = true;
    /** @type {unknown[]} */
    let items = [];
    const loaded = await this.try(async () => (items = (await request("GET", this.path))[this.property]), (detail) => {
      this.#problem.textContent = detail;
      this.#again.hidden = false;
    });
    if (!loaded) return;
    this.#list.replaceChildren(...items.map((item) => this.row(item)));
    if (!items.length) this.#list.append(element("li", { class: "muted" }, this.none));
  }

  /** Load the list after a change that has removed the button with the focus. */
  async reload() {
    await this.load();
    this.first.focus({ preventScroll: true });
  }

  /**
   * Show a secret, with a button that copies it.
   * @param {string} label
   * @param {string} text
   * @param {string} hint
   */
  showOnce(label, text, hint) {
    const secret = labelled(label, element("input", { type: "text", readonly: true, value: text, spellcheck: "false" }));
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text);
        copy.textContent = "Copied";
        announce("Copied.");
      } catch {
        secret.control.select(); // where there is no clipboard, people copy what is selected
      }
    }, "primary");
    const hide = button("Hide", () => {
      this.#made.replaceChildren();
      this.first.focus();
    });
    const once = `${hint} Copy it now: it is not shown again.`;
    this.#made.replaceChildren(element("div", { class: "card" }, secret.field, element("p", {}, once),
      element("div", { class: "actions" }, copy, hide)));
    announce(once);
    copy.focus();
  }
}
