/** Buttons and labelled fields. */

import { element } from "./dom.js";

/**
 * Return a button that does something when it is pressed.
 * @param {string} text
 * @param {() => void} action
 * @param {string} [className]
 */
export function button(text, action, className = "quiet") {
  const made = element("button", { type: "button", class: className }, text);
  made.addEventListener("click", action);
  return made;
}

let numberOfFields = 0;

/**
 * @template {HTMLInputElement | HTMLSelectElement} Control
 * @typedef {{field: HTMLElement, control: Control, showProblem: (problem: string) => void}} Field
 */

/**
 * Return a label, its control, and an empty line for what is wrong with the value.
 * @template {HTMLInputElement | HTMLSelectElement} Control
 * @param {string} text
 * @param {Control} control
 * @returns {Field<Control>}
 */
export function labelled(text, control) {
  control.id = `field-${++numberOfFields}`;
  const problem = element("p", { class: "error problem", role: "alert", id: `${control.id}-problem` });
  const field = element("div", { class: "field" }, element("label", { for: control.id }, text), control, problem);
  const showProblem = (/** @type {string} */ sentence) => {
    if (problem.textContent !== sentence) problem.textContent = sentence; // screen readers may read every change
    control.ariaInvalid = sentence ? "true" : null;
    if (sentence) control.setAttribute("aria-describedby", problem.id);
    else control.removeAttribute("aria-describedby");
  };
  return { field, control, showProblem };
}

/**
 * Return a text field for one line.
 * @param {string} [placeholder]
 * @param {number} [maxLength]
 */
export function textInput(placeholder = "", maxLength = 1000) {
  return element("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder, maxlength: maxLength });
}

/**
 * Return a selection of values with their texts; a text with an array of pairs is a group.
 * @param {Array<[string, string | Array<[string, string]>]>} choices
 */
export function selection(choices) {
  return element("select", {}, ...choiceItems(choices));
}

/**
 * Return the contents of a selection.
 * @param {Parameters<typeof selection>[0]} choices
 */
export function choiceItems(choices) {
  const option = (/** @type {string} */ value, /** @type {string} */ text) => element("option", { value }, text);
  return choices.map(([value, text]) =>
    typeof text === "string"
      ? option(value, text)
      : element("optgroup", { label: value }, ...text.map((choice) => option(...choice))),
  );
}

/**
 * Return a labelled check box.
 * @param {string} text
 */
export function checkbox(text) {
  const control = element("input", { type: "checkbox" });
  return { field: element("label", { class: "check" }, control, text), control };
}
