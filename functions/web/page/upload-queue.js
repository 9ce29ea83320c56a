/** The queue of uploads: two at a time; it waits for the network, a sign-in or a free place, and goes on by itself. */

/** @import { Job } from "../types" */

import { ApiError } from "./http.js";
import { session } from "./session.js";
import { Upload } from "./upload-item.js";
import { cancelUpload, findArrived } from "./upload-key.js";
import { decide } from "./upload-refusal.js";
import { sendFile } from "./upload-send.js";

const AT_ONCE = 2;
const TICK_MILLISECONDS = 1000;
const LARGE_BYTES = 32 * 2 ** 20; // above it, a file is sent in parts
const OFFLINE = "You are offline. The upload starts again when the connection is back.";
const SIGN_IN = "Your session has expired. The upload goes on when you have signed in.";
const NO_MODULE = { status: 0, code: "unreachable", detail: "The server cannot be reached." };
const UNREADABLE = {
  text: "The file cannot be read any more: it was moved, changed or deleted. Choose it again.",
  canRetry: false,
  isOption: false,
};

/** The uploads of this tab. It fires `change` when they come, go or change state, and each second. */
export class UploadQueue extends EventTarget {
  /** @type {Upload[]} */
  uploads = [];
  #heldUntil = 0;
  #timer = 0;
  #receivesParts = true; // until the server turns out to be older, or to keep too many unfinished uploads

  constructor() {
    super();
    addEventListener("online", () => this.#advance());
    addEventListener("offline", () => this.#advance());
    document.addEventListener("place-free", () => this.#release());
    for (const event of ["expired", "signed-in"]) session.addEventListener(event, () => this.#showSignIn());
  }

  /** Whether leaving the page would lose an upload. */
  get isPending() {
    return this.uploads.some((upload) => upload.isPending);
  }

  /** @param {Upload[]} uploads */
  add(uploads) {
    this.uploads.push(...uploads);
    this.#advance();
  }

  /**
   * Show a file that is not uploaded, and why.
   * @param {File} file
   * @param {string} text
   */
  refuse(file, text) {
    const upload = new Upload(file, new Map());
    upload.fail({ text, canRetry: false, isOption: false });
    this.uploads.push(upload);
    this.#changed();
  }

  /**
   * Cancel an upload, or dismiss a failed one. If its last bytes have been sent, aborting the request does not keep the
   * server from accepting it.
   * @param {Upload} upload
   */
  remove(upload) {
    const mayArrive = upload.isSending || upload.mayHaveArrived || upload.path;
    upload.change("cancelled");
    upload.controller.abort();
    if (mayArrive) void cancelUpload(upload.key, upload.sender);
    if (upload.path) void cancelUpload(upload.key, upload.sender, upload.path);
    this.#forget(upload);
  }

  removeAll() {
    for (const upload of [...this.uploads]) this.remove(upload);
  }

  /** Cancel all uploads that have not failed. */
  cancelAll() {
    for (const upload of this.uploads.filter(({ isPending }) => isPending)) this.remove(upload);
  }

  /**
   * Try a failed or waiting upload again now.
   * @param {Upload} upload
   */
  retry(upload) {
    this.#heldUntil = 0;
    upload.attempts = 0;
    upload.wait("");
    this.#advance();
  }

  #advance() {
    this.#showWaiting();
    while (this.#canStart()) {
      const next = this.uploads.find((upload) => upload.state === "waiting" && upload.retryAt <= Date.now());
      if (!next) break;
      void this.#run(next);
    }
    this.#changed();
  }

  /** Try those uploads again now that wait for a job to end or for space. */
  #release() {
    for (const upload of this.uploads) if (upload.state === "waiting" && upload.retryAt <= this.#heldUntil) upload.retryAt = 0;
    this.#heldUntil = 0;
    this.#advance();
  }

  #canStart() {
    const active = this.uploads.filter((upload) => upload.state === "uploading").length;
    return active < AT_ONCE && navigator.onLine && Date.now() >= this.#heldUntil;
  }

  #showWaiting() {
    for (const upload of this.uploads) {
      if (upload.state !== "waiting") continue;
      if (!navigator.onLine && upload.reason !== OFFLINE) upload.wait(OFFLINE);
      if (navigator.onLine && upload.reason === OFFLINE) this.retry(upload);
    }
  }

  #showSignIn() {
    for (const upload of this.uploads) {
      if (upload.isPending && !upload.isSending) upload.explain(session.isExpired ? SIGN_IN : "");
    }
  }

