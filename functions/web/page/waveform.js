/** A picture of the loudness of an audio file: bars in the colour of the text around it. */

const SVG = "http://www.w3.org/2000/svg";
const PIXELS_PER_BAR = 4;
const MAX_PEAK = 255;

/**
 * Reduce peaks to a number of bars, each as high as the highest of its peaks.
 * @param {ArrayLike<number>} peaks
 * @param {number} count
 * @returns {number[]}
 */
export function barHeights(peaks, count) {
  const bars = Math.min(count, peaks.length);
  return Array.from({ length: bars }, (_, bar) => {
    const end = Math.max(Math.floor(((bar + 1) * peaks.length) / bars), 1);
    let highest = 0;
    for (let index = Math.floor((bar * peaks.length) / bars); index < end; index++) {
      highest = Math.max(highest, Number(peaks[index]) || 0);
    }
    return Math.min(highest, MAX_PEAK) / MAX_PEAK;
  });
}

/**
 * A waveform: set `peaks` to numbers from 0 to 255. The bars inside `range`, two fractions of the whole length, have
 * the class `inside`, the others `outside`. The picture is decoration: the element around it needs a text of its own.
 */
export class Waveform extends HTMLElement {
  /** @type {ArrayLike<number>} */
  #peaks = [];
  /** @type {[number, number]} */
  #range = [0, 1];
  #svg = document.createElementNS(SVG, "svg");
  #paths = ["outside", "inside", "outside"].map((name) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    return path;
  });
  #observer = new ResizeObserver(() => this.#draw());

  connectedCallback() {
    this.setAttribute("aria-hidden", "true");
    this.#svg.replaceChildren(...this.#paths);
    this.replaceChildren(this.#svg);
    this.#observer.observe(this);
    this.#draw();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
  }

  get peaks() {
    return this.#peaks;
  }

  set peaks(peaks) {
    this.#peaks = peaks;
    this.#draw();
  }

  get range() {
    return this.#range;
  }

  set range(range) {
    this.#range = range;
    this.#draw();
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this;
    const heights = barHeights(this.#peaks, Math.floor(width / PIXELS_PER_BAR));
    const pitch = Math.max(Math.floor(width / (heights.length || 1)), PIXELS_PER_BAR);
    const bars = heights.map((share, index) => {
      const length = Math.max(share * (height - 4), 2);
      return `M${(index + 0.5) * pitch} ${(height - length) / 2}v${length}`;
    });
    const [first = 0, last = 0] = this.#range.map((fraction) => Math.round(fraction * bars.length));
    this.#svg.setAttribute("viewBox", `0 0 ${width || 1} ${height || 1}`);
    [bars.slice(0, first), bars.slice(first, last), bars.slice(last)].forEach((part, index) => {
      this.#paths[index]?.setAttribute("d", part.join(""));
    });
  }
}

customElements.define("sl-waveform", Waveform);
