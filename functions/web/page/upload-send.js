/** The requests that upload files. XMLHttpRequest, since fetch does not report the progress of a body. */

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
export async function sendFile(file, options, { key, onProgress, ...more }) {
  const { path, headers, body } = describeRequest(file, options);
  const request = await exchange("POST", path, {
    ...more,
    headers: { ...headers, ...keyHeader(key) },
    body,
    onProgress: (sent) => onProgress(Math.min(sent, file.size)),
  });
  const error = requestError(request);
  if (request.status !== 202) throw error;
  try {
    return JSON.parse(request.responseText);
  } catch {
    throw error;
  }
}

/**
 * Send a request, and return it once its answer is complete, whatever that is; throws as `sendFile` does.
 * @param {string} method
 * @param {string} path
 * @param {{headers: Record<string, string>, body: XMLHttpRequestBodyInit | null, token: string, signal: AbortSignal,
 *   onProgress: (sent: number) => void}} more
 * @returns {Promise<XMLHttpRequest>}
 */
export function exchange(method, path, { headers, body, token, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, apiUrl(path));
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => resolve(request);
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
 * @returns {{path: string, headers: Record<string, string>, body: File | FormData}}
 */
function describeRequest(file, options) {
  const query = new URLSearchParams([...options]).toString();
  if (query.length <= MAX_QUERY_LENGTH) {
    const type = /^(audio|video)[/]/.test(file.type) ? file.type : "application/octet-stream";
    const name = encodeURIComponent(encodable(file.name));
    return { path: `/upload?${query}`, headers: { "X-Filename": name, "Content-Type": type }, body: file };
  }
  const form = new FormData();
  for (const [name, text] of options) form.append(name, text);
  form.append("file", file, file.name);
  return { path: "/upload", headers: {}, body: form };
}

/**
 * Return the end of a file name, without lone surrogates, which cannot be encoded; the server keeps no more of it.
 * @param {string} name
 */
export function encodable(name) {
  const wellFormed = new TextDecoder().decode(new TextEncoder().encode(name));
  return [...wellFormed].slice(-MAX_NAME_LENGTH).join("");
}

/**
 * Return the error that an answer describes.
 * @param {XMLHttpRequest} request
 */
export function requestError(request) {
  const seconds = Number.parseInt(request.getResponseHeader("Retry-After") ?? "", 10);
  return problemError(request.status, request.responseText, Number.isFinite(seconds) ? seconds : null);
}
