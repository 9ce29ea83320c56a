/** The part of a file that becomes audio: two handles on its waveform, and two text fields. */

import { button, labelled, textInput } from "./controls.js";
import { canDecode, decode } from "./decode.js";
import { element } from "./dom.js";
import { Slider } from "./slider.js";
import { formatTime, parseTime } from "./times.js";
import { Waveform } from "./waveform.js";

const SHORTEST = 0.01;
const MAX_TIME_LENGTH = 20;
const READING = "Reading the audio…";
const NO_FILE = "Choose one file to see its waveform here. These times apply to every file.";
const NO_LENGTH = "This browser cannot read the length of this file. Type the times instead.";
const NO_WAVEFORM = "The waveform is not shown, because the file is long or in a format that this browser cannot read.";

/**
 * The trim of one file. It reads the file once `active` is true; without a file, or if the browser cannot read it, only
 * the text fields remain. It fires `change` when the times change.
 */
export class Trim extends HTMLElement {
  /** @type {File | null} */
  #file = null;
  /** @type {File | null} */
  #shown = null;
  #active = false;
  /** @type {number | null} */
  #length = null;
  #url = "";
  #note = element("p", { class: "hint" });
  #waveform = new Waveform();
  #selection = element("div", { class: "trim-selection" });
  #startSlider = new Slider("Start", (time) => this.#moveTo("start", time));
  #endSlider = new Slider("End", (time) => this.#moveTo("end", time));
  #track = element("div", { class: "trim-track" }, this.#waveform, this.#selection, this.#startSlider, this.#endSlider);
  #audio = element("audio", { preload: "metadata" });
  #play = button("Play this part", () => this.#togglePlay(), "");
  #whole = button("Whole file", () => this.reset());
  fields = { start: labelled("Start", textInput("", MAX_TIME_LENGTH)), end: labelled("End", textInput("", MAX_TIME_LENGTH)) };

  connectedCallback() {
    if (this.firstChild) return;
    const { start, end } = this.fields;
    const times = element("div", { class: "option-grid" }, start.field, end.field);
    this.append(this.#track, this.#note, times, element("div", { class: "actions" }, this.#play, this.#whole));
    for (const { control } of [start, end]) control.addEventListener("input", () => this.#draw());
    this.#audio.addEventListener("timeupdate", () => this.#stopAtEnd());
    for (const event of ["play", "pause"]) this.#audio.addEventListener(event, () => this.#namePlayButton());
    this.#track.addEventListener("pointerdown", (event) => this.#moveNearest(event));
    this.#show();
  }

  /** The texts of both fields; empty for the start and the end of the file. */
  get times() {
    return { start: this.fields.start.control.value.trim(), end: this.fields.end.control.value.trim() };
  }

  get file() {
    return this.#file;
  }

  set file(file) {
    this.#file = file;
    void this.#read();
  }

  get active() {
    return this.#active;
  }

  set active(active) {
    this.#active = active;
    if (!active) this.#audio.pause();
    void this.#read();
  }

  reset() {
    this.fields.start.control.value = this.fields.end.control.value = "";
    this.#changed();
  }

  async #read() {
    const wanted = this.#active ? this.#file : null;
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.#release();
    this.#show();
    if (!wanted) return;
    this.#note.textContent = READING;
    const length = await this.#readLength(wanted);
    if (this.#shown !== wanted) return;
    this.#length = length;
    this.#show();
    if (canDecode(wanted, length)) await this.#readWaveform(wanted);
    if (this.#shown === wanted) this.#describe();
  }

  /** @param {File} file */
  async #readWaveform(file) {
    this.#note.textContent = READING;
    const audio = await decode(file);
    if (!audio || this.#shown !== file) return;
    this.#length ??= audio.length;
    this.#waveform.peaks = audio.peaks;
    this.#show();
  }

  /**
   * @param {File} file
   * @returns {Promise<number | null>}
   */
  #readLength(file) {
    this.#url = URL.createObjectURL(file);
    this.#audio.src = this.#url;
    return new Promise((resolve) => {
      const known = () => resolve(Number.isFinite(this.#audio.duration) ? this.#audio.duration : null);
      this.#audio.addEventListener("loadedmetadata", known, { once: true });
      for (const event of ["error", "emptied"]) this.#audio.addEventListener(event, () => resolve(null), { once: true });
    });
  }

  #release() {
    this.#length = null;
    this.#waveform.peaks = [];
    this.#audio.pause();
    if (!this.#url) return;
    this.#audio.removeAttribute("src");
    this.#audio.load();
    URL.revokeObjectURL(this.#url);
    this.#url = "";
  }

  #show() {
    this.#track.hidden = this.#play.hidden = this.#length === null;
    this.#describe();
    this.#draw();
  }

  #describe() {
    const hasWaveform = this.#waveform.peaks.length > 0;
    const unknown = this.#length === null ? NO_LENGTH : NO_WAVEFORM;
    this.#note.textContent = !this.#shown ? NO_FILE : hasWaveform ? "" : unknown;
    this.fields.end.control.placeholder = this.#length === null ? "end" : formatTime(this.#length);
    this.fields.start.control.placeholder = formatTime(0);
  }

  /** The valid times in seconds, within the length of the file. */
  #range() {
    const length = this.#length ?? 0;
    const start = Math.min(parseTime(this.times.start) ?? 0, length);
    const end = Math.min(parseTime(this.times.end) ?? length, length);
    return { start, end: Math.max(start, end), length };
  }

  #draw() {
    const { start, end, length } = this.#range();
    if (!length) return;
    this.#startSlider.set({ value: start, lowest: 0, highest: Math.max(end - SHORTEST, 0), length });
    this.#endSlider.set({ value: end, lowest: Math.min(start + SHORTEST, length), highest: length, length });
    this.#selection.style.left = `${(start / length) * 100}%`;
    this.#selection.style.width = `${((end - start) / length) * 100}%`;
    this.#waveform.range = [start / length, end / length];
  }

  /**
   * @param {"start" | "end"} which
   * @param {number} time in seconds
   */
  #moveTo(which, time) {
    const isWhole = which === "start" ? time <= 0 : time >= Number(this.#length);
    this.fields[which].control.value = isWhole ? "" : formatTime(time);
    this.#changed();
  }

  #changed() {
    this.#draw();
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {PointerEvent} event */
  #moveNearest(event) {
    if (event.button !== 0 || event.target instanceof Slider) return;
    const { start, end, length } = this.#range();
    const time = Slider.timeAt(event, this.#track, length);
    const slider = Math.abs(time - start) < Math.abs(time - end) ? this.#startSlider : this.#endSlider;
    slider.grab(event, time);
  }

  #togglePlay() {
    if (!this.#audio.paused) return this.#audio.pause();
    this.#audio.currentTime = this.#range().start;
    this.#audio.play().catch(() => (this.#note.textContent = "This browser cannot play this file."));
  }

  #stopAtEnd() {
    if (!this.#audio.paused && this.#audio.currentTime >= this.#range().end) this.#audio.pause();
  }

  #namePlayButton() {
    this.#play.textContent = this.#audio.paused ? "Play this part" : "Pause";
  }
}

customElements.define("sl-trim", Trim);
