/** One upload: its file, its options, its key, how far it is, and what it waits for. */

import { newKey } from "./upload-key.js";

/** @typedef {"waiting" | "uploading" | "uploaded" | "failed" | "cancelled"} UploadState */

const MEASURED_MILLISECONDS = 5000;
const MIN_MEASURED_MILLISECONDS = 1500;

/** An upload; it fires `change` whenever what is shown of it changes. */
export class Upload extends EventTarget {
  /** @type {UploadState} */
  state = "waiting";
  sent = 0;
  /** How many bytes the server keeps of a file that is sent in parts, even if the upload is interrupted. */
  kept = 0;
  /** Whether the server had a part of it before this page was opened. */
  isContinued = false;
  /** What the upload waits for, as a sentence; empty if only for its turn. */
  reason = "";
  /** Whether its bytes are on their way; false while an upload needs a sign-in first. */
  isSending = false;
  /** Milliseconds since 1970 before which it is not tried again. */
  retryAt = 0;
  attempts = 0;
  /** Whether the server may have received all of it, or be receiving it, although no answer says so. */
  mayHaveArrived = false;
  /** Who has sent the last request, with which token. */
  sender = { token: "", username: "" };
  /** What went wrong and what to do, and what can be done, if the upload has failed. */
  problem = { text: "", canRetry: false, isOption: false };
  controller = new AbortController();
  /** @type {Array<{at: number, sent: number}>} */
  #samples = [];

  /**
   * @param {File} file
   * @param {Map<string, string>} options
   * @param {string} [key] of the same upload before the page was reloaded
   * @param {string} [path] at which the server keeps what it has received of it
   */
  constructor(file, options, key = newKey(), path = "") {
    super();
    this.file = file;
    this.options = options;
    this.key = key;
    this.path = path;
  }

  /** Whether leaving the page would lose this upload. */
  get isPending() {
    return this.state === "waiting" || this.state === "uploading";
  }

  get percent() {
    return this.file.size ? (this.sent / this.file.size) * 100 : 0;
  }

  /** Bytes per second over the last seconds; null while there are too few to tell. */
  get speed() {
    const now = Date.now();
    const [first] = this.#samples;
    if (!first || now - first.at < MIN_MEASURED_MILLISECONDS) return null;
    return ((this.sent - first.sent) * 1000) / (now - first.at);
  }

  /** Seconds until all is sent; null if unknown. */
  get secondsLeft() {
    const { speed } = this;
    return speed ? (this.file.size - this.sent) / speed : null;
  }

  begin() {
    this.controller = new AbortController();
    this.attempts += 1;
    this.sent = this.kept;
    this.reason = "";
    this.change("uploading");
  }

  /** @param {Upload["sender"]} sender */
  beginSending(sender) {
    this.isSending = true;
    this.mayHaveArrived = false;
    this.sender = sender;
    this.#samples = [{ at: Date.now(), sent: this.sent }];
    this.changed();
  }

  /** @param {number} kept how many bytes the server has of a file that is sent in parts */
  keep(kept) {
    if (kept !== this.sent) this.#samples = [{ at: Date.now(), sent: kept }];
    this.kept = this.sent = kept;
    this.changed();
  }

  /** @param {number} sent in bytes */
  progress(sent) {
    const now = Date.now();
    this.sent = sent;
    this.#samples.push({ at: now, sent });
    while (this.#samples.length > 2 && now - Number(this.#samples[0]?.at) > MEASURED_MILLISECONDS) this.#samples.shift();
    this.changed();
  }

  /**
   * @param {string} reason
   * @param {number} [seconds] before the next attempt
   */
  wait(reason, seconds = 0) {
    this.sent = this.kept;
    this.reason = reason;
    this.retryAt = Date.now() + seconds * 1000;
    this.change("waiting");
  }

  /** @param {Upload["problem"]} problem */
  fail(problem) {
    this.problem = problem;
    this.change("failed");
  }

  /** @param {UploadState} state */
  change(state) {
    this.state = state;
    this.isSending = false;
    this.changed();
  }

  /** @param {string} reason */
  explain(reason) {
    this.reason = reason;
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}
