"""The finished audio file: checked, with its exact length, its tags, and the number of missing seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from soundlift.common.jobs.model import AudioDescription

from ..disk import check_disk
from ..encode.encoded import Encoded
from ..encode.ffmpeg import input_args
from ..encode.packet_listing import listing_args, packet_listing
from ..encode.runner import Runner
from ..failures import NOTHING_LEFT, ConversionFailed, check_outcome
from ..formats.output_format import Head, OutputFormat
from ..plan.copying import is_cut
from ..probe.probe import Probe
from .junk import count_junk
from .missing_sound import Written, missing_seconds
from .tags import collect_tags

MAX_BITRATE = 2**31 - 1  # in kbit/s, the largest number that the database stores; of a huge packet with little sound


@dataclass(frozen=True)
class FinishedFile:
    """An audio file on the local disk, and the `head` with which it is stored.

    `size` is that of the stored file, in bytes. `seconds` is the length of the audio, and `missing_seconds` the
    length that could not be read, None if unknown. `waveform` is described at Encoded.
    """

    format: OutputFormat
    path: Path
    head: Head
    size: int
    seconds: float
    missing_seconds: float | None
    description: AudioDescription
    waveform: bytes | None = None


def finish(encoded: Encoded, probe: Probe, runner: Runner, folder: Path) -> FinishedFile:
    """Check and complete an encoded file; raises ConversionFailed or Unavailable if it is not usable."""
    plan = encoded.plan
    check_disk(encoded.status, folder)
    if not plan.copies:
        check_outcome(
            encoded.status,
            encoded.report,
            decoded=encoded.decoded,
            output_bytes=encoded.size,
            max_bytes=runner.settings.max_audio_bytes,
        )
        plan.format.write_length(encoded.path, encoded.samples)
    seconds = plan.format.read_length(encoded.path)
    if not seconds:
        raise ConversionFailed(NOTHING_LEFT)
    head = plan.format.write_tags(encoded.path, collect_tags(probe, plan, runner, folder, seconds))
    by_timestamps = probe.has_timestamps and not plan.copies
    written = Written(_whole_seconds(encoded, probe), by_timestamps, _junk(encoded, probe, runner))
    missing = missing_seconds(encoded.decoded, encoded.report, probe, plan.track, written)
    return FinishedFile(
        plan.format,
        encoded.path,
        head,
        len(head.content) + encoded.size - head.replaces,
        seconds,
        missing,
        _describe(encoded, seconds),
        encoded.waveform,
    )


def _describe(encoded: Encoded, seconds: float) -> AudioDescription:
    """Return the contents of an audio file that is `seconds` long."""
    plan = encoded.plan
    is_cut_copy = plan.copies and is_cut(plan.options)
    return AudioDescription(
        format=plan.format.facts.name,
        codec=plan.format.copied_codec(plan.track) if plan.copies else plan.format.codec(plan.sound),
        bitrate=min(round(encoded.size * 8 / seconds / 1000), MAX_BITRATE),
        sample_rate=plan.track.rate if plan.copies else plan.rate,
        channels=plan.track.channel_count or plan.sound.channels if plan.copies else plan.sound.channels,
        copied=plan.copies,
        cut_start=plan.options.start if is_cut_copy else None,
        cut_end=plan.options.end if is_cut_copy else None,
    )


def _whole_seconds(encoded: Encoded, probe: Probe) -> float | None:
    """Return the length of the whole sound; None if a part was requested or the timestamps are unreliable."""
    options, timestamps_were_ignored = encoded.plan.options, probe.has_timestamps and not encoded.plan.by_timestamps
    return None if timestamps_were_ignored or options.end is not None else encoded.seconds + options.start


def _junk(encoded: Encoded, probe: Probe, runner: Runner) -> int:
    """Return the number of packets that are not frames, if FFmpeg had errors in a stream without timestamps."""
    if probe.has_timestamps or not encoded.decoded.errors:
        return 0
    track = encoded.plan.track
    with packet_listing(track) as listing:
        arguments = [*input_args(runner.url), "-map", f"0:{track.index}", *listing_args(listing)]
        runner.run(arguments, pipes=[listing.descriptor])
        return count_junk(listing.result().sizes, encoded.decoded.frames)
