/** The form that lets the server fetch a video from a link; loaded when it is first opened. */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { labelled } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { keyHeader, newKey } from "./upload-key.js";

const LONGEST = 2048;

/** The form; `options` returns what the video is converted with, by the names that an upload gives it, or null. */
export class LinkForm extends HTMLElement {
  #link = labelled("Link to a video", element("input", { type: "url", maxlength: LONGEST, autocomplete: "off", spellcheck: false, placeholder: "https://" }));
  #refusal = element("p", { class: "error", role: "alert" });
  #submit = element("button", { class: "primary" }, "Convert");
  #key = newKey();
  /** @type {() => Map<string, string> | null} */
  options = () => new Map();

  connectedCallback() {
    if (this.firstChild) return;
    const form = element("form", { novalidate: true }, this.#link.field, this.#refusal, this.#submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void whileBusy(this.#submit, () => this.#import());
    });
    this.#link.control.addEventListener("input", () => { this.#key = newKey(); });
    this.append(form);
  }

  open() {
    this.hidden = false;
    this.#link.control.focus();
  }

  async #import() {
    const url = this.#link.control.value.trim();
    const options = this.options();
    this.#refusal.textContent = url ? "" : "Paste the link to a video file.";
    if (!url || !options) return this.#link.control.focus();
    try {
      const headers = keyHeader(this.#key);
      await request("POST", "/upload", { json: { ...Object.fromEntries(options), url }, headers });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#refusal.textContent = error.message;
      return this.#link.control.focus();
    }
    this.#key = newKey();
    this.#link.control.value = "";
    announce("The video is fetched from the link. It appears in the list.");
  }
}

customElements.define("sl-link-form", LinkForm);
