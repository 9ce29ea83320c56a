/** Requests to the API on behalf of the signed-in user. */

/** @import { SendOptions } from "../types" */

import { ApiError, send } from "./http.js";
import { session } from "./session.js";

export { ApiError, apiUrl, problemError } from "./http.js";

/**
 * Send a request with the access token and return its parsed JSON, or null if there is none.
 * If the session has expired, the request waits until the user has signed in again.
 * @param {string} method
 * @param {string} path
 * @param {SendOptions} [options]
 * @returns {Promise<any>}
 */
export async function request(method, path, options = {}) {
  const token = await session.token();
  try {
    return await send(method, path, { ...options, token });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    return send(method, path, { ...options, token: await session.replace(token) });
  }
}
