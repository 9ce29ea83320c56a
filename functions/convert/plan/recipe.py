"""Decides what FFmpeg does to a track on its way to an MP3: which one, in what time, channels, rate and loudness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from soundlift.common.audio.mp3_rates import SAMPLE_RATES, highest_bitrate
from soundlift.common.options.audio_options import AudioOptions

from ..failures import ConversionFailed, no_such_track
from ..probe.sound import Sound, Track

# The first sample stands where the container has it, and what is missing, from a packet of 20 ms on, is silence: sound
# stays where its picture was. Less than that is a clock that trembles.
IN_TIME = "aresample=async=1:first_pts=0:min_hard_comp=0.02"
IN_SEQUENCE = "asetpts=N/SR/TB"
AS_LAME_RECKONS = "aformat=fltp"
# Float PCM may hold any value, and LAME rejects those that are not finite or near the greatest. A value 96 dB above
# full scale is no sound; samples of 16 bits that were not scaled to 1 stay.
FLOAT_PCM = "pcm_f"
ONLY_FINITE = r"aeval=exprs=if(lt(abs(val(ch))\,65536)\,val(ch)):c=same"
# FFmpeg scales a downmix of integer samples down until it can never clip, but not one of float samples. This
# keeps the coefficients of ITU-R BS.775 as they are for both; what clips then is found by measuring.
UNSCALED = "aresample=out_chlayout={layout}:out_sample_fmt=fltp:rematrix_maxval=1000"
BETTER_RESAMPLER = "aresample={rate}:out_sample_fmt=fltp:resampler=soxr"
STEREO_OF_MONO = "pan=stereo|c0=c0|c1=c0"
LAYOUTS = {1: "mono", 2: "stereo"}
HIGHEST_PEAK_DB = -1.0  # of a mix: what LAME overshoots fits above it
TRUE_PEAK_DB = -1.5
LEAST_RANGE_LU, GREATEST_RANGE_LU = 7.0, 50.0
# In kbit/s. Without borrowed bits a constant bit rate loses at most 0.25 dB up to here, and up to 2 dB above; a
# variable one loses nothing but bytes (`make bench ONLY=reservoir-V2`).
HIGHEST_CUT_BITRATE = 96
# By the name of what it measures: loudnorm's argument, and the lowest and highest value that it takes.
# https://ffmpeg.org/ffmpeg-filters.html#loudnorm
LOUDNESS_LIMITS = {
    "input_i": ("measured_I", -99.0, 0.0),
    "input_tp": ("measured_TP", -99.0, 99.0),
    "input_lra": ("measured_LRA", 0.0, 99.0),
    "input_thresh": ("measured_thresh", -99.0, 0.0),
    "target_offset": ("offset", -99.0, 99.0),
}
MOST_LANGUAGES = 30  # that a sentence lists
MEASURED = "astats=measure_perchannel=none:measure_overall=Peak_level+Number_of_samples"
USUAL = Track(index=0, codec="aac", rate=44100, layout="stereo")
"""Is the track that nearly every video has: what FFmpeg is told before it has said what there is."""


@dataclass(frozen=True)
class Measured:
    """Is what a first pass found: the highest sample in dB of full scale, the count of samples, and the loudness.

    `loudness` has loudnorm's own names (EBU R128: LUFS, LU, dBTP), and is None where the sound is silent.
    """

    peak: float
    samples: int
    loudness: dict[str, str] | None


@dataclass(frozen=True)
class Recipe:
    """Is what to do to one track: `filters` in their order, and the arguments of the MP3's encoder.

    `stream` is the track's index in the file, None where FFmpeg's own choice is right. `rate` is in Hz, `bitrate` in
    kbit/s, None where it varies. `mixes` and `loudness` (in LUFS) want the sound measured first. `lead` are the seconds
    by which FFmpeg's clock begins before all audio and video.
    """

    stream: int | None
    filters: tuple[str, ...]
    encoder: tuple[str, ...]
    rate: int
    bitrate: int | None = None
    mixes: bool = False
    loudness: float | None = None
    lead: float = 0.0

    @property
    def in_time(self) -> bool:
        """Tell whether the sound is placed by its timestamps."""
        return IN_TIME in self.filters

    @property
    def may_be_cut(self) -> bool:
        """Tell whether encoding in parts, where no frame borrows bits of others, costs next to nothing of the sound."""
        return self.bitrate is None or self.bitrate <= HIGHEST_CUT_BITRATE

    @property
    def measures(self) -> bool:
        """Tell whether the sound must be measured before it is converted."""
        return self.mixes or self.loudness is not None

    @property
    def measuring(self) -> str:
        """Return the filters of the pass that measures."""
        loudness = () if self.loudness is None else (f"loudnorm=I={self.loudness:g}:dual_mono=true:print_format=json",)
        return ",".join((*self.filters, MEASURED, *loudness))

    def after(self, measured: Measured) -> Recipe:
        """Return the recipe with the loudness that a measurement asks for, with no need to measure any more."""
        return replace(self, filters=(*self.filters, *self._levels(measured)), mixes=False, loudness=None)

    def _levels(self, measured: Measured) -> tuple[str, ...]:
        if self.loudness is not None:
            return self._normalized(measured, self.loudness)
        gain = min(0.0, HIGHEST_PEAK_DB - measured.peak)
        return (f"volume={gain:.3f}dB:precision=float",) if self.mixes and gain < 0 else ()

    def _normalized(self, measured: Measured, target: float) -> tuple[str, ...]:
        """Return loudnorm's second pass: one gain for all, or, where peaks leave no room, one that follows them.

        The latter works at 192 kHz, which may cost or add a sample.
        """
        found = measured.loudness
        if found is None:
            return ()
        spread = min(max(float(found["input_lra"]), LEAST_RANGE_LU), GREATEST_RANGE_LU)
        return (
            f"loudnorm=I={target:g}:TP={TRUE_PEAK_DB:g}:LRA={spread:g}:linear=true:dual_mono=true"
            f":{':'.join(_loudness_arguments(found))}",
            BETTER_RESAMPLER.format(rate=self.rate),
            f"apad,atrim=end_sample={measured.samples}",
        )


def _loudness_arguments(found: Mapping[str, str]) -> Iterator[str]:
    """Yield loudnorm's arguments on what was measured, which it refuses beyond its limits, as of sound above 0 LUFS."""
    for value, (argument, lowest, highest) in LOUDNESS_LIMITS.items():
        yield f"{argument}={min(max(float(found[value]), lowest), highest):.2f}"


