/** The fields of the options of an upload, other than its trim. */

import { checkbox, choiceItems, labelled, selection, textInput } from "./controls.js";
import { FORMATS, SAMPLE_RATES, TAGS } from "./option-values.js";

/** @typedef {Array<[string, string]>} Choices */

const ABOUT_KILOBITS = [245, 225, 190, 175, 165, 130, 115, 100, 85, 65];
const REMARKS = new Map([
  [0, "best"],
  [2, "very good"],
  [4, "good"],
  [6, "for speech"],
  [9, "smallest"],
]);

/** @type {Choices} */
const variable = ABOUT_KILOBITS.map((kilobits, quality) => {
  const remark = REMARKS.get(quality);
  return [`quality=${quality}`, `V${quality}, about ${kilobits} kbit/s${remark ? `: ${remark}` : ""}`];
});
/** @type {Choices} */
const rates = SAMPLE_RATES.map((hertz) => [String(hertz), `At most ${hertz / 1000} kHz`]);

export const OTHER_LOUDNESS = "other";

/**
 * Return the choices of the quality in a format.
 * @param {string} format
 */
export function qualities(format) {
  /** @type {Choices} */
  const rates = (FORMATS[format]?.bitrates ?? []).map((kilobits) => [`bitrate=${kilobits}`, `${kilobits} kbit/s`]);
  return choiceItems([
    ["", "Standard"],
    ...(format === "mp3"
      ? /** @type {Array<[string, Choices]>} */ ([["Variable bit rate", variable], ["Constant bit rate", rates]])
      : rates),
  ]);
}

/** Make the fields; their values are what is remembered, by these names. */
export function makeFields() {
  return {
    format: labelled("Format", selection(Object.entries(FORMATS).map(([value, { name }]) => [value, name]))),
    quality: labelled("Quality", selection([])),
    channels: labelled("Channels", selection([["", "As in the video"], ["1", "Mono"], ["2", "Stereo"]])),
    sample_rate: labelled("Sample rate", selection([["", "As in the video"], ...rates])),
    loudness: labelled(
      "Loudness",
      selection([
        ["", "Standard"],
        ["false", "As in the video"],
        ["true", "Normalised"],
        ["-14", "−14 LUFS: music services"],
        ["-16", "−16 LUFS: podcasts"],
        ["-23", "−23 LUFS: broadcasting"],
        [OTHER_LOUDNESS, "Another loudness…"],
      ]),
    ),
    lufs: labelled("Loudness in LUFS", textInput("-18", 10)),
    copy: labelled(
      "Audio in this format",
      selection([["", "Copy, if nothing changes it"], ["never", "Encode again"], ["always", "Copy or fail"]]),
    ),
    track: labelled("Audio track", textInput("the main one", 3)),
    tags: checkbox("Keep the title and other tags of the video"),
    cover: checkbox("Keep its cover picture"),
  };
}

/** Make a field for each tag, by name. */
export function makeTagFields() {
  return new Map(
    Object.entries(TAGS).map(([name, text]) => [`tag.${name}`, labelled(text, textInput("as in the video"))]),
  );
}
