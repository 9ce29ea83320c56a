"""The filters that measure the level of a sound, and those that adjust it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .filters import resample

MAX_PEAK_DB = -1.0  # of a downmix; leaves headroom for LAME's overshoot
TRUE_PEAK_DB = -1.5
MIN_RANGE_LU, MAX_RANGE_LU = 7.0, 50.0
# loudnorm's argument for each measured value, and the lowest and highest value that it accepts.
# https://ffmpeg.org/ffmpeg-filters.html#loudnorm
LOUDNESS_LIMITS = {
    "input_i": ("measured_I", -99.0, 0.0),
    "input_tp": ("measured_TP", -99.0, 99.0),
    "input_lra": ("measured_LRA", 0.0, 99.0),
    "input_thresh": ("measured_thresh", -99.0, 0.0),
    "target_offset": ("offset", -99.0, 99.0),
}
STATISTICS = "astats=measure_perchannel=none:measure_overall=Peak_level+Number_of_samples"


@dataclass(frozen=True)
class Levels:
    """The measured levels: the sample peak in dBFS, the number of samples, and the loudness.

    `loudness` has loudnorm's own keys (EBU R 128: LUFS, LU, dBTP), and is None for silence.
    """

    peak: float
    samples: int
    loudness: Mapping[str, str] | None


def measuring_filters(loudness: float | None) -> tuple[str, ...]:
    """Return the filters that measure the levels, including the loudness if there is a target in LUFS."""
    if loudness is None:
        return (STATISTICS,)
    return (STATISTICS, f"loudnorm=I={loudness:g}:dual_mono=true:print_format=json")


def downmix_gain(levels: Levels) -> tuple[str, ...]:
    """Return the filter that attenuates a downmix if its peak is too high."""
    gain = min(0.0, MAX_PEAK_DB - levels.peak)
    return (f"volume={gain:.3f}dB:precision=float",) if gain < 0 else ()


def normalization(levels: Levels, target: float, rate: int) -> tuple[str, ...]:
    """Return loudnorm's second pass, with a constant gain, or a dynamic one if the peaks leave no headroom.

    The dynamic mode works at 192 kHz, which may add or remove a sample.
    """
    found = levels.loudness
    if found is None:
        return ()
    spread = min(max(float(found["input_lra"]), MIN_RANGE_LU), MAX_RANGE_LU)
    return (
        f"loudnorm=I={target:g}:TP={TRUE_PEAK_DB:g}:LRA={spread:g}:linear=true:dual_mono=true"
        f":{':'.join(_measured_arguments(found))}",
        resample(rate),
        f"apad,atrim=end_sample={levels.samples}",
    )


def _measured_arguments(found: Mapping[str, str]) -> Iterator[str]:
    """Yield loudnorm's arguments for the measured values, limited to the range that loudnorm accepts."""
    for value, (argument, lowest, highest) in LOUDNESS_LIMITS.items():
        yield f"{argument}={min(max(float(found[value]), lowest), highest):.2f}"
