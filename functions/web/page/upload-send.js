/** The request that uploads one file. XMLHttpRequest, since fetch does not report the progress of a body. */

/** @import { Job } from "../types" */

import { ApiError, apiUrl, problemError } from "./http.js";
import { keyHeader } from "./upload-key.js";

const MAX_NAME_LENGTH = 200;
const MAX_QUERY_LENGTH = 2000;
const UNREACHABLE = "The connection to the server was lost. Check your network.";

/**
 * Upload a file; throws ApiError (status 0 if the connection was lost), or the signal's reason.
 * @param {File} file
 * @param {Map<string, string>} options
 * @param {{key: string, token: string, signal: AbortSignal, onProgress: (sent: number) => void}} more
 * @returns {Promise<Job>}
 */
export function sendFile(file, options, { key, token, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const { url, headers, body } = describeRequest(file, options);
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries({ ...headers, ...keyHeader(key) })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(Math.min(event.loaded, file.size));
    request.onload = () => settle(request, resolve, reject);
    request.onerror = () => reject(new ApiError({ status: 0, code: "unreachable", detail: UNREACHABLE }));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    if (signal.aborted) reject(signal.reason);
    else request.send(body);
  });
}

/**
 * Return the raw file with its options in the query, or a form if the options are too long for a URL.
 * @param {File} file
 * @param {Map<string, string>} options
 */
function describeRequest(file, options) {
  const query = new URLSearchParams([...options]).toString();
  if (query.length <= MAX_QUERY_LENGTH) {
    const url = apiUrl("/upload");
    url.search = query;
    const type = /^(audio|video)[/]/.test(file.type) ? file.type : "application/octet-stream";
    return { url, headers: { "X-Filename": encodedName(file.name), "Content-Type": type }, body: file };
  }
  const form = new FormData();
  for (const [name, text] of options) form.append(name, text);
  form.append("file", file, file.name);
  return { url: apiUrl("/upload"), headers: {}, body: form };
}

/**
 * Return the end of a file name, percent-encoded; the server keeps no more of it.
 * @param {string} name
 */
function encodedName(name) {
  const wellFormed = new TextDecoder().decode(new TextEncoder().encode(name)); // a lone surrogate cannot be encoded
  return encodeURIComponent([...wellFormed].slice(-MAX_NAME_LENGTH).join(""));
}

/**
 * @param {XMLHttpRequest} request
 * @param {(job: Job) => void} resolve
 * @param {(error: ApiError) => void} reject
 */
function settle(request, resolve, reject) {
  const seconds = Number.parseInt(request.getResponseHeader("Retry-After") ?? "", 10);
  const error = problemError(request.status, request.responseText, Number.isFinite(seconds) ? seconds : null);
  if (request.status !== 202) return reject(error);
  try {
    resolve(JSON.parse(request.responseText));
  } catch {
    reject(error);
  }
}
