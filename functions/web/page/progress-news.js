/** The news of conversions for screen readers and for the title of a tab in the background. */

/** @import { Job } from "../types" */

import { isEnded, jobName, problemText } from "./job-text.js";
import { tell } from "./news.js";
import { session } from "./session.js";

const STEP_PERCENT = 25;
let unseen = 0;

/**
 * Say what a change means: the start, each 25 %, and the end; not each per cent.
 * @param {Job} before
 * @param {Job} after
 */
export function reportProgress(before, after) {
  if (after.username !== session.identity?.username) return;
  const { state } = after;
  const text = news(before, after);
  if (text && state !== "expired" && state !== "importing") tell(jobName(after), state === "queued" ? "waiting" : state, text);
  if (document.hidden && !isEnded(before) && state === "ready") showUnseen(unseen + 1);
}

/**
 * @param {Job} before
 * @param {Job} after
 */
function news(before, after) {
  if (before.state !== after.state) {
    return { importing: "", queued: "waiting to be converted.", converting: "conversion started.", ready: "ready to play and to download.",
      failed: `failed. ${problemText(after)}`, cancelled: "cancelled.", expired: "" }[after.state];
  }
  const [earlier, now] = [before, after].map(({ percent }) => Math.floor(percent / STEP_PERCENT));
  return after.state === "converting" && now !== earlier && now ? `${now * STEP_PERCENT} percent converted.` : "";
}

/** @param {number} number */
function showUnseen(number) {
  unseen = number;
  document.title = unseen ? `(${unseen}) Soundlift` : "Soundlift";
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) showUnseen(0);
});
