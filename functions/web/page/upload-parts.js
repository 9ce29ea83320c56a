/**
 * The upload of a large file in parts (tus 1.0.0), which continues where it was after a lost connection or a reload. It
 * is loaded for the first large file.
 */

/** @import { Job } from "../types" */
/** @import { Upload } from "./upload-item.js" */

import { announce } from "./announcer.js";
import { formatSize } from "./format.js";
import { ApiError } from "./http.js";
import { shortName } from "./names.js";
import { session } from "./session.js";
import { TUS, findArrived, keyHeader, newKey } from "./upload-key.js";
import { encodable, exchange, requestError } from "./upload-send.js";

const UPLOADS = "/upload/files";
const PART_BYTES = 32 * 2 ** 20;
const MIN_PART_BYTES = 2 ** 20;
const MAX_CONFLICTS = 3;
const NOT_OFFERED = new Set([404, 405, 501]);
const GONE = new Set([404, 410]);
const TOO_MANY = "too_many_unfinished_uploads"; // perhaps begun elsewhere, and kept for a day
const UNEXPECTED = "The server's answer to a part of the file is unexpected. Try again later.";

/**
 * Upload a file, or the rest of it; return its job, or null if the server does not receive it in parts. Throws ApiError, or the
 * reason of the upload's signal. After an error, the same call continues the upload.
 * @param {Upload} upload
 * @param {string} token
 * @param {() => void} onKept called when the server keeps more of it than before, or nothing any more
 * @returns {Promise<Job | null>}
 */
export async function sendParts(upload, token, onKept) {
  const transfer = new Transfer(upload, token, onKept);
  if (upload.path && !(await transfer.resume())) {
    const job = await findArrived(upload.key);
    if (job) return job;
    upload.key = newKey(); // the old one may be that of an upload that the server has given up
  }
  if (!upload.path && !(await transfer.begin())) return null;
  await transfer.finish();
  const job = await findArrived(upload.key);
  if (!job) throw unexpected();
  return job;
}

/** One upload in parts, from the byte that the server names. */
class Transfer {
  #upload;
  #token;
  #onKept;
  #isComplete = false;

  /**
   * @param {Upload} upload
   * @param {string} token
   * @param {() => void} onKept
   */
  constructor(upload, token, onKept) {
    this.#upload = upload;
    this.#token = token;
    this.#onKept = onKept;
  }

  /** Announce the file and its options; return whether the server receives it in parts. */
  async begin() {
    const { file, options, key } = this.#upload;
    const type = /^(audio|video)[/]/.test(file.type) ? file.type : "application/octet-stream";
    const metadata = [...options, ["filename", encodable(file.name)], ["filetype", type]];
    const headers = {
      ...keyHeader(key),
      "Upload-Length": String(file.size),
      "Upload-Metadata": metadata.map(([name, value = ""]) => `${name} ${base64(value)}`.trim()).join(","),
    };
    const request = await this.#send("POST", UPLOADS, headers);
    if (NOT_OFFERED.has(request.status) || !request.getResponseHeader("Tus-Resumable")) return false;
    if (request.status !== 201) {
      const error = requestError(request);
      if (error.code === TOO_MANY) return false;
      throw error;
    }
    const id = /([\w-]+)$/.exec(request.getResponseHeader("Location") ?? "")?.[1]; // the rest is how a proxy sees it
    if (!id) throw unexpected();
    this.#upload.path = `${UPLOADS}/${id}`;
    this.#keep(0);
    return true;
  }

  /** Learn how many bytes the server has; return false, and forget the upload, if the server has forgotten it. */
  async resume() {
    const upload = this.#upload;
    const isFirst = !upload.kept && !upload.isContinued;
    const request = await this.#send("HEAD", upload.path);
    if (GONE.has(request.status)) {
      upload.path = "";
      this.#keep(0);
      return false;
    }
    if (request.status >= 300) throw requestError(request);
    this.#isComplete = request.getResponseHeader("Soundlift-Job") !== null;
    upload.isContinued ||= isFirst && !this.#isComplete && request.getResponseHeader("Upload-Offset") !== "0";
    this.#take(request);
    if (isFirst && upload.isContinued) announce(`Upload of ${shortName(upload.file.name)} continues at ${formatSize(upload.kept)}.`);
    return true;
  }

  async finish() {
    for (let conflicts = 0; !this.#isComplete; ) {
      this.#token = await session.token(); // which may have changed since the last part
      const request = await this.#sendPart();
      if (request.status === 409 && (conflicts += 1) <= MAX_CONFLICTS) await this.resume();
      else if (request.status === 204) this.#accept(request);
      else throw requestError(request);
    }
  }

  #sendPart() {
    const upload = this.#upload;
    const { file, kept, attempts } = upload;
    const size = Math.max(MIN_PART_BYTES, PART_BYTES / 2 ** Math.max(attempts - 1, 0)); // smaller after errors
    const part = file.slice(kept, kept + size);
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(kept) };
    return this.#send("PATCH", upload.path, headers, part, (sent) => upload.progress(Math.min(kept + sent, file.size)));
  }

  /** @param {XMLHttpRequest} request */
  #accept(request) {
    const upload = this.#upload;
    this.#take(request);
    this.#isComplete = upload.kept === upload.file.size;
    upload.attempts = Math.max(upload.attempts - 1, 1); // bytes that arrived before an error are no success
  }

  /** @param {XMLHttpRequest} request */
  #take(request) {
    const offset = Number.parseInt(request.getResponseHeader("Upload-Offset") ?? "", 10);
    if (!(offset >= 0 && offset <= this.#upload.file.size)) throw unexpected();
    this.#keep(offset);
  }

  /** @param {number} bytes */
  #keep(bytes) {
    this.#upload.keep(bytes);
    this.#onKept();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} [headers]
   * @param {Blob | null} [body]
   * @param {(sent: number) => void} [onProgress]
   */
  async #send(method, path, headers = {}, body = null, onProgress = () => {}) {
    const { signal } = this.#upload.controller;
    return exchange(method, path, { headers: { ...TUS, ...headers }, body, token: this.#token, signal, onProgress });
  }
}

/** @param {string} text */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function unexpected() {
  return new ApiError({ status: 502, code: "unexpected_answer", detail: UNEXPECTED });
}
