/**
 * The uploads in progress of each tab, kept in local storage so that a page opened after a reload or a crash can name
 * those that were interrupted. Each tab holds a lock while it lives: what a living tab uploads is not interrupted.
 */

/** @import { Upload } from "./upload-item.js" */

import { apiUrl } from "./http.js";

const PREFIX = `soundlift uploads ${apiUrl("/").pathname} `;
const MAX_FILES = 50;
const MAX_NAME_LENGTH = 300;
const MAX_AGE_MILLISECONDS = 7 * 24 * 3600 * 1000;

/**
 * An upload that was interrupted; it may have arrived if it has begun. The server has `kept` bytes of it at `path`.
 * @typedef {{name: string, size: number, modified: number, options: Array<[string, string]>, key: string, hasBegun: boolean,
 *   path?: string, kept?: number}} Interrupted
 */

const entryName = PREFIX + [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16)).join("");
// Outside secure contexts there are no locks. What belongs to this tab alone then shows what it uploaded before.
const storage = openStorage();
let recorded = "[]";
void navigator.locks?.request(entryName, () => new Promise(() => {}));

/** Return where uploads are recorded, or null if the browser forbids it. */
function openStorage() {
  try {
    return navigator.locks ? localStorage : sessionStorage;
  } catch {
    return null;
  }
}

/**
 * Record the uploads of this tab.
 * @param {string} username
 * @param {Upload[]} uploads
 */
export function record(username, uploads) {
  const files = uploads.slice(0, MAX_FILES).map(({ file, options, key, path, kept, attempts, mayHaveArrived }) => ({
    name: file.name.slice(-MAX_NAME_LENGTH),
    size: file.size,
    modified: file.lastModified,
    options: [...options],
    key,
    path,
    kept,
    hasBegun: attempts > 0 || mayHaveArrived,
  }));
  const text = JSON.stringify(files);
  if (text === recorded) return;
  recorded = text;
  try {
    if (files.length) storage?.setItem(entryName, JSON.stringify({ username, at: Date.now(), files }));
    else storage?.removeItem(entryName);
  } catch {
    // Storage is full or forbidden: uploads work without it.
  }
}

/**
 * Call `found` with the uploads of each tab that has ended, as soon as it has; each is passed on by one tab only.
 * @param {string} username
 * @param {(files: Interrupted[]) => void} found
 */
export function recover(username, found) {
  for (const other of Object.keys(storage ?? {}).filter((name) => name.startsWith(PREFIX) && name !== entryName)) {
    const take = () => {
      const files = takeFiles(other, username);
      if (files.length) found(files);
    };
    if (navigator.locks) void navigator.locks.request(other, take);
    else take();
  }
}

/**
 * Remove an entry, unless it belongs to another user, and return its files.
 * @param {string} other
 * @param {string} username
 * @returns {Interrupted[]}
 */
function takeFiles(other, username) {
  try {
    const entry = JSON.parse(storage?.getItem(other) ?? "null");
    const isOld = !entry || !(Date.now() - entry.at < MAX_AGE_MILLISECONDS);
    if (!isOld && entry.username !== username) return [];
    storage?.removeItem(other);
    return isOld ? [] : entry.files.filter(isFile);
  } catch {
    storage?.removeItem(other);
    return [];
  }
}

/** @param {any} file */
function isFile(file) {
  return typeof file?.name === "string" && Number.isFinite(file.size) && Array.isArray(file.options) && typeof file.key === "string";
}
