/** Requests to the API without a sign-in, and the errors that they end in. */

/** @import { SendOptions } from "../types" */

const UNREACHABLE = "The server cannot be reached. Check your connection, then try again.";
const DEFAULT_TIMEOUT = 60;

/**
 * The folder whose children are the functions: that of the page, or the one above if the page is served at the path
 * of its own function ("/web/", "/function/web/", "/function/web.namespace/").
 */
const root = new URL(new URL(".", location.href).href.replace(/\/web(\.[^/]+)?\/$/, "/"));

/**
 * Return the URL of an API path such as "/jobs", wherever the page is mounted.
 * @param {string} path
 * @param {SendOptions["query"]} [query]
 */
export function apiUrl(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

/** A refusal by the API, or a request that never reached it (status 0). */
export class ApiError extends Error {
  /** @param {{ status: number, code: string, detail: string, retryAfter?: number | null }} problem */
  constructor({ status, code, detail, retryAfter = null }) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = detail;
    /** Seconds to wait, if the server says so. */
    this.retryAfter = retryAfter;
  }

  /** Return whether the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Send a request and return its parsed JSON, or null if the answer has none.
 * Throws ApiError, or AbortError if the signal was used.
 * @param {string} method
 * @param {string} path
 * @param {SendOptions & { token?: string }} [options]
 * @returns {Promise<any>}
 */
export async function send(method, path, options = {}) {
  const { query, json, signal, timeout = DEFAULT_TIMEOUT, token, keepalive } = options;
  const headers = new Headers({ Accept: "application/json", ...options.headers });
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (json !== undefined) headers.set("Content-Type", "application/json");
  const deadline = AbortSignal.timeout(timeout * 1000);
  try {
    const response = await fetch(apiUrl(path, query), {
      method,
      headers,
      body: json === undefined ? undefined : JSON.stringify(json),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      credentials: "same-origin",
      keepalive,
    });
    if (!response.ok) throw await toError(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof ApiError || signal?.aborted) throw error;
    throw new ApiError({ status: 0, code: "unreachable", detail: UNREACHABLE });
  }
}

/**
 * Return the error that a response describes; proxies answer without a problem document.
 * @param {Response} response
 */
async function toError(response) {
  const { status } = response;
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const retryAfter = Number.isFinite(seconds) ? seconds : null;
  return problemError(status, await response.text(), retryAfter);
}

/**
 * Return the error of a status and a body, which is a problem document (RFC 9457) if the API wrote it.
 * @param {number} status
 * @param {string} body
 * @param {number | null} [retryAfter]
 */
export function problemError(status, body, retryAfter = null) {
  try {
    const { code, detail } = JSON.parse(body);
    if (typeof code === "string" && typeof detail === "string") return new ApiError({ status, code, detail, retryAfter });
  } catch {
    // Not JSON: an answer of a proxy.
  }
  const detail = `The server answered with error ${status}. Try again in a moment.`;
  return new ApiError({ status, code: `http_${status}`, detail, retryAfter });
}
