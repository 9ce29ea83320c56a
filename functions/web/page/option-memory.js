/** The last choice of options, remembered in this browser. */

import { apiUrl } from "./http.js";

const KEY = `soundlift options ${apiUrl("/").pathname}`;

/**
 * Return the remembered values, by field; whoever reads them checks them.
 * @returns {Record<string, unknown>}
 */
export function recall() {
  try {
    const choice = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return choice && typeof choice === "object" ? choice : {};
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} choice */
export function remember(choice) {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // Storage is full or forbidden: the choice holds until the page is closed.
  }
}
