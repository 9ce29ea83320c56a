/** File names as they are shown: without characters that disguise them, and short. */

import { escaped } from "./printable.js";

const LONGEST = 60;

/**
 * Return a file name for one line, shortened in the middle, so that its suffix stays.
 * @param {string} name
 * @param {number} [longest] number of characters
 */
export function shortName(name, longest = LONGEST) {
  const letters = [...escaped(name)];
  if (letters.length <= longest) return letters.join("");
  const kept = longest - 1;
  const end = Math.floor(kept / 3);
  return `${letters.slice(0, kept - end).join("")}…${letters.slice(-end).join("")}`;
}
