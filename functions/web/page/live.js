/** Keeps the list of jobs up to date: one long poll for the whole page. */

/** @import { JobPage } from "../types" */

import { ApiError, request } from "./api.js";

const WAIT_SECONDS = 25;
const HIDDEN_SECONDS = 30;
const LIMIT_SECONDS = 2; // between two polls if the server has no place for another waiting request
const CHANGE_SECONDS = 0.3; // between two polls during a conversion
const MAX_RETRY_SECONDS = 30;

/** A loop of requests that each wait for the next change of any job. */
export class LiveJobs {
  #loop = new AbortController();

  /**
   * @param {object} callbacks
   * @param {(signal: AbortSignal) => Promise<string>} callbacks.load loads the list and returns its cursor
   * @param {(change: JobPage) => void} callbacks.apply
   * @param {(isConnected: boolean) => void} callbacks.report is called after each request
   */
  constructor({ load, apply, report }) {
    this.load = load;
    this.apply = apply;
    this.report = report;
  }

  /** Load the list, then follow its changes. */
  restart() {
    this.stop();
    this.#loop = new AbortController();
    this.#run(this.#loop.signal);
  }

  stop() {
    this.#loop.abort();
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    /** @type {string | null} */
    let cursor = null;
    for (let failures = 0; !signal.aborted; ) {
      try {
        cursor = cursor === null ? await this.load(signal) : await this.#poll(cursor, signal);
        failures = 0;
        if (!signal.aborted) this.report(true);
      } catch (error) {
        if (signal.aborted || isSignedOut(error)) return;
        if (!isTemporary(error)) cursor = null; // the server no longer knows the cursor
        failures += 1;
        this.report(false);
        await pause(retrySeconds(error, failures), signal);
      }
    }
  }

  /**
   * @param {string} cursor
   * @param {AbortSignal} signal
   */
  async #poll(cursor, signal) {
    const wait = document.hidden ? 0 : WAIT_SECONDS;
    const began = performance.now();
    /** @type {JobPage} */
    const change = await request("GET", "/jobs", {
      query: { changed_since: cursor, wait }, signal, timeout: WAIT_SECONDS + 15,
    });
    if (signal.aborted) return cursor;
    this.report(true);
    const hasChanged = change.jobs.length > 0 || (change.deleted ?? []).length > 0;
    if (hasChanged) this.apply(change);
    const answeredAtOnce = performance.now() - began < LIMIT_SECONDS * 1000;
    if (document.hidden) await pause(HIDDEN_SECONDS, signal);
    else if (hasChanged) await pause(CHANGE_SECONDS, signal);
    else if (answeredAtOnce) await pause(LIMIT_SECONDS, signal);
    return change.cursor;
  }
}

/** @param {unknown} error */
function isTemporary(error) {
  if (error instanceof ApiError) return error.isTemporary;
  reportError(error); // a programming error must not end the loop
  return false;
}

/**
 * @param {unknown} error
 * @param {number} failures without a success between them
 */
function retrySeconds(error, failures) {
  const asked = error instanceof ApiError ? (error.retryAfter ?? 0) : 0;
  return Math.max(asked, Math.min(2 ** (failures - 1), MAX_RETRY_SECONDS));
}

/** @param {unknown} error */
function isSignedOut(error) {
  return error instanceof ApiError && error.code === "signed_out";
}

/**
 * Return after some seconds, or as soon as the page is shown, the connection is back or the signal is used.
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    window.addEventListener("online", end, { signal: over.signal });
    document.addEventListener("visibilitychange", () => document.hidden || end(), { signal: over.signal });
    signal.addEventListener("abort", end, { signal: over.signal });
  });
}
