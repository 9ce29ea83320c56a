/** The row of one upload: its name, how far it is, what is wrong, and what can be done. */

import { button } from "./controls.js";
import { element } from "./dom.js";
import { formatLengthInWords, formatSize } from "./format.js";
import { shortName } from "./names.js";
import { tell } from "./news.js";
import { escaped } from "./printable.js";
import { Upload } from "./upload-item.js";

const SPOKEN_STEP = 25;

/** @typedef {{cancel: () => void, retry: () => void, changeOptions: () => void}} Actions */

/** A row that follows an upload. */
export class UploadRow extends HTMLElement {
  #upload;
  #name;
  #progress = element("progress", { max: 100 });
  #note = element("p", { class: "muted note" });
  #problem = element("p", { class: "error", role: "alert" });
  #cancel;
  #retry;
  #options;
  #spoken = 0;
  #spokenReason = "";

  /**
   * @param {Upload} upload
   * @param {Actions} actions
   */
  constructor(upload, { cancel, retry, changeOptions }) {
    super();
    this.#upload = upload;
    this.#name = shortName(upload.file.name);
    this.#cancel = button("", cancel);
    this.#retry = button("", retry, "");
    this.#options = button("", changeOptions, "");
    upload.addEventListener("change", () => this.#show());
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.role = "listitem";
    this.#progress.ariaLabel = `Upload of ${this.#name}`;
    this.#label(this.#options, "Change the options");
    const name = element("bdi", { class: "name", title: shortName(this.#upload.file.name, 200) }, this.#name);
    const actions = element("div", { class: "actions" }, this.#options, this.#retry, this.#cancel);
    this.append(name, actions, this.#progress, this.#note, this.#problem);
    this.#show();
  }

  #show() {
    const { state, problem, percent } = this.#upload;
    const isWaiting = state === "waiting" && this.#upload.retryAt > Date.now();
    this.dataset.state = state;
    this.#progress.hidden = state !== "uploading";
    this.#progress.value = percent;
    setText(this.#note, state === "failed" ? "" : describe(this.#upload));
    setText(this.#problem, state === "failed" ? problem.text : "");
    this.#label(this.#cancel, state === "failed" ? "Dismiss" : "Cancel");
    this.#label(this.#retry, isWaiting ? "Try now" : "Try again");
    this.#retry.hidden = !(isWaiting || (state === "failed" && problem.canRetry && !problem.isOption));
    this.#options.hidden = !(state === "failed" && problem.isOption);
    this.#speak();
  }

  /**
   * @param {HTMLButtonElement} named
   * @param {string} text
   */
  #label(named, text) {
    setText(named, text);
    named.ariaLabel = `${text}: ${this.#name}`;
  }

  #speak() {
    const { state, reason, file } = this.#upload;
    const name = escaped(file.name);
    if (reason && reason !== this.#spokenReason) tell(name, "waiting", reason);
    this.#spokenReason = reason;
    const step = Math.floor(this.#upload.percent / SPOKEN_STEP) * SPOKEN_STEP;
    if (state === "uploading" && step > this.#spoken && step < 100) tell(name, "uploading", `${step} percent uploaded.`);
    this.#spoken = state === "uploading" ? step : 0;
  }
}

/**
 * Say how far an upload is, or what it waits for.
 * @param {Upload} upload
 */
function describe({ state, reason, isSending, isContinued, retryAt, sent, file, speed, secondsLeft }) {
  if (state === "uploaded") return "Uploaded.";
  if (!isSending) return [reason || (state === "waiting" ? "Waiting for its turn" : "Starting…"), nextTry(retryAt)].join(" ").trim();
  if (sent >= file.size) return "All is sent. The server is storing it…";
  const amount = `${formatSize(sent)} of ${formatSize(file.size)}`;
  if (speed === null && isContinued) return `Continues at ${amount}`;
  if (speed === null || secondsLeft === null) return speed === 0 ? `${amount} · no progress at the moment` : amount;
  return `${amount} · ${formatSize(speed)}/s · ${formatLengthInWords(coarse(secondsLeft))} left`;
}

/** @param {number} retryAt */
function nextTry(retryAt) {
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  return seconds > 0 ? `Next try in ${formatLengthInWords(seconds)}.` : "";
}

/**
 * Round a time left, so that its text does not change with every report.
 * @param {number} seconds
 */
function coarse(seconds) {
  const step = [5, 60, 600, Infinity].findIndex((limit) => seconds < limit);
  const unit = [1, 5, 60, 600][step] ?? 1;
  return Math.max(Math.ceil(seconds / unit) * unit, 1);
}

/**
 * Set a text only if it differs: a screen reader may read every change.
 * @param {HTMLElement} target
 * @param {string} text
 */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

customElements.define("sl-upload-row", UploadRow);
