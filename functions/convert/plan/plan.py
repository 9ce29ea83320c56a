"""The plan for converting an audio track into the requested audio file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from soundlift.common.options.audio_options import AudioOptions

from ..formats.output_format import OutputFormat, Sound
from ..probe.audio_track import AudioTrack
from ..probe.probe import Probe
from .filters import BY_CHANGING_TIMESTAMPS, BY_TIMESTAMPS, IN_SEQUENCE, LAYOUTS, filters_for
from .loudness import Levels, downmix_gain, measuring_filters, normalization

UNKNOWN_RATE = 44100
MAX_RATE = 655_350  # in FLAC (RFC 9639, section 8.2)
# Output that exceeds the container's duration by more than this is mostly silence between unreliable timestamps.
MAX_LENGTH_RATIO, MAX_EXTRA_SECONDS = 1.02, 10


@dataclass(frozen=True)
class Plan:
    """The filters, in order, and the format with which a track is encoded; `sound` is what the encoder receives.

    If the plan `copies`, the track is not encoded but stored as it is, and the filters do not apply.
    If `is_downmix` or `loudness` (in LUFS) is set, the levels must be measured first. `lead` is the number of seconds
    by which FFmpeg's clock starts before all audio and video. `seconds` is the expected length of the output, None if
    unknown; output longer than `max_seconds` is evidence of unreliable timestamps.
    """

    track: AudioTrack
    options: AudioOptions
    format: OutputFormat
    filters: tuple[str, ...]
    sound: Sound
    copies: bool = False
    is_downmix: bool = False
    loudness: float | None = None
    lead: float = 0.0
    seconds: float | None = None
    max_seconds: float | None = None

    @property
    def rate(self) -> int:
        """Return the sample rate of the audio file in Hz."""
        return self.sound.rate

    @property
    def bitrate(self) -> int | None:
        """Return the constant bit rate in kbit/s, None if it varies."""
        return self.format.bitrate(self.options, self.sound)

    @property
    def encoder_args(self) -> tuple[str, ...]:
        """Return FFmpeg's arguments for the codec."""
        return self.format.encoder_args(self.options, self.sound)

    @property
    def by_timestamps(self) -> bool:
        """Return whether the sound is placed by its timestamps."""
        return self.filters[0] in (BY_TIMESTAMPS, BY_CHANGING_TIMESTAMPS)

    @property
    def needs_levels(self) -> bool:
        """Return whether the levels must be measured first."""
        return self.is_downmix or self.loudness is not None

    @property
    def measuring_filters(self) -> tuple[str, ...]:
        """Return the filters of the run that measures the levels."""
        return (*self.filters, *measuring_filters(self.loudness))

    def with_levels(self, levels: Levels) -> Plan:
        """Return the plan with the gain for the measured levels."""
        gain = downmix_gain(levels) if self.loudness is None else normalization(levels, self.loudness, self.rate)
        return replace(self, filters=(*self.filters, *gain), is_downmix=False, loudness=None)


def make_plan(probe: Probe, track: AudioTrack, options: AudioOptions, output_format: OutputFormat) -> Plan:
    """Return the plan for a track and a job's options.

    Nothing is upsampled, except sound below the format's lowest rate, and mono stays mono unless the job requests two
    channels. In files without timestamps, frames are encoded one after another.
    """
    return replace(
        _plan(track, options, output_format, silence=probe.silence_before(track), by_timestamps=probe.has_timestamps),
        lead=0.0 if probe.time_starts_with_first_track else probe.lead,
        seconds=expected_seconds(probe, options),
        max_seconds=_max_seconds(probe),
    )


def make_plan_for_changes(plan: Plan) -> Plan:
    """Return a plan for a track that changes its sample rate or channels, by a plan that uses timestamps."""
    changed = _plan(plan.track, plan.options, plan.format, silence=0.0, by_timestamps=True)
    filters = (BY_CHANGING_TIMESTAMPS, *changed.filters[1:], _channels(changed.sound))
    return replace(changed, filters=filters, lead=plan.lead, seconds=plan.seconds, max_seconds=plan.max_seconds)


def make_plan_without_timestamps(track: AudioTrack, options: AudioOptions, output_format: OutputFormat) -> Plan:
    """Return a plan for a track with unreliable timestamps, which make the container's duration unreliable, too."""
    plan = _plan(track, options, output_format, silence=0.0, by_timestamps=False)
    return replace(plan, filters=(*plan.filters, _channels(plan.sound)))


def _channels(sound: Sound) -> str:
    """Return the filter without which an encoder gets the channels of the first frame, whatever the track declares."""
    return f"aformat=cl={LAYOUTS[sound.channels]}"


def _plan(
    track: AudioTrack, options: AudioOptions, output_format: OutputFormat, *, silence: float, by_timestamps: bool
) -> Plan:
    rate = _rate(track, options, output_format)
    channels = options.channels or min(track.channels, 2)
    sound = Sound(rate, channels, track.bits, track.is_float)
    filters = (
        BY_TIMESTAMPS if by_timestamps else IN_SEQUENCE,
        *filters_for(track, options, sound, silence=silence, is_lossless=output_format.is_lossless),
    )
    is_downmix = track.channels > channels
    return Plan(track, options, output_format, filters, sound, is_downmix=is_downmix, loudness=options.normalize)


def _rate(track: AudioTrack, options: AudioOptions, output_format: OutputFormat) -> int:
    """Return the format's highest sample rate in Hz that exceeds neither the track's nor the requested one."""
    rates = output_format.sample_rates
    highest = min(track.rate or UNKNOWN_RATE, options.sample_rate or MAX_RATE)
    if not rates:
        return highest
    return max((rate for rate in rates if rate <= highest), default=min(rates))


def expected_seconds(probe: Probe, options: AudioOptions) -> float | None:
    """Return the length of the part of a file that is to be converted, None if unknown."""
    if probe.duration is None:
        return None
    end = probe.duration if options.end is None else min(options.end, probe.duration)
    return max(0.0, end - options.start)


def _max_seconds(probe: Probe) -> float | None:
    if probe.duration is None or not probe.has_timestamps:
        return None
    return probe.duration * MAX_LENGTH_RATIO + MAX_EXTRA_SECONDS
