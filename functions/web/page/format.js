/** Sizes, lengths, times and names as people read them. */

const DAY = 24 * 3600 * 1000;
const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/**
 * Return a size such as "12.4 MB"; decimal units, as file managers show them.
 * @param {number} bytes
 */
export function formatSize(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}\u00a0${units[unit]}`;
}

/**
 * Return a length such as "3:07" or "1:02:09".
 * @param {number} seconds
 */
export function formatLength(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/**
 * Return a length in words, such as "1 hour 2 minutes 9 seconds", for screen readers and for time left.
 * @param {number} seconds
 */
export function formatLengthInWords(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    count(Math.floor(whole / 3600), "hour"),
    count(Math.floor(whole / 60) % 60, "minute"),
    count(whole % 60, "second"),
  ].filter((part) => !part.startsWith("0 "));
  return parts.join(" ") || "0 seconds";
}

/**
 * Return a number with its noun, such as "1 file" or "3 files".
 * @param {number} number
 * @param {string} noun
 */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * Return a moment such as "today 14:03", "yesterday 09:12", "4 Dec 14:03" or "4 Dec 2025".
 * @param {string | number | Date} moment
 */
export function formatMoment(moment) {
  const date = new Date(moment);
  const named = dayName(date);
  if (named) return `${named} ${time.format(date)}`;
  if (date.getFullYear() !== new Date().getFullYear()) return dayOfYear.format(date);
  return `${day.format(date)} ${time.format(date)}`;
}

/**
 * Return a day such as "today", "tomorrow", "4 Dec" or "4 Dec 2025".
 * @param {string | number | Date} moment
 */
export function formatDay(moment) {
  const date = new Date(moment);
  const format = date.getFullYear() === new Date().getFullYear() ? day : dayOfYear;
  return dayName(date) ?? format.format(date);
}

/** @param {Date} date */
function dayName(date) {
  const midnight = (/** @type {Date} */ of) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  const days = Math.round((midnight(date) - midnight(new Date())) / DAY);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[String(days)];
}

/**
 * Return the name of a job's audio file: the video's, with its suffix replaced, as the server names it.
 * @param {string} fileName
 * @param {string} [suffix]
 */
export function audioName(fileName, suffix = "mp3") {
  const dot = fileName.lastIndexOf(".");
  const hasSuffix = dot > 0 && fileName.length - dot - 1 <= 5;
  return `${hasSuffix ? fileName.slice(0, dot) : fileName}.${suffix}`;
}
