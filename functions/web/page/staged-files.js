/** Chosen files that wait until the options are set. */

import { button } from "./controls.js";
import { element } from "./dom.js";
import { count, formatSize } from "./format.js";
import { shortName } from "./names.js";

/** A list of chosen files, and in `actions` the buttons that convert or remove them. It fires `change` when they change. */
export class StagedFiles extends HTMLElement {
  /** @type {File[]} */
  files = [];
  #list = element("ul", { class: "staged", "aria-label": "Chosen files" });
  #convert;
  #removeAll = button("Remove all", () => this.takeAll());

  actions;

  /** @param {() => void} convert */
  constructor(convert) {
    super();
    this.#convert = button("Convert", convert, "primary");
    this.actions = element("div", { class: "actions convert" }, this.#convert, this.#removeAll);
  }

  connectedCallback() {
    this.append(this.#list);
    this.#show();
  }

  /** @param {File[]} files */
  add(files) {
    this.files.push(...files);
    this.#changed();
  }

  /** Remove all files from the list, and return them. */
  takeAll() {
    const files = this.files;
    this.files = [];
    this.#changed();
    return files;
  }

  /** @param {File} file */
  #remove(file) {
    const index = this.files.indexOf(file);
    this.files.splice(index, 1);
    this.#changed();
    const next = this.#list.children[Math.min(index, this.files.length - 1)]?.querySelector("button");
    (next ?? document.getElementById("files"))?.focus();
  }

  #changed() {
    this.#show();
    this.dispatchEvent(new Event("change"));
  }

  #show() {
    this.hidden = this.actions.hidden = !this.files.length;
    this.#list.replaceChildren(...this.files.map((file) => this.#makeRow(file)));
    this.#convert.textContent = `Convert ${count(this.files.length, "file")}`;
    this.#removeAll.hidden = this.files.length < 2;
  }

  /** @param {File} file */
  #makeRow(file) {
    const name = shortName(file.name);
    const remove = button("Remove", () => this.#remove(file));
    remove.ariaLabel = `Remove: ${name}`;
    const size = element("span", { class: "muted" }, formatSize(file.size));
    return element("li", {}, element("bdi", { class: "name" }, name), size, remove);
  }
}

customElements.define("sl-staged-files", StagedFiles);
