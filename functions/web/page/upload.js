/** Choosing files, and their uploads. */

/** @import { Interrupted } from "./upload-journal.js" */
/** @import { Dropped } from "./dropped-files.js" */

import { announce, refuse } from "./announcer.js";
import { button } from "./controls.js";
import { receiveFiles } from "./dropped-files.js";
import { element } from "./dom.js";
import { count } from "./format.js";
import { InterruptedUploads } from "./interrupted.js";
import { shortName } from "./names.js";
import { Options } from "./options.js";
import { session } from "./session.js";
import { StagedFiles } from "./staged-files.js";
import { Upload } from "./upload-item.js";
import { record, recover } from "./upload-journal.js";
import { UploadQueue } from "./upload-queue.js";
import { UploadRow } from "./upload-row.js";

const MAX_WAITING_SHOWN = 5;
const EMPTY = "This file is empty. Choose another one.";
const FOLDER = "This is a folder. Open it, and choose the files in it.";
const AT_ONCE = "The upload starts at once. To choose the format, a part or tags first, open the options.";
const LATER = "Nothing is uploaded until you have set the options and press Convert.";

/**
 * The upload half of the page. Chosen files are uploaded at once with the options of the last time, which are shown;
 * while the options are open, files wait until they are confirmed.
 */
export class UploadPanel extends HTMLElement {
  #queue = new UploadQueue();
  #options = new Options();
  #staged = new StagedFiles(() => this.#convertStaged());
  #interrupted = new InterruptedUploads(() => this.#input.click());
  #input = element("input", { type: "file", multiple: true, id: "files", "aria-describedby": "files-hint" });
  #label = element("span");
  #hint = element("p", { class: "muted", id: "files-hint" }, AT_ONCE);
  #rows = element("div", { class: "uploads", role: "list", "aria-label": "Uploads" });
  #restText = element("p", { class: "muted" });
  #rest = element("div", { class: "rest", hidden: true }, this.#restText, button("Cancel all", () => this.#cancelAll()));
  #linkButton = button("Convert from a link", () => this.#toggleLinkForm());
  /** @type {import("./link-form.js").LinkForm | null} */
  #linkForm = null;
  /** @type {Map<Upload, UploadRow>} */
  #shown = new Map();

