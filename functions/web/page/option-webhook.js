/** The option that names a webhook. It is loaded when somebody opens the options, since few users have webhooks. */

import { ApiError, request } from "./api.js";
import { choiceItems, labelled, selection } from "./controls.js";
import { escaped } from "./printable.js";
import { session } from "./session.js";

/** @typedef {import("./hooks.js").Hook} Hook */

/** A selection of the user's webhooks that get only what names them; hidden while there are none. */
export class WebhookOption extends HTMLElement {
  #choice = labelled("Webhook", selection([]));

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#choice.field);
    this.#show([]);
    session.addEventListener("signed-out", () => this.#show([]));
    session.addEventListener("signed-in", () => this.load());
    addEventListener("hashchange", () => this.load()); // perhaps back from the view in which they are added
    void this.load();
  }

  /** The id of the chosen webhook, or an empty string. */
  get value() {
    return this.#choice.control.value;
  }

  reset() {
    this.#choice.control.selectedIndex = 0;
  }

  /** Load the webhooks if they can be seen or one is chosen, and keep the choice if it is still among them. */
  async load() {
    if (!session.identity || !(this.value || this.parentElement?.checkVisibility())) return;
    try {
      this.#show((await request("GET", "/hooks")).webhooks);
    } catch (error) {
      // The list stays as it is until the options are opened again: they are complete without it.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** @param {Hook[]} hooks */
  #show(hooks) {
    const { control } = this.#choice;
    const chosen = control.value;
    const enabled = hooks.filter(({ state }) => state !== "disabled");
    const named = enabled.filter(({ all_jobs: isForAll }) => !isForAll);
    const none = named.length < enabled.length ? "Only those for all files" : "None";
    control.replaceChildren(...choiceItems([["", none], ...named.map(({ id, url }) => /** @type {[string, string]} */ ([id, escaped(url)]))]));
    control.value = named.some(({ id }) => id === chosen) ? chosen : "";
    this.hidden = !named.length;
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

customElements.define("sl-webhook-option", WebhookOption);
