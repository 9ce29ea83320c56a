/** What the buttons of a row do. Each action throws ApiError. */

/** @import { Job } from "../types" */
/** @import { JobList } from "./job-list.js" */
/** @import { JobRow } from "./job-row.js" */

import { announce } from "./announcer.js";
import { ApiError, request } from "./api.js";
import { confirmed } from "./confirm.js";
import { element } from "./dom.js";
import { formatMoment } from "./format.js";
import { jobName } from "./job-text.js";
import { copyLink, jobLink, save } from "./links.js";

/** @param {Job} job */
const path = ({ job_id: id }) => `/jobs/${encodeURIComponent(id)}`;

/** @type {Record<string, (row: JobRow, list: JobList) => Promise<void>>} */
export const actions = {
  async download({ job }) {
    save(await jobLink(job.job_id));
    announce(`Downloading the audio of ${jobName(job)}.`);
  },

  async copy(row) {
    const { link, isCopied } = await copyLink(jobLink(row.job.job_id));
    const term = `It works without a sign-in until ${formatMoment(link.expires_at)}, for anybody who has it. Copy again for a new one.`;
    if (isCopied) {
      row.showNote(element("p", {}, `Link copied. ${term}`));
      announce(`Link copied. ${term}`);
    } else {
      showLink(row, link.url, term);
    }
  },

  async cancel({ job }, list) {
    await change("DELETE", job, list);
  },

  async retry({ job }, list) {
    list.put(await request("POST", `${path(job)}/retry`, { json: {} }));
  },

  async delete({ job }, list) {
    const consequence = job.state === "ready"
      ? "The audio and the video are deleted for good, and links to them stop working."
      : "The video is deleted for good.";
    if (job.state === "expired" || (await confirmed(`Delete “${jobName(job)}”?`, consequence, "Delete"))) {
      await change("DELETE", job, list);
      announce(`${jobName(job)} deleted.`);
    }
  },
};

/**
 * Send a request that cancels or deletes a job, and show what became of it.
 * @param {string} method
 * @param {Job} job
 * @param {JobList} list
 */
export async function change(method, job, list) {
  try {
    const changed = await request(method, path(job));
    if (changed) list.put(changed);
    else list.removeJob(job.job_id);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    list.removeJob(job.job_id); // another tab was first
  }
}

/**
 * Show a link for copying by hand, where the browser has no clipboard.
 * @param {JobRow} row
 * @param {string} url
 * @param {string} term
 */
function showLink(row, url, term) {
  const field = element("input", { type: "text", readonly: true, value: url, "aria-label": `Link to ${jobName(row.job)}` });
  row.showNote(element("p", {}, `Copy this link. ${term}`), field);
  field.focus();
  field.select();
}
