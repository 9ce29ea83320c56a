/** The form that lets the server fetch a video from a link; loaded when it is first opened. */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { labelled } from "./controls.js";
import { element, whileBusy } from "./dom.js";
import { keyHeader, newKey } from "./upload-key.js";

/** The form, which takes the focus once it is in the page; it fires `imported` when the server has accepted a link. */
export class LinkForm extends HTMLElement {
  #link = labelled("Link to a video", element("input", { type: "url", autocomplete: "off", spellcheck: "false", placeholder: "https://" }));
  #submit = element("button", { class: "primary" }, "Convert link");
  #options;
  #key = newKey();
  #wanted = "";

  /** @param {() => Map<string, string> | null} options returns what the video is converted with; null if a value is wrong */
  constructor(options) {
    super();
    this.#options = options;
  }

  connectedCallback() {
    const form = element("form", { novalidate: true }, this.#link.field, this.#submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void whileBusy(this.#submit, () => this.#import());
    });
    this.append(form);
    this.#link.control.focus();
  }

  async #import() {
    const url = this.#link.control.value.trim();
    if (!url) return this.#refuse("Paste the link to a video file.");
    this.#link.showProblem("");
    const options = this.#options();
    if (!options) return;
    const json = { ...Object.fromEntries(options), url };
    const wanted = JSON.stringify(json);
    if (wanted !== this.#wanted) [this.#wanted, this.#key] = [wanted, newKey()]; // a repeated request has the same key
    try {
      await request("POST", "/upload", { json, headers: keyHeader(this.#key) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return this.#refuse(error.detail);
    }
    this.#wanted = "";
    this.#link.control.value = "";
    announce("The server fetches the video from the link. It appears in the list.");
    this.dispatchEvent(new Event("imported"));
  }

  /** @param {string} problem */
  #refuse(problem) {
    this.#link.showProblem(problem);
    this.#link.control.focus();
  }
}

customElements.define("sl-link-form", LinkForm);
