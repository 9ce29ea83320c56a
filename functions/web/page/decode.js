/** The loudness of a chosen file, decoded by the browser. */

const MAX_BYTES = 128 * 2 ** 20;
const MAX_BYTES_OF_UNKNOWN_LENGTH = 16 * 2 ** 20;
// The browser holds all samples at once: 20 minutes of stereo at 48 kHz are 460 MB.
const MAX_SECONDS = 20 * 60;
const SAMPLE_RATE = 8000;
const PEAKS = 400;

/**
 * Return whether the browser has enough memory to decode a file.
 * @param {File} file
 * @param {number | null} length in seconds, null if unknown
 */
export function canDecode(file, length) {
  if (length === null) return file.size <= MAX_BYTES_OF_UNKNOWN_LENGTH;
  return file.size <= MAX_BYTES && length <= MAX_SECONDS;
}

/**
 * Decode a file; return its length in seconds and its peaks from 0 to 255, or null if the browser cannot decode it.
 * @param {File} file
 * @returns {Promise<{length: number, peaks: Uint8Array} | null>}
 */
export async function decode(file) {
  try {
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    const audio = await context.decodeAudioData(await file.arrayBuffer());
    return { length: audio.duration, peaks: findPeaks(audio) };
  } catch {
    return null;
  }
}

/**
 * Return the highest amplitude of each of PEAKS equal parts, the loudest scaled to 255.
 * @param {AudioBuffer} audio
 */
function findPeaks(audio) {
  const highest = new Float32Array(Math.min(PEAKS, audio.length));
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    for (let index = 0; index < samples.length; index++) {
      const part = Math.floor((index * highest.length) / samples.length);
      const amplitude = Math.abs(Number(samples[index]));
      if (amplitude > Number(highest[part])) highest[part] = amplitude;
    }
  }
  const loudest = highest.reduce((one, other) => Math.max(one, other), 0) || 1;
  return Uint8Array.from(highest, (amplitude) => Math.round((amplitude / loudest) * 255));
}