  /** @param {Upload} upload */
  async #run(upload) {
    upload.begin();
    if (session.isExpired) upload.explain(SIGN_IN);
    let token = "";
    try {
      token = await session.token();
      const arrived = upload.mayHaveArrived && !upload.path ? await findArrived(upload.key) : null;
      const job = arrived ?? (await this.#send(upload, token));
      if (upload.state === "uploading") this.#finish(upload, job);
    } catch (error) {
      if (upload.state === "uploading") await this.#recover(upload, error, token);
    }
    this.#advance();
  }

  /**
   * @param {Upload} upload
   * @param {string} token
   */
  async #send(upload, token) {
    const { file, options, key, controller } = upload;
    const { signal } = controller;
    signal.throwIfAborted();
    upload.beginSending({ token, username: session.identity?.username ?? "" });
    if (file.size > LARGE_BYTES && this.#receivesParts) {
      const { sendParts } = await import("./upload-parts.js").catch(() => Promise.reject(new ApiError(NO_MODULE)));
      const job = await sendParts(upload, token, () => this.#changed());
      if (job) return job;
      this.#receivesParts = false;
    }
    return sendFile(file, options, { key, token, signal, onProgress: (sent) => upload.progress(sent) });
  }

  /**
   * @param {Upload} upload
   * @param {Job} job
   */
  #finish(upload, job) {
    upload.change("uploaded");
    this.#forget(upload);
    document.dispatchEvent(new CustomEvent("job-uploaded", { detail: job }));
  }

  /**
   * @param {Upload} upload
   * @param {unknown} error
   * @param {string} token
   */
  async #recover(upload, error, token) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return this.#signIn(upload, error, token);
    const isUnknown = error.status === 0 || error.status >= 500 || error.code === "upload_in_progress";
    upload.mayHaveArrived ||= upload.isSending && isUnknown;
    const isLost = error.status === 0 && !(await isReadable(upload.file));
    if (upload.state !== "uploading") return;
    if (isLost) upload.fail(UNREADABLE);
    else if (navigator.onLine) this.#postpone(upload, error);
    else upload.wait(OFFLINE);
  }

  /**
   * @param {Upload} upload
   * @param {ApiError} error
   */
  #postpone(upload, error) {
    const decision = decide(error, { attempts: upload.attempts, sent: upload.sent - upload.kept });
    if (decision.kind === "never") return upload.fail(decision);
    upload.wait(decision.text, decision.seconds);
    if (decision.kind === "all") {
      upload.attempts = 0;
      this.#heldUntil = upload.retryAt;
    }
  }

  /**
   * @param {Upload} upload
   * @param {ApiError} error
   * @param {string} token
   */
  async #signIn(upload, error, token) {
    if (!token || upload.attempts > 2) return upload.fail({ text: error.detail, canRetry: true, isOption: false });
    upload.isSending = false;
    try {
      await session.replace(token);
    } catch (refusal) {
      if (!(refusal instanceof ApiError)) throw refusal;
    }
    if (upload.state === "uploading") upload.wait("");
  }

  /** @param {Upload} upload */
  #forget(upload) {
    this.uploads = this.uploads.filter((other) => other !== upload);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    if (this.isPending) this.#timer = setTimeout(() => this.#advance(), TICK_MILLISECONDS);
  }
}

/**
 * Return whether a chosen file still exists as it was.
 * @param {File} file
 */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
