/** Polite announcements for screen readers, and refusals, which everybody sees. */

import { element } from "./dom.js";

const SPOKEN_SECONDS = 10;

/**
 * Have a screen reader say a sentence as soon as it is silent.
 * @param {string} text
 */
export function announce(text) {
  const region = document.getElementById("news");
  const sentence = element("p", {}, text);
  region?.append(sentence);
  setTimeout(() => sentence.remove(), SPOKEN_SECONDS * 1000);
}

/**
 * Show a refusal until it is dismissed, and have a screen reader say it at once.
 * @param {string} text
 */
export function refuse(text) {
  const region = document.getElementById("refusals");
  if (!region) return;
  for (const shown of [...region.children]) if (shown.firstChild?.textContent === text) shown.remove();
  const dismiss = element("button", { type: "button", class: "quiet" }, "Dismiss");
  const refusal = element("div", { class: "refusal" }, element("p", {}, text), dismiss);
  dismiss.addEventListener("click", () => {
    refusal.remove();
    const next = region.querySelector("button") ?? document.getElementById("main");
    next?.focus({ preventScroll: true });
  });
  region.append(refusal);
  while (region.children.length > 3) region.firstElementChild?.remove();
}

/**
 * Show an error as a refusal; a programming error is thrown on.
 * @param {unknown} error
 */
export function refuseError(error) {
  if (!(error instanceof Error && "detail" in error)) throw error;
  if (!("code" in error && error.code === "signed_out")) refuse(String(error.detail));
}
