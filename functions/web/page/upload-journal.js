/**
 * The uploads in progress of each tab, kept in local storage so that a page opened after a reload or a crash can name
 * those that were interrupted. Each tab holds a lock while it lives: what a living tab uploads is not interrupted.
 */

/** @import { Job } from "../types" */

import { apiUrl, request } from "./api.js";
import { replaced } from "./printable.js";

const PREFIX = `soundlift uploads ${apiUrl("/").pathname} `;
const MAX_FILES = 50;
const MAX_NAME_LENGTH = 300;
const MAX_SERVER_NAME_LENGTH = 200;
const MAX_AGE_MILLISECONDS = 7 * 24 * 3600 * 1000;
const CLOCK_DIFFERENCE_MILLISECONDS = 2 * 60 * 1000;

/** @typedef {{name: string, size: number, modified: number, startedAt: number, options: Array<[string, string]>}} Interrupted */

const key = PREFIX + [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16)).join("");
// Outside secure contexts there are no locks. What belongs to this tab alone then shows what it uploaded before.
const storage = openStorage();
let recorded = "[]";
void navigator.locks?.request(key, () => new Promise(() => {}));

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
 * @param {Array<{file: File, startedAt: number, options: Map<string, string>}>} uploads
 */
export function record(username, uploads) {
  const files = uploads.slice(0, MAX_FILES).map(({ file, startedAt, options }) => ({
    name: file.name.slice(-MAX_NAME_LENGTH),
    size: file.size,
    modified: file.lastModified,
    startedAt,
    options: [...options],
  }));
  const text = JSON.stringify(files);
  if (text === recorded) return;
  recorded = text;
  try {
    if (files.length) storage?.setItem(key, JSON.stringify({ username, at: Date.now(), files }));
    else storage?.removeItem(key);
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
  for (const other of Object.keys(storage ?? {}).filter((name) => name.startsWith(PREFIX) && name !== key)) {
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
  return typeof file?.name === "string" && Number.isFinite(file.size) && Array.isArray(file.options);
}

/**
 * Find the jobs of uploads whose answers were lost, although the server received them completely; null stands for none.
 * Throws ApiError.
 * @param {Array<{name: string, size: number, startedAt: number}>} uploads
 * @returns {Promise<Array<Job | null>>}
 */
export async function findArrived(uploads) {
  /** @type {{jobs: Job[]}} */
  const { jobs } = await request("GET", "/jobs", { query: { limit: 100 } });
  return uploads.map(({ name, size, startedAt }) => {
    const expected = serverName(name);
    const earliest = startedAt - CLOCK_DIFFERENCE_MILLISECONDS;
    const index = jobs.findIndex(
      (job) => job.video_bytes === size && job.file_name === expected && Date.parse(job.created_at) > earliest,
    );
    return index < 0 ? null : (jobs.splice(index, 1)[0] ?? null);
  });
}

/**
 * Return a file name as the server keeps it: clean_name in functions/upload/body.py.
 * @param {string} name
 */
function serverName(name) {
  const printable = replaced(name.split(/[/\\]/).at(-1) ?? "", "_");
  return [...printable.trim()].slice(-MAX_SERVER_NAME_LENGTH).join("") || "video";
}
