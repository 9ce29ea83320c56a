/** Times in a video as people write them: [HH:]MM:SS[.mmm] or seconds, as soundlift/common/options/values.py reads them. */

const SECONDS = /^\d{1,6}(?:\.\d{1,6})?$/;
const CLOCK = /^(?:(\d{1,2}):(?=[0-5]?\d:))?(\d{1,3}):([0-5]\d(?:\.\d{1,6})?)$/;

/**
 * Return the seconds of a text, or null if it is not a time.
 * @param {string} text
 */
export function parseTime(text) {
  if (SECONDS.test(text)) return Number(text);
  const clock = CLOCK.exec(text);
  if (!clock) return null;
  const [, hours, minutes, seconds] = clock;
  return Math.round((Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1e6) / 1e6;
}

/**
 * Return a time as [HH:]MM:SS.mmm, which parseTime reads; the hours are left out if there are none.
 * @param {number} time in seconds
 */
export function formatTime(time) {
  const milliseconds = Math.round(Math.max(time, 0) * 1000);
  const [hours, minutes] = [Math.floor(milliseconds / 3.6e6), Math.floor(milliseconds / 6e4) % 60];
  const seconds = ((milliseconds % 6e4) / 1000).toFixed(3).padStart(6, "0");
  const rest = `${String(minutes).padStart(2, "0")}:${seconds}`;
  return hours ? `${String(hours).padStart(2, "0")}:${rest}` : rest;
}

/**
 * Return a time in words, for a screen reader.
 * @param {number} time in seconds
 */
export function spokenTime(time) {
  const tenths = Math.round(Math.max(time, 0) * 10);
  const parts = [
    [Math.floor(tenths / 36000), "hour"],
    [Math.floor(tenths / 600) % 60, "minute"],
    [(tenths % 600) / 10, "second"],
  ];
  const said = parts.filter(([count, unit]) => count || unit === "second");
  return said.map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`).join(" ");
}
