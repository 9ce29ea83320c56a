/** The options in a few words, which are visible while the panel is folded away. */

import { FORMATS, TAGS } from "./option-values.js";

const WORDS = new Map([
  ["channels=1", "mono"],
  ["channels=2", "stereo"],
  ["normalize=true", "normalised"],
  ["normalize=false", "loudness unchanged"],
  ["tags=strip", "no tags of the video"],
  ["cover=drop", "no cover"],
  ["copy=never", "encoded again"],
  ["copy=always", "only copied"],
]);

/**
 * Describe options that are not the defaults.
 * @param {Map<string, string>} options
 */
export function describe(options) {
  const format = FORMATS[options.get("format") ?? "mp3"]?.name;
  const words = [...options].map(([name, value]) => describeOne(name, value)).filter(Boolean);
  return [format, ...words, describeTrim(options), describeTags(options)].filter(Boolean).join(" · ");
}

/**
 * @param {string} name
 * @param {string} value
 */
function describeOne(name, value) {
  if (name === "quality") return `V${value}`;
  if (name === "bitrate") return `${value} kbit/s`;
  if (name === "sample_rate") return `${Number(value) / 1000} kHz`;
  if (name === "track") return `track ${value}`;
  if (name === "webhook") return "announced to a webhook";
  return WORDS.get(`${name}=${value}`) ?? (name === "normalize" ? `${value} LUFS` : "");
}

/** @param {Map<string, string>} options */
function describeTrim(options) {
  const [start, end] = [options.get("start"), options.get("end")];
  if (!start && !end) return "";
  return end ? `${start ?? "00:00"} to ${end}` : `from ${start}`;
}

/** @param {Map<string, string>} options */
function describeTags(options) {
  return Object.entries(TAGS)
    .filter(([name]) => options.has(`tag.${name}`))
    .map(([, text]) => text.toLowerCase())
    .join(", ");
}
