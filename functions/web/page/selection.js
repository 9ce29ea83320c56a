/** The choice of several files, to download them as one ZIP archive or to delete them. */

/** @import { JobList } from "./job-list.js" */
/** @import { JobRow } from "./job-row.js" */

import { announce, refuseError } from "./announcer.js";
import { confirmed } from "./confirm.js";
import { element, whileBusy } from "./dom.js";
import { count, formatSize } from "./format.js";
import { change } from "./job-actions.js";
import { archiveLink, save } from "./links.js";

const MAX_FILES = 100; // of one archive

export class Selection {
  #list;
  #summary = element("p", { class: "summary" });
  #archive = element("button", { type: "button", class: "primary" }, "Download ZIP");
  #delete = element("button", { type: "button", class: "quiet" }, "Delete");
  #all = element("button", { type: "button", class: "quiet" }, "Select all");
  #done = element("button", { type: "button", class: "quiet" }, "Done");

  /** @param {JobList} list */
  constructor(list) {
    this.#list = list;
    this.toggle = element("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Select");
    this.bar = element("div", { class: "selection", role: "group", "aria-label": "Selected files", hidden: true },
      this.#summary, element("div", { class: "actions" }, this.#archive, this.#delete, this.#all, this.#done));
    this.toggle.addEventListener("click", () => this.#open(this.bar.hidden === true));
    this.#done.addEventListener("click", () => {
      this.#open(false);
      this.toggle.focus();
    });
    this.#all.addEventListener("click", () => this.#selectAll());
    this.#archive.addEventListener("click", () => whileBusy(this.#archive, () => this.#downloadArchive()));
    this.#delete.addEventListener("click", () => whileBusy(this.#delete, () => this.#deleteSelected()));
    list.addEventListener("change", () => this.update());
    list.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !this.bar.hidden) this.#done.click();
    });
  }

  /** Leave the selection. */
  close() {
    this.#open(false);
  }

  /** Show what is selected; called after each change of the list, too. */
  update() {
    if (this.bar.hidden) return;
    const rows = this.#selected();
    const ready = rows.filter(({ job }) => job.state === "ready");
    const bytes = ready.reduce((sum, { job }) => sum + (job.mp3_bytes ?? 0), 0);
    const limit = ready.length > MAX_FILES ? `; a ZIP archive holds ${MAX_FILES}` : "";
    const size = bytes ? `, ${formatSize(bytes)}${limit}` : "";
    const text = rows.length ? `${count(rows.length, "file")} selected${size}` : "Select the files to download or to delete.";
    if (this.#summary.textContent !== text) announce(text);
    this.#summary.textContent = text;
    this.#archive.disabled = ready.length === 0 || ready.length > MAX_FILES;
    this.#delete.disabled = rows.length === 0;
  }

  /** @param {boolean} isOpen */
  #open(isOpen) {
    this.bar.hidden = !isOpen;
    this.toggle.setAttribute("aria-pressed", String(isOpen));
    this.#list.classList.toggle("selecting", isOpen);
    for (const row of this.#list.rows()) row.checkbox.checked = false;
    this.update();
  }

  #selected() {
    return this.#list.rows().filter(({ checkbox }) => checkbox.checked && !checkbox.disabled);
  }

  #selectAll() {
    for (const { checkbox } of this.#list.rows()) checkbox.checked = !checkbox.disabled;
    this.update();
  }

  async #downloadArchive() {
    const ready = this.#selected().filter(({ job }) => job.state === "ready");
    try {
      save(await archiveLink(ready.map(({ job }) => job.job_id)));
      announce(`Downloading ${count(ready.length, "file")} as a ZIP archive.`);
    } catch (error) {
      refuseError(error);
    }
  }

  async #deleteSelected() {
    const rows = this.#selected();
    const question = `Delete ${count(rows.length, "file")}?`;
    const consequence = "Their audio and videos are deleted for good, and links to them stop working.";
    if (!(await confirmed(question, consequence, "Delete"))) return;
    await this.#deleteEach(rows);
    this.update();
  }

  /** @param {JobRow[]} rows */
  async #deleteEach(rows) {
    try {
      for (const { job } of rows) await change("DELETE", job, this.#list);
      announce(`${count(rows.length, "file")} deleted.`);
    } catch (error) {
      refuseError(error);
    }
  }
}
