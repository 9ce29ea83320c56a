/** News of files for screen readers: each news of one file, but a summary at most every few seconds of several. */

import { announce } from "./announcer.js";

/** @typedef {"waiting" | "uploading" | "converting" | "ready" | "failed" | "cancelled"} NewsKind */

const PAUSE_SECONDS = 5;
/** @type {NewsKind[]} */
const ORDER = ["ready", "failed", "cancelled", "converting", "uploading", "waiting"];

/** The latest news of each file since the last announcement, by name. @type {Map<string, {kind: NewsKind, text: string}>} */
const unspoken = new Map();
/** The file that was announced last; empty after a summary. */
let lastName = "";
let lastSummary = "";
let isPaused = false;
let timer = 0;

/**
 * Announce what happened to a file, unless another file was announced a moment ago: then gather the news.
 * @param {string} name
 * @param {NewsKind} kind
 * @param {string} text
 */
export function tell(name, kind, text) {
  unspoken.set(name, { kind, text });
  if (!isPaused || (name === lastName && unspoken.size === 1)) speak();
}

function speak() {
  isPaused = unspoken.size > 0;
  if (!isPaused) return;
  const [[name, { text }] = ["", { text: "" }]] = unspoken;
  lastName = unspoken.size === 1 ? name : "";
  if (lastName) announce(`${name}: ${text}`);
  else announceSummary();
  unspoken.clear();
  clearTimeout(timer);
  timer = setTimeout(speak, PAUSE_SECONDS * 1000);
}

function announceSummary() {
  const kinds = [...unspoken.values()].map(({ kind }) => kind);
  const counts = ORDER.map((kind) => [kinds.filter((other) => other === kind).length, kind]);
  const summary = `Files: ${counts.filter(([number]) => number).map((pair) => pair.join(" ")).join(", ")}.`;
  if (summary !== lastSummary) announce(summary);
  lastSummary = summary;
}
