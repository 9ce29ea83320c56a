/** The uploads that were interrupted when the page was left, and the offer to choose their files again. */

/** @import { Interrupted } from "./upload-journal.js" */

import { ApiError, request } from "./api.js";
import { button } from "./controls.js";
import { element } from "./dom.js";
import { count, formatSize } from "./format.js";
import { shortName } from "./names.js";
import { Upload } from "./upload-item.js";
import { TUS, findArrived } from "./upload-key.js";

const MAX_SHOWN = 5;

/** A list of interrupted uploads; browsers do not let a page read the files again by itself. */
export class InterruptedUploads extends HTMLElement {
  /** @type {Interrupted[]} */
  #files = [];
  #title = element("h2", { id: "interrupted-title" });
  #list = element("ul");
  #choose;

  /** @param {() => void} choose */
  constructor(choose) {
    super();
    this.#choose = button("Choose them again", choose, "");
  }

  connectedCallback() {
    if (this.firstChild) return;
    const advice = element(
      "p",
      { class: "muted" },
      "The page was closed or reloaded during the upload. Choose the same files, and they are uploaded with the same options; large ones continue where they were.",
    );
    const actions = element("div", { class: "actions" }, this.#choose, button("Dismiss", () => this.#dismiss()));
    this.append(element("section", { class: "card interrupted", "aria-labelledby": this.#title.id }, this.#title, this.#list, advice, actions));
    this.#show();
  }

  /**
   * Add those files that the server did not receive completely.
   * @param {Interrupted[]} files
   */
  async add(files) {
    const arrived = await Promise.all(files.map(hasArrived));
    this.#files.push(...files.filter((_, index) => !arrived[index]));
    this.#show();
  }

  clear() {
    this.#files = [];
    this.#show();
  }

  /** Forget the files, and let the server forget what it has of them. */
  #dismiss() {
    for (const { path } of this.#files) if (path) request("DELETE", path, { headers: TUS }).catch(() => {});
    this.clear();
  }

  /**
   * Start those of the chosen files that were interrupted, with their options and keys; return the others.
   * @param {File[]} chosen
   * @param {(upload: Upload) => void} start
   */
  match(chosen, start) {
    return chosen.filter((file) => {
      const index = this.#files.findIndex(
        ({ name, size, modified }) => file.name.endsWith(name) && file.size === size && file.lastModified === modified,
      );
      const [found] = index < 0 ? [] : this.#files.splice(index, 1);
      if (found) start(new Upload(file, new Map(found.options), found.key, found.path));
      this.#show();
      return !found;
    });
  }

  #show() {
    this.hidden = !this.#files.length;
    const more = this.#files.length - MAX_SHOWN;
    this.#title.textContent = `${count(this.#files.length, "upload")} interrupted`;
    const items = this.#files.slice(0, MAX_SHOWN).map(({ name, size, kept }) => {
      const shown = element("bdi", { class: "name" }, shortName(name));
      return element("li", {}, shown, " ", element("span", { class: "muted" }, kept ? `${formatSize(kept)} of ${formatSize(size)} sent` : formatSize(size)));
    });
    if (more > 0) items.push(element("li", { class: "muted" }, `and ${more} more`));
    this.#list.replaceChildren(...items);
  }
}

/**
 * Return whether the server received an upload completely; no if it cannot be asked.
 * @param {Interrupted} upload
 */
async function hasArrived({ key, hasBegun }) {
  try {
    return hasBegun && (await findArrived(key)) !== null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.code === "upload_deleted";
  }
}

customElements.define("sl-interrupted-uploads", InterruptedUploads);
