/**
 * The key of an upload (Idempotency-Key): requests with the same key make one job, and the key finds and cancels it
 * even if no answer has arrived.
 */

/** @import { Job } from "../types" */

import { ApiError, request } from "./api.js";
import { send } from "./http.js";
import { session } from "./session.js";

/** What each request about an upload in parts has. */
export const TUS = { "Tus-Resumable": "1.0.0" };
const FIRST_PAUSE_MILLISECONDS = 1000;
const LONGEST_PAUSE_MILLISECONDS = 60_000;

/** Return a new key. crypto.randomUUID exists only in secure contexts. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} key */
export function keyHeader(key) {
  return { "Idempotency-Key": `"${key}"` };
}

/**
 * Return the job that an upload has made, or null if it has made none. Throws ApiError, which says so if the upload is
 * still in progress, or its job was deleted.
 * @param {string} key
 * @returns {Promise<Job | null>}
 */
export async function findArrived(key) {
  try {
    return await request("GET", "/upload", { headers: keyHeader(key) });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/**
 * Let an upload leave no job, even if the server has received, or is about to receive, all of it. This goes on when the
 * page is left, and is repeated while the server cannot be reached. It ends if the user has signed out and the token has
 * expired: the user then finds the job in the list.
 * @param {string} key
 * @param {{token: string, username: string}} sender who has sent it, and the token of that request
 * @param {string} [path] at which the server keeps what it has received of it, if the file is sent in parts
 */
export async function cancelUpload(key, { token, username }, path = "/upload") {
  for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS)) {
    try {
      await send("DELETE", path, { headers: { ...keyHeader(key), ...TUS }, token, keepalive: true });
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) token = await replaceToken(token, username);
      else if (!error.isTemporary && error.status !== 409) return;
      if (!token) return;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/**
 * Return another token of a user, or an empty string if the user has signed out.
 * @param {string} refused
 * @param {string} username
 */
async function replaceToken(refused, username) {
  try {
    const token = await session.replace(refused);
    return session.identity?.username === username ? token : "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.isTemporary ? refused : "";
  }
}
