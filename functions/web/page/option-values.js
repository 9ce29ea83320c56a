/** Checks of the values of options, equal to those of soundlift/common/options/; the server checks every value again. */

import { parseTime } from "./times.js";

/**
 * The values of the option `format`: their names, the bit rates to choose from in kbit/s, and the fields that a format
 * has no use for.
 * @type {Record<string, {name: string, bitrates: number[], without: string[]}>}
 */
export const FORMATS = {
  mp3: { name: "MP3", bitrates: [320, 256, 224, 192, 160, 128, 112, 96, 80, 64, 56, 48, 40, 32], without: [] },
  m4a: { name: "M4A (AAC)", bitrates: [320, 256, 192, 160, 128, 96, 64], without: [] },
  opus: { name: "Opus", bitrates: [256, 192, 160, 128, 96, 64, 48, 32, 24, 16], without: ["sample_rate"] },
  flac: { name: "FLAC", bitrates: [], without: ["quality"] },
  wav: { name: "WAV", bitrates: [], without: ["quality"] },
  original: { name: "Original track", bitrates: [], without: ["quality", "channels", "sample_rate", "loudness", "copy"] },
};
export const SAMPLE_RATES = [48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000];
export const TAGS = {
  title: "Title",
  artist: "Artist",
  album: "Album",
  album_artist: "Album artist",
  composer: "Composer",
  genre: "Genre",
  date: "Date",
  track: "Track number",
  disc: "Disc number",
  comment: "Comment",
};
const MAX_TEXT_LENGTH = 1000;
const LOUDNESS = /^-\d{1,2}(?:\.\d{1,3})?$/;

/** @typedef {{allowed: string, allows: (text: string) => boolean}} Check */

/**
 * @param {string} allowed
 * @param {RegExp} pattern
 * @returns {Check}
 */
const matching = (allowed, pattern) => ({ allowed, allows: (text) => pattern.test(text) });

/** @type {Check} */
const TIME = {
  allowed: "a time such as 1:30 or 01:02:03.5, or seconds such as 83.25",
  allows: (text) => parseTime(text) !== null,
};
/** @type {Check} */
const LINE = {
  allowed: `at most ${MAX_TEXT_LENGTH} characters on one line`,
  allows: (text) => [...text].length <= MAX_TEXT_LENGTH && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text),
};
const NUMBER_OF = "a number such as 3 or 3/12";
const NUMBER = /^\d{1,4}(?:\/\d{1,4})?$/;

/** @type {Record<string, Check>} */
const CHECKS = {
  start: TIME,
  end: TIME,
  track: matching("a number from 1 to 999, or a language such as en or eng", /^(?:[a-z]{2,3}|[1-9]\d{0,2})$/i),
  normalize: {
    allowed: "a number from -70 to -5",
    allows: (text) =>
      text === "true" || text === "false" || (LOUDNESS.test(text) && Number(text) >= -70 && Number(text) <= -5),
  },
  "tag.date": matching(
    "a year, or a date as YYYY-MM or YYYY-MM-DD",
    /^\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?$/,
  ),
  "tag.track": matching(NUMBER_OF, NUMBER),
  "tag.disc": matching(NUMBER_OF, NUMBER),
};

/**
 * Return the highest bit rate in kbit/s of a format that can be combined with a sample rate in Hz.
 * @param {string | undefined} format
 * @param {number} sampleRate
 */
function highestBitrate(format, sampleRate) {
  if (format === "m4a") return Math.floor(sampleRate * 0.012);
  if (sampleRate <= 12000) return 64;
  return sampleRate <= 24000 ? 160 : 320;
}

/**
 * Return what is wrong with the options, by name, each as the end of a sentence; an empty map if all are allowed.
 * @param {Map<string, string>} options
 * @returns {Map<string, string>}
 */
export function findProblems(options) {
  /** @type {Map<string, string>} */
  const problems = new Map();
  for (const [name, text] of options) {
    const check = CHECKS[name] ?? (name.startsWith("tag.") ? LINE : null);
    if (check && !check.allows(text)) problems.set(name, `must be ${check.allowed}`);
  }
  const [start, end] = [parseTime(options.get("start") ?? "0"), parseTime(options.get("end") ?? "")];
  if (start !== null && end !== null && end <= start) problems.set("end", "must be after the start");
  const [bitrate, rate] = [Number(options.get("bitrate")), Number(options.get("sample_rate"))];
  const highest = highestBitrate(options.get("format"), rate);
  if (bitrate && rate && bitrate > highest) {
    problems.set("sample_rate", `allows at most ${highest} kbit/s: choose a higher one, or a lower bit rate`);
  }
  const changes = ["bitrate", "quality", "normalize"].filter((name) => (options.get(name) ?? "false") !== "false");
  if (options.get("copy") === "always" && changes.length) {
    problems.set("copy", "cannot be combined with a quality or a loudness: a copy keeps those of the video");
  }
  return problems;
}
