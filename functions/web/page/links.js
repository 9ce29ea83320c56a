/** Signed links, which work for some time without a sign-in. */

/** @import { SignedLink } from "../types" */

import { apiUrl, request } from "./api.js";

/**
 * Return a new signed link of a job.
 * @param {string} jobId
 * @returns {Promise<SignedLink>}
 */
export function jobLink(jobId) {
  return request("POST", `/jobs/${encodeURIComponent(jobId)}/link`, { json: {} });
}

/**
 * Return a new signed link of a ZIP archive of several jobs.
 * @param {string[]} jobIds
 * @returns {Promise<SignedLink>}
 */
export function archiveLink(jobIds) {
  return request("POST", "/jobs/links", { json: { jobs: jobIds } });
}

/**
 * Return the URL of a signed link at the host of the page. Links are made for mails, so they name the public host,
 * which may be another name of this server; the page may load only from its own.
 * @param {SignedLink} link
 */
export function localUrl({ url }) {
  const local = apiUrl("/download");
  local.search = new URL(url).search;
  return local.href;
}

/**
 * Have the browser save a file; the server gives it its name.
 * @param {SignedLink} link
 */
export function save(link) {
  const anchor = document.createElement("a");
  anchor.href = localUrl(link);
  anchor.download = "";
  anchor.click();
}

/**
 * Copy a link that is still being made, and return it. Browsers let a page write to the clipboard only during a
 * click, so the clipboard gets a promise. Returns `isCopied` false where there is no clipboard.
 * @param {Promise<SignedLink>} making
 */
export async function copyLink(making) {
  const text = making.then(({ url }) => new Blob([url], { type: "text/plain" }));
  text.catch(() => {}); // reported by the caller, who awaits `making`
  let isCopied = true;
  try {
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
  } catch {
    isCopied = false;
  }
  return { link: await making, isCopied };
}
