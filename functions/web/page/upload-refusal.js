/** What to tell the user about an upload that the server refused, and what to do about it. */

import { ApiError } from "./http.js";
import { formatSize } from "./format.js";

const MAX_ATTEMPTS = 6;
const FIRST_PAUSE = 2;
const LONGEST_PAUSE = 60;
const LONGEST_WAIT_FOR_SPACE = 120;
/** Refusals that hold for every upload of this user, and end by themselves, nearly always within an hour. */
const HOLDS_ALL = new Set(["busy", "too_many_jobs", "too_many_uploads", "queue_full"]);
/** Refusals that may hold for a day or more. */
const HOLDS_LONG = new Set(["storage_full", "daily_minutes_exceeded"]);

const NOT_MEDIA =
  "This file is not in a supported format, such as MP4, MOV, MKV, WebM, AVI or WAV. Choose a video or audio file.";
const IN_PROGRESS = "The server is still ending the interrupted attempt.";
const DELETED = "This upload was cancelled, or its job was deleted in the meantime. Choose the file again to upload it.";
const PROXY_LIMIT = "A proxy in front of the server refuses files of this size. Ask the server's operator to allow them.";

/**
 * @typedef {{kind: "all", text: string, seconds: number} | {kind: "one", text: string, seconds: number}
 *   | {kind: "never", text: string, canRetry: boolean, isOption: boolean}} Decision
 */

/**
 * Decide how an upload goes on after an error: `all` uploads wait, this `one` waits, or it is `never` tried again by
 * itself.
 * @param {ApiError} error
 * @param {{attempts: number, sent: number}} upload how often it was tried, and the bytes of the last attempt
 * @returns {Decision}
 */
export function decide(error, { attempts, sent }) {
  const text = readable(error);
  if (HOLDS_ALL.has(error.code) || isSoonFree(error)) {
    return { kind: "all", text, seconds: Math.min(error.retryAfter ?? LONGEST_PAUSE, LONGEST_PAUSE) };
  }
  if (error.code === "upload_in_progress") return { kind: "one", text, seconds: error.retryAfter ?? FIRST_PAUSE };
  const isTransient = error.status === 0 || error.status >= 502 || (error.status === 429 && !HOLDS_LONG.has(error.code));
  if (isTransient && (attempts < MAX_ATTEMPTS || !sent)) {
    const pause = Math.min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE);
    return { kind: "one", text, seconds: Math.max(pause, Math.min(error.retryAfter ?? 0, LONGEST_PAUSE)) };
  }
  const isFinal = error.status === 413 || error.status === 415 || error.code === "upload_deleted";
  return { kind: "never", text, canRetry: !isFinal, isOption: error.code === "bad_option" };
}

/** @param {ApiError} error */
function isSoonFree(error) {
  return HOLDS_LONG.has(error.code) && error.retryAfter !== null && error.retryAfter <= LONGEST_WAIT_FOR_SPACE;
}

/**
 * Return an error as sentences for somebody who sees the page and not the API.
 * @param {ApiError} error
 */
function readable({ status, code, detail }) {
  if (status === 415) return NOT_MEDIA;
  if (code === "http_413") return PROXY_LIMIT;
  if (code === "upload_in_progress") return IN_PROGRESS;
  if (code === "upload_deleted") return DELETED;
  const text = detail
    .replaceAll(": DELETE /jobs/ID", " in the list below")
    .replace(/\b(\d{4,15}) bytes\b/g, (_, bytes) => formatSize(Number(bytes)));
  return status === 413 ? `${text} Choose a smaller file.` : text;
}
