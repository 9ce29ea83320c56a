/** The question before something is deleted for good. */

import { element } from "./dom.js";
import { session } from "./session.js";

/**
 * Ask, and return whether the user agreed. The focus begins on the button that changes nothing.
 * @param {string} question
 * @param {string} consequence
 * @param {string} agreement the label of the button that agrees
 * @returns {Promise<boolean>}
 */
export function confirmed(question, consequence, agreement) {
  const keep = element("button", { type: "button", autofocus: true }, "Keep");
  const agree = element("button", { type: "button", class: "danger" }, agreement);
  const dialog = element(
    "dialog",
    { "aria-labelledby": "question", "aria-describedby": "consequence", closedby: "any", class: "question" },
    element("h2", { id: "question" }, question),
    element("p", { id: "consequence", class: "muted" }, consequence),
    element("div", { class: "actions" }, agree, keep),
  );
  keep.addEventListener("click", () => dialog.close());
  agree.addEventListener("click", () => dialog.close("agreed"));
  const open = new AbortController();
  session.addEventListener("signed-out", () => dialog.close(), { signal: open.signal });
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      open.abort();
      dialog.remove();
      resolve(dialog.returnValue === "agreed");
    });
  });
}
