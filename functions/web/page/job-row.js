/** One row of the list of jobs. Its nodes stay the same while the job changes, so that focus and player survive. */

/** @import { Job } from "../types" */

import { element } from "./dom.js";
import { facts, isEnded, jobName, mayRetry, problemText, stateText } from "./job-text.js";
import "./player.js";

const ACTIONS = [
  { name: "download", label: "Download", isOffered: (/** @type {Job} */ job) => job.state === "ready" },
  { name: "copy", label: "Copy link", isOffered: (/** @type {Job} */ job) => job.state === "ready" },
  { name: "cancel", label: "Cancel", isOffered: (/** @type {Job} */ job) => !isEnded(job) },
  { name: "retry", label: "Try again", isOffered: mayRetry },
  { name: "delete", label: "Delete", isOffered: isEnded },
];

export class JobRow {
  #name = element("bdi");
  #state = element("span", { class: "state" });
  #facts = element("p", { class: "facts" });
  #progress = element("progress", { max: 100, hidden: true });
  #reason = element("p", { class: "reason", hidden: true });
  #note = element("div", { class: "note", hidden: true });
  /** @type {import("./player.js").Player | null} */
  #player = null;
  /** @type {Map<string, HTMLButtonElement>} */
  #buttons = new Map();

  /** @param {Job} job */
  constructor(job) {
    this.job = job;
    const titleId = `name-${job.job_id}`;
    this.checkbox = element("input", { type: "checkbox", "aria-labelledby": titleId });
    const actions = element("div", { class: "actions" });
    for (const { name, label } of ACTIONS) {
      const button = element("button", { type: "button", "data-action": name, "aria-describedby": titleId }, label);
      if (name !== "download") button.classList.add("quiet");
      this.#buttons.set(name, button);
      actions.append(button);
    }
    this.node = element(
      "li",
      { class: "job", id: `job-${job.job_id}`, tabindex: -1, "aria-labelledby": titleId },
      element("label", { class: "pick" }, this.checkbox),
      element("h3", { id: titleId }, this.#name),
      this.#state, this.#facts, this.#progress, this.#reason, actions, this.#note,
    );
    this.update(job);
  }

  get isPlaying() {
    return this.#player?.isPlaying ?? false;
  }

  /** @param {Job} job */
  update(job) {
    const hadFocus = this.node.contains(document.activeElement);
    this.job = job;
    this.node.dataset.state = job.state;
    setText(this.#name, jobName(job));
    setText(this.#state, stateText(job));
    setText(this.#facts, facts(job).join(" · "));
    setText(this.#reason, problemText(job));
    this.#reason.hidden = !this.#reason.textContent;
    this.#showProgress(job);
    this.#showPlayer(job);
    for (const { name, isOffered } of ACTIONS) this.button(name).hidden = !isOffered(job);
    this.checkbox.disabled = !isEnded(job);
    if (job.state !== "ready") this.showNote();
    if (hadFocus && !isVisible(document.activeElement)) this.node.focus({ preventScroll: true });
  }

  /** @param {string} name */
  button(name) {
    return /** @type {HTMLButtonElement} */ (this.#buttons.get(name));
  }

  /**
   * Show a sentence below the actions, or none.
   * @param {...(string | Node)} content
   */
  showNote(...content) {
    this.#note.replaceChildren(...content);
    this.#note.hidden = content.length === 0;
  }

  /** @param {Job} job */
  #showProgress(job) {
    this.#progress.hidden = job.state !== "converting" && job.state !== "importing";
    this.#progress.value = job.percent;
    this.#progress.setAttribute("aria-label", `${job.state === "importing" ? "Import" : "Conversion"} of ${jobName(job)}`);
  }

  /** @param {Job} job */
  #showPlayer(job) {
    if (job.state !== "ready") {
      this.#player?.remove();
      this.#player = null;
      return;
    }
    if (!this.#player) {
      this.#player = /** @type {import("./player.js").Player} */ (document.createElement("sl-player"));
      this.#reason.after(this.#player);
    }
    this.#player.show(job);
  }
}

/**
 * Set a text only if it changes, so that a selection of the text survives.
 * @param {HTMLElement} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element | null} node */
function isVisible(node) {
  return node !== null && node !== document.body && node.checkVisibility();
}
