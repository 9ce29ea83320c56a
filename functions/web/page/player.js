/** `<sl-player>`: plays a job's file in the page; its waveform is the track that is clicked to seek. */

/** @import { Job } from "../types" */

import { refuseError, refuse } from "./announcer.js";
import { request } from "./api.js";
import { element, icon } from "./dom.js";
import { audioName, formatLength, formatLengthInWords } from "./format.js";
import { formatName } from "./job-text.js";
import { jobLink, localUrl } from "./links.js";
import { escaped } from "./printable.js";
import { Waveform } from "./waveform.js";

const PLAY = "M8 5.5v13l11-6.5z";
const PAUSE = "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z";
/** Seconds that a key moves the position by. */
const STEPS = new Map(Object.entries({ ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 }));

/** Waveforms are loaded when they come into view. */
const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting || !(target instanceof Player)) continue;
    inView.unobserve(target);
    target.loadWaveform();
  }
}, { rootMargin: "200px" });

/** The media types of files; of the others, the name of the format. */
const TYPES = new Map(Object.entries({
  mp3: "mpeg", m4a: "mp4; codecs=mp4a.40.2", opus: "ogg; codecs=opus", ogg: "ogg; codecs=vorbis",
}));

/**
 * Return whether this browser can play a file.
 * @param {Job} job
 */
function canPlay({ format, codec }) {
  const type = codec === "alac" ? "mp4; codecs=alac" : TYPES.get(format) ?? format;
  return document.createElement("audio").canPlayType(`audio/${type}`) !== "";
}

/** @type {Player | null} */
let playing = null;

export class Player extends HTMLElement {
  /** @type {Job | null} */
  #job = null;
  #length = 0;
  /** Whether nothing has been played with the current link yet. */
  #isLinkNew = false;
  #audio = element("audio", { preload: "none" });
  #button = element("button", { type: "button", class: "play" });
  #slider = element("input", { type: "range", min: 0, step: "any", value: 0 });
  #time = element("span", { class: "time" });
  #track = element("div", { class: "track" });
  #waveform = new Waveform();

  /** @param {Job} job */
  show(job) {
    const isNew = this.#job?.mp3_fid !== job.mp3_fid;
    this.#job = job;
    if (!isNew) return;
    if (!canPlay(job)) {
      this.textContent = `This browser cannot play ${formatName(job)}. Download the file to listen.`;
      return;
    }
    if (!this.firstChild) this.#build();
    this.#length = job.length ?? 0;
    this.#slider.max = String(Math.max(this.#length, 0.001));
    this.#slider.setAttribute("aria-label", `Position in ${escaped(job.file_name)}`);
    this.#drawButton();
    this.#drawPosition();
    if (job.links.waveform) inView.observe(this);
  }

  get isPlaying() {
    return !this.#audio.paused;
  }

  pause() {
    this.#audio.pause();
  }

  /** Stop the download of the file, too: the row is gone for good. */
  disconnectedCallback() {
    inView.unobserve(this);
    if (playing === this) playing = null;
    this.pause();
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  async loadWaveform() {
    try {
      const { peaks } = await request("GET", `/jobs/${this.#job?.job_id}/waveform`);
      this.#waveform.peaks = peaks;
      this.#track.prepend(this.#waveform);
      this.classList.add("has-waveform");
    } catch {
      // A plain track does as well.
    }
  }

  #build() {
    this.#track.append(element("div", { class: "line" }), this.#slider);
    this.append(this.#button, this.#track, this.#time, this.#audio);
    this.#button.addEventListener("click", () => (this.isPlaying ? this.pause() : this.#play()));
    this.#slider.addEventListener("input", () => this.#seek(Number(this.#slider.value)));
    this.#slider.addEventListener("keydown", (event) => this.#seekByKey(event));
    for (const event of ["play", "pause", "ended"]) this.#audio.addEventListener(event, () => this.#drawButton());
    this.#audio.addEventListener("playing", () => {
      this.#isLinkNew = false;
    });
    this.#audio.addEventListener("timeupdate", () => this.#drawPosition());
    this.#audio.addEventListener("loadedmetadata", () => this.#learnLength());
    this.#audio.addEventListener("error", () => this.#recover());
  }

  async #play() {
    if (playing !== this) playing?.pause();
    playing = this;
    try {
      if (!this.#audio.src || this.#audio.error) await this.#load();
      await this.#audio.play();
    } catch (error) {
      // Playing ends with a DOMException if the user pauses before it begins, and on errors, which #recover handles.
      if (!(error instanceof DOMException)) refuseError(error);
    }
  }

  async #load() {
    const position = Number(this.#slider.value);
    this.#isLinkNew = true;
    // The page may load nothing from another host, such as that of the media store.
    this.#audio.src = `${localUrl(await jobLink(this.#job?.job_id ?? ""))}&redirect=false`;
    this.#audio.currentTime = position;
    if ("mediaSession" in navigator) {
      const title = audioName(escaped(this.#job?.file_name ?? ""), this.#job?.format);
      navigator.mediaSession.metadata = new MediaMetadata({ title, artist: "Soundlift" });
    }
  }

  /** Go on with a new link: the old one has expired, or the connection was lost. */
  #recover() {
    if (!this.#audio.getAttribute("src")) return;
    if (this.#isLinkNew) {
      this.#audio.removeAttribute("src");
      this.#drawButton();
      refuse("The file could not be played. Check your connection, or download it instead.");
    } else if (playing === this) {
      this.#play();
    }
  }

  #learnLength() {
    if (Number.isFinite(this.#audio.duration)) this.#length = this.#audio.duration;
    this.#slider.max = String(this.#length);
  }

  /** @param {number} seconds */
  #seek(seconds) {
    const position = Math.min(Math.max(seconds, 0), this.#length);
    this.#slider.value = String(position);
    if (this.#audio.src) this.#audio.currentTime = position;
    this.#drawPosition(position);
    this.#describePosition(position); // a screen reader reads the new value
  }

  /** @param {KeyboardEvent} event */
  #seekByKey(event) {
    const step = STEPS.get(event.key);
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#seek(Number(this.#slider.value) + step);
  }

  #drawButton() {
    const name = escaped(this.#job?.file_name ?? "");
    this.#button.setAttribute("aria-label", `${this.isPlaying ? "Pause" : "Play"} ${name}`);
    this.#button.replaceChildren(icon(this.isPlaying ? PAUSE : PLAY));
  }

  /** @param {number} [position] in seconds */
  #drawPosition(position = this.#audio.src ? this.#audio.currentTime : Number(this.#slider.value)) {
    this.#slider.value = String(position);
    this.#time.textContent = `${formatLength(position)} / ${formatLength(this.#length)}`;
    const played = this.#length ? position / this.#length : 0;
    this.#track.style.setProperty("--played", String(played));
    this.#waveform.range = [0, played];
    // While it plays, a screen reader would read each new value of a slider that has the focus.
    if (!this.isPlaying || document.activeElement !== this.#slider) this.#describePosition(position);
  }

  /** @param {number} position in seconds */
  #describePosition(position) {
    const words = `${formatLengthInWords(position)} of ${formatLengthInWords(this.#length)}`;
    this.#slider.setAttribute("aria-valuetext", words);
  }
}

customElements.define("sl-player", Player);