def recipe_for(
    track: Track, options: AudioOptions, *, stream: int | None = None, silence: float = 0.0, in_time: bool = True
) -> Recipe:
    """Return what makes the MP3 of a track that a job's options ask for.

    Nothing is up-sampled, below 8 kHz excepted, and mono stays mono unless two channels are asked for.
    `silence` in seconds goes before the sound. Without `in_time` the frames follow each other, for files without
    timestamps, or with unreliable ones.
    """
    rate = _rate(track, options)
    channels = options.channels or min(track.channels, 2)
    mixes = track.channels > channels
    delay = round(silence * (track.rate or 0))
    steps = [IN_TIME if in_time else IN_SEQUENCE, AS_LAME_RECKONS]
    if track.codec.startswith(FLOAT_PCM):
        steps.append(ONLY_FINITE)
    if delay:
        steps.append(f"adelay={delay}S:all=1")
    if mixes:
        steps.append(_mixed(track, LAYOUTS[channels]))
    elif track.channels < channels:
        steps.append(STEREO_OF_MONO)
    if rate != track.rate and track.rate is not None:
        steps.append(BETTER_RESAMPLER.format(rate=rate))
    if options.start or options.end is not None:
        end = "" if options.end is None else f":end={options.end:f}"
        steps.append(f"atrim=start={options.start:f}{end},asetpts=PTS-STARTPTS")
    bitrate = None if options.bitrate is None else min(options.bitrate, highest_bitrate(rate))
    return Recipe(
        stream, tuple(steps), _encoder(options, bitrate), rate, bitrate, mixes=mixes, loudness=options.normalize
    )


def choose(sound: Sound, options: AudioOptions) -> Track:
    """Return the track that a job wants; raises ConversionFailed where the file has no such track."""
    wanted = options.track
    if wanted is None:
        return sound.chosen
    if isinstance(wanted, int):
        found = list(sound.tracks[wanted - 1 : wanted])
    else:
        found = [track for track in sound.tracks if track.language and _same_language(track.language, wanted)]
    if not found:
        languages = sorted({track.language for track in sound.tracks if track.language})[:MOST_LANGUAGES]
        raise ConversionFailed(no_such_track(wanted, len(sound.tracks), languages))
    return found[0]


def _same_language(one: str, other: str) -> bool:
    """Tell whether two codes mean one language: ISO 639-1, and both forms of ISO 639-2, as de, ger and deu."""
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    try:
        return standardize_tag(one) == standardize_tag(other)
    except LanguageTagError:
        return one == other


def _rate(track: Track, options: AudioOptions) -> int:
    """Return the highest sample rate in Hz that an MP3 can have, and neither the track nor the wish is below."""
    highest = min(track.rate or USUAL.rate or 0, options.sample_rate or max(SAMPLE_RATES))
    return max((rate for rate in SAMPLE_RATES if rate <= highest), default=min(SAMPLE_RATES))


def _mixed(track: Track, layout: str) -> str:
    """Return the filter that mixes channels down; where nobody knows which is which, each side gets every second."""
    loose = track.loose_channels
    if loose is None:
        return UNSCALED.format(layout=layout)
    sides = [[f"c{number}" for number in range(side, loose, 2)] for side in (0, 1)]
    outs = sides if layout == "stereo" else [sides[0] + sides[1]]
    return f"pan={layout}|" + "|".join(f"c{out}={'+'.join(ins)}" for out, ins in enumerate(outs))


def _encoder(options: AudioOptions, bitrate: int | None) -> tuple[str, ...]:
    quality = ("-q:a", str(options.quality)) if bitrate is None else ("-b:a", f"{bitrate}k")
    return ("-c:a", "libmp3lame", *quality)
