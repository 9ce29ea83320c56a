/** A handle on a time line (the slider pattern of the ARIA Authoring Practices Guide). */

import { spokenTime } from "./times.js";

const LONG = 60;

/** A handle for one time; `moved` is called with each new time in seconds. Its parent is as wide as the time line. */
export class Slider extends HTMLElement {
  #label;
  #moved;
  #bounds = { value: 0, lowest: 0, highest: 0, length: 0 };

  /**
   * @param {string} label
   * @param {(time: number) => void} moved
   */
  constructor(label, moved) {
    super();
    this.#label = label;
    this.#moved = moved;
  }

  connectedCallback() {
    this.tabIndex = 0;
    this.role = "slider";
    this.ariaLabel = this.#label;
    this.className = `trim-handle ${this.#label.toLowerCase()}`;
    this.addEventListener("keydown", (event) => this.#press(event));
    this.addEventListener("pointerdown", (event) => this.grab(event, null));
    this.addEventListener("pointermove", (event) => this.#drag(event));
  }

  /** @param {{value: number, lowest: number, highest: number, length: number}} bounds in seconds */
  set(bounds) {
    this.#bounds = bounds;
    this.style.left = `${(bounds.value / bounds.length) * 100}%`;
    this.ariaValueMin = bounds.lowest.toFixed(3);
    this.ariaValueMax = bounds.highest.toFixed(3);
    this.ariaValueNow = bounds.value.toFixed(3);
    this.ariaValueText = spokenTime(bounds.value);
  }

  /**
   * Start to follow a pointer, after moving to `time` if it is given.
   * @param {PointerEvent} event
   * @param {number | null} time in seconds
   */
  grab(event, time) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.focus();
    this.setPointerCapture(event.pointerId);
    if (time !== null) this.#move(time);
  }

  /**
   * Return the time at the position of a pointer.
   * @param {PointerEvent} event
   * @param {Element} track
   * @param {number} length of the time line in seconds
   */
  static timeAt(event, track, length) {
    const { left, width } = track.getBoundingClientRect();
    return (Math.min(Math.max(event.clientX - left, 0), width) / (width || 1)) * length;
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (!this.hasPointerCapture(event.pointerId) || !this.parentElement) return;
    this.#move(Slider.timeAt(event, this.parentElement, this.#bounds.length));
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const { value, lowest, highest, length } = this.#bounds;
    const step = (length > LONG ? 1 : 0.1) / (event.shiftKey ? 10 : 1);
    const page = Math.max(step * 10, length / 20);
    const target = {
      ArrowLeft: value - step,
      ArrowDown: value - step,
      ArrowRight: value + step,
      ArrowUp: value + step,
      PageDown: value - page,
      PageUp: value + page,
      Home: lowest,
      End: highest,
    }[event.key];
    if (target === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#move(target);
  }

  /** @param {number} time in seconds */
  #move(time) {
    this.#moved(Math.min(Math.max(time, this.#bounds.lowest), this.#bounds.highest));
  }
}

customElements.define("sl-slider", Slider);
