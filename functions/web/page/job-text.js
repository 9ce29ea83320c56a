/** What a row says about a job. */

/** @import { Job } from "../types" */

import { formatDay, formatLength, formatMoment, formatSize } from "./format.js";
import { escaped } from "./printable.js";
import { session } from "./session.js";
import { formatTime } from "./times.js";

/** What the user can do about a failure, by its code; some reasons already say it. */
const ADVICE = new Map(Object.entries({
  no_audio: "Check that this is the right file.",
  not_media: "Check that it plays on your computer, then upload it again.",
  drm_protected: "Upload a copy without copy protection.",
  unknown_codec: "Export the video with a common codec such as AAC, then upload it.",
  empty_audio: "Check that this is the right file, or choose another audio track.",
  nothing_left: "Upload it again with an earlier start.",
  no_such_track: "Upload it again and choose one of these.",
  too_complex: "Try again, or upload a simpler version of the video.",
  broken: "Upload another copy of the video.",
  import_refused: "Use a public link, or upload the file.",
  import_failed: "Check that the link works, then import it again, or upload the file.",
  import_timeout: "Import it again later, or upload the file.",
  gave_up: "Try again. If it fails once more, tell the operator of this server.",
}));

/** Failures that the same video would end in again. */
const FINAL = new Set(["no_audio", "not_media", "cut_off", "drm_protected", "unknown_codec", "empty_audio", "nothing_left",
  "no_such_track", "too_many_channels", "no_container", "cannot_copy", "video_lost", "audio_lost", "import_refused", "import_failed", "import_timeout", "import_too_large", "storage_full"]);

/** What people call formats and codecs, if not by their names in capitals. */
const TITLES = new Map([["opus", "Opus"], ["ogg", "Ogg"], ["vorbis", "Vorbis"], ["ac3", "AC-3"], ["eac3", "E-AC-3"]]);

/** @param {Job} job */
export function stateText({ state, percent }) {
  if (state === "importing") return percent > 0 ? `Importing, ${percent}\u00a0%` : "Importing";
  if (state === "converting") return percent > 0 ? `Converting, ${percent}\u00a0%` : "Converting";
  return {
    queued: "Waiting", ready: "Ready", failed: "Failed", cancelled: "Cancelled", expired: "Expired",
  }[state];
}

/**
 * Return the facts of a job, each a short phrase.
 * @param {Job} job
 */
export function facts(job) {
  const isReady = job.state === "ready";
  const size = isReady ? job.mp3_bytes : job.video_bytes;
  const kind = isReady ? `${formatName(job)}, ` : "";
  return [
    session.identity?.admin && job.username !== session.identity.username ? job.username : null,
    size === null || job.state === "expired" ? null : `${kind}${formatSize(size)}`,
    job.length === null ? null : formatLength(job.length),
    job.cut ? null : partText(job.options),
    job.bitrate ? `${job.bitrate}\u00a0kbit/s` : null,
    job.sample_rate ? `${job.sample_rate / 1000}\u00a0kHz` : null,
    job.channels ? ["mono", "stereo"][job.channels - 1] ?? `${job.channels}\u00a0channels` : null,
    job.cut ? `copied from ${formatTime(job.cut.start)} to ${formatTime(job.cut.end)}` : job.copied ? "copied" : null,
    `${job.source_url === null ? "uploaded" : "imported"} ${formatMoment(job.created_at)}`,
    isReady && job.expires_at ? `kept until ${formatDay(job.expires_at)}` : null,
  ].filter((fact) => fact !== null);
}

/**
 * Return the format of an audio file, with its codec if that has another name: "M4A (AAC)".
 * @param {Job} job
 */
export function formatName({ format, codec }) {
  const isNamed = !codec || codec === format || codec.startsWith("pcm_");
  return isNamed ? title(format) : `${title(format)} (${title(codec)})`;
}

/** @param {string} name */
function title(name) {
  return TITLES.get(name) ?? name.toUpperCase();
}

/**
 * Return which part of the video was asked for, or null for all of it.
 * @param {Job["options"]} options
 */
function partText({ start, end }) {
  if (!start && typeof end !== "number") return null;
  return `from ${formatLength(start ?? 0)} to ${typeof end === "number" ? formatLength(end) : "the end"}`;
}

/**
 * Return what went wrong and what to do about it, or "".
 * @param {Job} job
 */
export function problemText(job) {
  if (job.state === "failed" && job.error) {
    const { code, detail } = job.error;
    // What a link leads to instead of a video cannot be played or uploaded; the reason says what to do.
    return isUnfetched(job) && code === "not_media" ? detail : [detail, ADVICE.get(code)].filter(Boolean).join(" ");
  }
  if (job.state === "ready" && (job.missing_seconds ?? 0) > 0) {
    return `${formatLength(job.missing_seconds ?? 0)} of audio is missing, because the video is partly damaged.`;
  }
  if (job.state === "expired") return "The files were deleted at the end of their storage period. Upload the video again to get the audio.";
  return "";
}

/** @param {Job} job */
export function mayRetry(job) {
  if (isUnfetched(job)) return false;
  return job.state === "cancelled" || (job.state === "failed" && !FINAL.has(job.error?.code ?? ""));
}

/**
 * Return whether the server does not have all of a video that it was to fetch.
 * @param {Job} job
 */
function isUnfetched(job) {
  return job.source_url !== null && job.video_bytes === null;
}

/** @param {Job} job */
export function isEnded(job) {
  return !["importing", "queued", "converting"].includes(job.state);
}

/** @param {Job} job */
export function jobName(job) {
  return escaped(job.file_name);
}
