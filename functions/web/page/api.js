/** Requests to the API on behalf of the signed-in user. */

/** @import { SendOptions } from "../types" */

import { ApiError, send } from "./http.js";
import { session } from "./session.js";

export { ApiError, apiUrl, problemError } from "./http.js";

/**
 * Send a request with the access token and return its parsed JSON, or null if there is none.
 * If the session has expired, the request waits until the user has signed in again. If the user has signed out in the
 * meantime, the answer is dropped: it must not be shown to the next user.
 * @param {string} method
 * @param {string} path
 * @param {SendOptions} [options]
 * @returns {Promise<any>}
 */
export async function request(method, path, options = {}) {
  const token = await session.token();
  const username = session.identity?.username;
  try {
    return await sendWithRenewal(method, path, { ...options, token });
  } finally {
    session.assertUser(username);
  }
}

/**
 * Send a request, and send it again with another token if the server refuses the first one.
 * @param {string} method
 * @param {string} path
 * @param {SendOptions & { token: string }} options
 */
async function sendWithRenewal(method, path, options) {
  const username = session.identity?.username;
  try {
    return await send(method, path, options);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    session.assertUser(username);
    return send(method, path, { ...options, token: await session.replace(options.token) });
  }
}