  connectedCallback() {
    if (this.firstChild) return;
    const drop = element(
      "div",
      { class: "drop" },
      element("p", { class: "drop-title", "aria-hidden": "true" }, "Drop videos here"),
      element("label", { class: "button primary choose" }, this.#input, this.#label),
      this.#hint,
      this.#linkButton,
    );
    const card = element("section", { class: "card", "aria-label": "Upload" }, drop, this.#staged, this.#options, this.#staged.actions);
    this.append(this.#interrupted, card, this.#rows, this.#rest);
    this.#closeLinkForm();
    this.#listen();
    this.#show();
  }

  #listen() {
    this.#input.addEventListener("change", () => this.#choose());
    this.#options.addEventListener("toggle", () => this.#show());
    this.#staged.addEventListener("change", () => this.#show());
    this.#queue.addEventListener("change", () => this.#showQueue());
    receiveFiles({
      take: (dropped) => this.#drop(dropped),
      showDrop: (isOver) => document.documentElement.classList.toggle("dropping", isOver),
    });
    addEventListener("beforeunload", (event) => {
      if (this.#queue.isPending) event.preventDefault();
    });
    session.addEventListener("signed-in", () => this.#recover());
    session.addEventListener("signed-out", () => this.#clear());
    if (session.identity) this.#recover();
  }

  #choose() {
    const files = [...(this.#input.files ?? [])];
    this.#input.value = ""; // so that the same file can be chosen again
    this.#take(files);
  }

  /** @param {Dropped} dropped */
  #drop({ files, folders }) {
    if (!session.identity) return refuse("Sign in first, then drop the files again.");
    for (const folder of folders) this.#queue.refuse(folder, FOLDER);
    this.#take(files);
  }

  /** @param {File[]} files */
  #take(files) {
    for (const file of files.filter(({ size }) => !size)) this.#queue.refuse(file, EMPTY);
    const whole = files.filter(({ size }) => size);
    const rest = this.#interrupted.match(whole, (upload) => this.#start([upload]));
    if (!rest.length) return;
    if (this.#options.isOpen || this.#staged.files.length || !this.#options.check()) this.#stage(rest);
    else this.#start(this.#withOptions(rest));
  }

  async #toggleLinkForm() {
    if (this.#linkForm) return this.#closeLinkForm();
    const module = await import("./link-form.js").catch(() => null);
    if (!module) return refuse("The form could not be loaded. Check the connection, then try again.");
    if (this.#linkForm) return;
    this.#linkForm = new module.LinkForm(() => (this.#options.check() ? this.#options.read() : null));
    this.#linkForm.addEventListener("imported", () => this.#options.clearForNextFiles());
    this.querySelector(".drop")?.after(this.#linkForm);
    this.#linkButton.ariaExpanded = "true";
  }

  #closeLinkForm() {
    this.#linkForm?.remove(); // with what the user has typed
    this.#linkForm = null;
    this.#linkButton.ariaExpanded = "false";
  }

  /** @param {File[]} files */
  #stage(files) {
    this.#staged.add(files);
    this.#staged.scrollIntoView({ block: "nearest" });
    announce(`${count(this.#staged.files.length, "file")} chosen. Set the options, then press Convert.`);
  }

  #convertStaged() {
    if (!this.#options.check()) return;
    const files = this.#staged.takeAll();
    this.#start(this.#withOptions(files));
    this.#options.close(); // so that the uploads below are in view
    this.#input.focus();
  }

  /** @param {File[]} files */
  #withOptions(files) {
    const options = this.#options.read();
    this.#options.clearForNextFiles();
    return files.map((file) => new Upload(file, options));
  }

  /** @param {Upload[]} uploads */
  #start(uploads) {
    announce(uploads.length === 1 ? `Upload of ${shortName(uploads[0]?.file.name ?? "")} started.` : `${uploads.length} uploads started.`);
    this.#queue.add(uploads);
    this.#rows.scrollIntoView({ block: "nearest" });
  }

  #show() {
    const { files } = this.#staged;
    this.#hint.textContent = this.#options.isOpen || files.length ? LATER : AT_ONCE;
    this.#label.textContent = files.length ? "Choose more" : "Choose videos";
    this.#label.parentElement?.classList.toggle("primary", !files.length);
    this.#options.file = files.length === 1 ? (files[0] ?? null) : null;
  }

  #showQueue() {
    const { uploads } = this.#queue;
    const current = new Set(uploads);
    for (const [upload, row] of this.#shown) if (!current.has(upload)) this.#removeRow(upload, row);
    for (const upload of uploads) if (!this.#shown.has(upload)) this.#addRow(upload);
    this.#rows.hidden = !uploads.length;
    this.#foldWaiting();
    record(session.identity?.username ?? "", session.identity ? uploads.filter(({ isPending }) => isPending) : []);
  }

  /** Show the next uploads only, so that the list of jobs below stays within reach. */
  #foldWaiting() {
    const folded = this.#queue.uploads.filter(({ state }) => state === "waiting").slice(MAX_WAITING_SHOWN);
    for (const [upload, row] of this.#shown) row.hidden = folded.includes(upload);
    this.#rest.hidden = !folded.length;
    this.#restText.textContent = `${count(folded.length, "more file")} waiting`;
  }

  #cancelAll() {
    this.#queue.cancelAll();
    announce("All uploads cancelled.");
    this.#input.focus();
  }

  /** @param {Upload} upload */
  #addRow(upload) {
    const row = new UploadRow(upload, {
      cancel: () => this.#queue.remove(upload),
      retry: () => this.#queue.retry(upload),
      changeOptions: () => this.#changeOptions(upload),
    });
    this.#shown.set(upload, row);
    this.#rows.append(row);
  }

  /**
   * @param {Upload} upload
   * @param {UploadRow} row
   */
  #removeRow(upload, row) {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    this.#shown.delete(upload);
    if (!hadFocus) return;
    const target = next?.querySelector("button:not([hidden])") ?? this.#input;
    if (target instanceof HTMLElement) target.focus();
  }

  /** @param {Upload} upload */
  #changeOptions(upload) {
    this.#queue.remove(upload);
    this.#stage([upload.file]);
    this.#options.open();
    this.#options.focus();
  }

  #recover() {
    const { username = "" } = session.identity ?? {};
    recover(username, (files) => this.#interrupted.add(files));
    this.#showQueue();
  }

  #clear() {
    this.#closeLinkForm();
    this.#queue.removeAll();
    this.#staged.takeAll();
    this.#interrupted.clear();
    this.#options.clearForNextUser();
  }
}

customElements.define("sl-upload", UploadPanel);
