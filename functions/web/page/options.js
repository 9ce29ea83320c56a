/** The options of uploads, folded away until they are wanted. */

import { button } from "./controls.js";
import { element } from "./dom.js";
import { OTHER_LOUDNESS, makeFields, makeTagFields, qualities } from "./option-fields.js";
import { describe } from "./option-summary.js";
import { FORMATS, findProblems } from "./option-values.js";
import { recall, remember } from "./option-memory.js";
import { Trim } from "./trim.js";

/** Options that fit one file only: they are cleared once they were used. */
const OF_ONE_FILE = ["tag.title", "tag.track"];

/**
 * The options panel. It fires `change` when a value changes and `toggle` when it is opened or closed. The last choice is
 * remembered in this browser, except the tags, the trim and the webhook.
 */
export class Options extends HTMLElement {
  #fields = makeFields();
  #tags = makeTagFields();
  #trim = new Trim();
  #summary = element("span", { class: "options-summary" });
  #trimSection = element("details", {}, element("summary", {}, "Trim"), this.#trim);
  #tagSection = element(
    "details",
    {},
    element("summary", {}, "Title and other tags"),
    element("p", { class: "hint" }, "Empty fields stay as they are in the video."),
    element("div", { class: "option-grid" }, ...[...this.#tags.values()].map(({ field }) => field)),
  );
  #grid = element("div", { class: "option-grid" });
  #panel = this.#makePanel();
  /** @type {import("./option-webhook.js").WebhookOption | null} */
  #webhook = null;
  #isPressed = false;
  #format = "";

  #makePanel() {
    const { tags, cover, ...fields } = this.#fields;
    const checks = element("div", { class: "option-checks" }, tags.field, cover.field);
    this.#grid.append(...Object.values(fields).map(({ field }) => field));
    const reset = button("Reset to defaults", () => this.#reset());
    return element(
      "details",
      { class: "options" },
      element("summary", {}, element("span", {}, "Options"), this.#summary),
      element("div", { class: "options-body" }, this.#grid, checks, this.#trimSection, this.#tagSection, element("div", { class: "actions" }, reset)),
    );
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.append(this.#panel);
    this.#setChoice(recall());
    if (findProblems(this.read()).size) this.#setChoice({});
    this.addEventListener("change", () => this.#changed());
    this.#panel.addEventListener("toggle", () => this.#toggled());
    this.#panel.addEventListener("toggle", () => this.#offerWebhooks());
    this.#trimSection.addEventListener("toggle", () => this.#toggled());
    // A sentence that appeared between the press and the release of a button would move the button away.
    addEventListener("pointerdown", () => (this.#isPressed = true), true);
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => this.#released()), true);
    this.#show();
  }

  #released() {
    this.#isPressed = false;
    this.#show();
  }

  get isOpen() {
    return this.#panel.open;
  }

  /** The one file whose audio the trim shows, or null. */
  set file(/** @type {File | null} */ file) {
    this.#trim.file = file;
  }

  /** Return the options that differ from the defaults, by the names that an upload gives them. */
  read() {
    const { format, quality, channels, sample_rate: rate, copy, track, tags, cover } = this.#fields;
    const [qualityName = "", qualityValue = ""] = valueOf(quality).split("=");
    /** @type {Array<[string, string]>} */
    const pairs = [
      ["format", format.control.selectedIndex ? format.control.value : ""],
      [qualityName, qualityValue],
      ["channels", valueOf(channels)],
      ["sample_rate", valueOf(rate)],
      ["normalize", this.#loudness()],
      ["copy", valueOf(copy)],
      ["track", valueOf(track)],
      ["webhook", this.#webhook?.value ?? ""],
      ["tags", tags.control.checked ? "" : "strip"],
      ["cover", cover.control.checked ? "" : "drop"],
      ...Object.entries(this.#trim.times),
      ...[...this.#tags].map(([name, field]) => /** @type {[string, string]} */ ([name, valueOf(field)])),
    ];
    return new Map(pairs.filter(([, value]) => value));
  }

  #loudness() {
    const { loudness, lufs } = this.#fields;
    return valueOf(loudness) === OTHER_LOUDNESS ? valueOf(lufs) : valueOf(loudness);
  }

  /** Show what is wrong, open the panel and move to the first problem; return whether all values are allowed. */
  check() {
    if (!this.#showProblems()) return true;
    this.open();
    const invalid = this.querySelector("[aria-invalid=true]");
    for (const section of [this.#trimSection, this.#tagSection]) if (section.contains(invalid)) section.open = true;
    if (invalid instanceof HTMLElement) invalid.focus();
    return false;
  }

  open() {
    this.#panel.open = true;
  }

  close() {
    this.#panel.open = false;
  }

  focus() {
    this.#panel.querySelector("summary")?.focus();
  }

  /** Clear what belonged to the files that have just been taken. */
  clearForNextFiles() {
    this.#clear(OF_ONE_FILE);
  }

  /** Clear all that a user has typed and the browser does not remember. */
  clearForNextUser() {
    this.#clear(this.#tags.keys());
  }

  /** @param {Iterable<string>} tags */
  #clear(tags) {
    this.#trim.reset();
    for (const name of tags) {
      const tag = this.#tags.get(name);
      if (tag) tag.control.value = "";
    }
    this.#show();
  }

  /** Show the problem of each field; return how many there are. */
  #showProblems() {
    const problems = findProblems(this.read());
    const { track, lufs, sample_rate: rate, copy } = this.#fields;
    const { start, end } = this.#trim.fields;
    const fields = { track, normalize: lufs, sample_rate: rate, copy, start, end, ...Object.fromEntries(this.#tags) };
    for (const [name, field] of Object.entries(fields)) {
      const problem = problems.get(name);
      const label = field.field.querySelector("label")?.textContent;
      field.showProblem(problem ? `${label} ${problem}.` : "");
    }
    return problems.size;
  }

  #changed() {
    this.#show();
    if (!findProblems(this.read()).size) remember(this.#choice());
  }

  #show() {
    this.#showFormat();
    if (!this.#isPressed) this.#showProblems();
    this.#summary.textContent = describe(this.read());
  }

  /** Offer what the chosen format knows; the values of hidden fields are kept, but not sent. */
  #showFormat() {
    const { format, quality, lufs, ...others } = this.#fields;
    if (this.#format !== format.control.value) {
      const chosen = quality.control.value;
      this.#format = format.control.value;
      quality.control.replaceChildren(...qualities(this.#format));
      choose(quality.control, chosen);
    }
    const without = FORMATS[this.#format]?.without ?? [];
    for (const [name, { field }] of Object.entries({ quality, ...others })) field.hidden = without.includes(name);
    lufs.field.hidden = valueOf(others.loudness) !== OTHER_LOUDNESS;
  }

  #toggled() {
    this.#trim.active = this.#panel.open && this.#trimSection.open;
    this.dispatchEvent(new Event("toggle"));
  }

  /** Show the user's webhooks among the options, or bring them up to date. */
  async #offerWebhooks() {
    if (!this.isOpen) return;
    const module = await import("./option-webhook.js").catch(() => null); // without a connection, not before the next time
    if (this.#webhook) void this.#webhook.load();
    else if (module) this.#grid.append((this.#webhook = new module.WebhookOption()));
  }

  /** The values that are remembered, by the names of their fields. */
  #choice() {
    return Object.fromEntries(
      Object.entries(this.#fields).map(([name, { control }]) => [
        name,
        control.type === "checkbox" ? /** @type {HTMLInputElement} */ (control).checked : control.value,
      ]),
    );
  }

  /** @param {Record<string, unknown>} choice */
  #setChoice(choice) {
    for (const [name, { control }] of Object.entries(this.#fields)) {
      const value = choice[name];
      if (control.type === "checkbox") /** @type {HTMLInputElement} */ (control).checked = value !== false;
      else if (control instanceof HTMLSelectElement) choose(control, value);
      else control.value = typeof value === "string" ? value : "";
      this.#showFormat(); // before the quality is chosen
    }
  }

  #reset() {
    this.#setChoice({});
    for (const { control } of this.#tags.values()) control.value = "";
    this.#webhook?.reset();
    this.#trim.reset();
    this.#changed();
  }
}

/**
 * Return the value of a field, which is empty while it is hidden.
 * @param {{field: HTMLElement, control: HTMLInputElement | HTMLSelectElement}} field
 */
function valueOf({ field, control }) {
  return field.hidden ? "" : control.value.trim();
}

/**
 * Choose a value if the selection has it, otherwise the first one.
 * @param {HTMLSelectElement} control
 * @param {unknown} value
 */
function choose(control, value) {
  control.selectedIndex = Math.max([...control.options].findIndex((option) => option.value === value), 0);
}

customElements.define("sl-options", Options);
