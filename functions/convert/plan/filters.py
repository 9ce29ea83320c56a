"""FFmpeg's filters for the time, channels and sample rate of a track."""

from __future__ import annotations

from collections.abc import Iterator

from soundlift.common.options.audio_options import AudioOptions

from ..formats.output_format import Sound
from ..probe.audio_track import AudioTrack

# Keeps the position of the first sample, and fills gaps of 20 ms or more with silence, so that sound stays in sync with
# the picture. Smaller deviations are jitter.
BY_TIMESTAMPS = "aresample=async=1:first_pts=0:min_hard_comp=0.02"
# The same for a track that changes its sample rate or channels: FFmpeg then begins with new filters, which would add
# silence from 0 again. Therefore there is none before a late start, either.
BY_CHANGING_TIMESTAMPS = "aresample=async=1:min_hard_comp=0.02"
IN_SEQUENCE = "asetpts=N/SR/TB"
FLOAT_SAMPLES = "aformat=fltp"  # the format that LAME computes in
# Float PCM may hold any value, and LAME rejects values that are not finite or near the maximum. Values 96 dB above full
# scale are not sound, but 16-bit samples that were not scaled to 1 are kept.
FLOAT_PCM = "pcm_f"
ONLY_FINITE = r"aeval=exprs=if(lt(abs(val(ch))\,65536)\,val(ch)):c=same"
# FFmpeg attenuates a downmix of integer samples until it can never clip, but not one of float samples. This keeps the
# coefficients of ITU-R BS.775 for both; the levels are measured to prevent clipping.
UNSCALED_DOWNMIX = "aresample=out_chlayout={layout}:out_sample_fmt=fltp:rematrix_maxval=1000"
STEREO_FROM_MONO = "pan=stereo|c0=c0|c1=c0"
LAYOUTS = {1: "mono", 2: "stereo"}


def filters_for(
    track: AudioTrack, options: AudioOptions, sound: Sound, *, silence: float, is_lossless: bool
) -> Iterator[str]:
    """Yield the filters that convert a track to the channels and the rate of a sound, preceded by `silence` in seconds.

    For a lossless format, samples are only converted to floating-point numbers if they are mixed, resampled or
    normalized. The other filters copy samples of any kind, and those that they insert are zero.
    """
    is_resampled = sound.rate != track.rate and track.rate is not None
    if not is_lossless or track.channels > sound.channels or is_resampled or options.normalize is not None:
        yield FLOAT_SAMPLES
    if track.codec.startswith(FLOAT_PCM):
        yield ONLY_FINITE
    if delay := round(silence * (track.rate or 0)):
        yield f"adelay={delay}S:all=1"
    if track.channels > sound.channels:
        yield _downmix(track, LAYOUTS[sound.channels])
    elif track.channels < sound.channels:
        yield STEREO_FROM_MONO
    if is_resampled:
        yield resample(sound.rate)
    if options.start or options.end is not None:
        end = "" if options.end is None else f":end={options.end:f}"
        yield f"atrim=start={options.start:f}{end},asetpts=PTS-STARTPTS"


def resample(rate: int) -> str:
    """Return the filter that resamples with SoXR, which is better than FFmpeg's own resampler."""
    return f"aresample={rate}:out_sample_fmt=fltp:resampler=soxr"


def _downmix(track: AudioTrack, layout: str) -> str:
    """Return the filter that mixes channels; those without a known position go left and right alternately."""
    unordered = track.unordered_channels
    if unordered is None:
        return UNSCALED_DOWNMIX.format(layout=layout)
    sides = [[f"c{number}" for number in range(side, unordered, 2)] for side in (0, 1)]
    outs = sides if layout == "stereo" else [sides[0] + sides[1]]
    return f"pan={layout}|" + "|".join(f"c{out}={'+'.join(ins)}" for out, ins in enumerate(outs))
