"""The copy of one audio track, or of a part of it, into an audio file, without encoding it again.

The same FFmpeg process lists the packets. Their times and sizes reveal whether the copy is exact, without decoding it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..disk import check_disk
from ..failures import EMPTY_AUDIO, NOTHING_LEFT, TOO_LARGE, ConversionFailed, FailureReason, find_reason, has_damage
from ..formats.output_format import NotCopied
from ..plan.copying import difference_of_copy, is_cut, must_be_copied
from ..plan.cutting import Part, cut_packets
from ..plan.plan import UNKNOWN_RATE, Plan
from ..probe.ffmpeg_log import own_lines, own_text
from ..probe.packets import Packets, packet_list_args, read_packets
from ..probe.probe import Probe
from .encoded import Encoded, UnreliableTimestamps
from .ffmpeg import OnProgress, Outcome, input_args
from .progress import watch
from .run_statistics import Decoded
from .runner import Runner

LISTING_PERCENTS = 50
# FFmpeg's message if a track has no proper description, such as FLAC in a CAF; then no packet is read either.
REJECTED = "Could not write header (incorrect codec parameters ?): Invalid data found when processing input"


def copy_track(plan: Plan, probe: Probe, runner: Runner, folder: Path) -> Encoded:
    """Copy a track, or the requested part of it, to a file in a folder.

    Raises NotCopied if the copy is not exact, or fails although encoding may succeed; ConversionFailed if a job that
    requests nothing but a copy cannot have it; and what `Runner.run` raises.
    """
    late = probe.silence_before(plan.track)
    part = _find_part(plan, late, runner, folder) if is_cut(plan.options) else None
    output = folder / f"audio{plan.format.facts.suffix}"
    outcome, packets = _copy(plan, part, output, runner)
    _check(plan, outcome, packets, output, max_bytes=runner.settings.max_audio_bytes)
    if not must_be_copied(plan.options) and (
        reason := difference_of_copy(packets, late=late, by_timestamps=plan.by_timestamps)
    ):
        raise NotCopied(reason)
    samples = plan.format.complete_copy(output, packets)
    return Encoded(
        _plan_of(plan, part),
        output,
        outcome.status,
        outcome.report,
        late + packets.end - packets.discard / packets.rate,
        samples,
        None,
        copied=Decoded(frames=len(packets), errors=0, samples=samples),
    )


def _find_part(plan: Plan, late: float, runner: Runner, folder: Path) -> Part:
    """List the packets of a track, and return those of the requested part; raises ConversionFailed if there is none."""
    file, options = folder / "packets", plan.options
    on_progress = runner.progress(plan.seconds, percents=LISTING_PERCENTS)
    runner.run([*input_args(runner.url, plan.lead), *_list_args(plan, file, None)], on_progress)
    packets = _read(plan, file)
    if not packets:
        raise ConversionFailed(EMPTY_AUDIO)
    part = cut_packets(
        packets, late=late, start=options.start, end=options.end, lead=plan.format.lead_packets
    )  # fmt: skip
    if part is None:
        raise ConversionFailed(NOTHING_LEFT)
    return part


def _copy(plan: Plan, part: Part | None, output: Path, runner: Runner) -> tuple[Outcome, Packets]:
    """Copy some packets with one FFmpeg, and return them. Its size limit is one byte higher, as in `encoder`."""
    file = output.with_name("packets")
    track = ["-map", f"0:{plan.track.index}", "-c:a", "copy", *_selection_args(part)]
    size = ["-fs", str(runner.settings.max_audio_bytes + 1)]
    copy = [*track, *size, *plan.format.copy_args(plan.track), "-y", str(output)]
    try:
        outcome = runner.run(
            [*input_args(runner.url, plan.lead), *copy, *_list_args(plan, file, part)], _on_progress(plan, runner)
        )
    except UnreliableTimestamps:
        raise NotCopied("its timestamps are unreliable") from None
    packets = _read(plan, file)
    return outcome, packets if part is None else replace(packets, skip=part.skip, discard=part.discard)


def _on_progress(plan: Plan, runner: Runner) -> OnProgress:
    return runner.progress(plan.seconds) if must_be_copied(plan.options) else watch(plan, runner)


def _list_args(plan: Plan, file: Path, part: Part | None) -> list[str]:
    """Return the arguments that list the packets of a track, or of a part of it."""
    return ["-map", f"0:{plan.track.index}", *_selection_args(part), *packet_list_args(file)]


def _selection_args(part: Part | None) -> list[str]:
    """Return the arguments that drop all packets outside a part, and let its time begin at 0."""
    if part is None:
        return []
    return ["-bsf:a", rf"noise=drop=lt(n\,{part.first})+gt(n\,{part.last}),setts=ts=TS-STARTPTS"]


def _read(plan: Plan, file: Path) -> Packets:
    return read_packets(file, plan.track.codec, plan.track.rate or UNKNOWN_RATE)


def _check(plan: Plan, outcome: Outcome, packets: Packets, output: Path, *, max_bytes: int) -> None:
    """Raise an error if FFmpeg did not copy any packet, or not all; for a damaged file, unless only a copy will do."""
    check_disk(outcome.status, output.parent)
    must = must_be_copied(plan.options)
    if reason := _failure(outcome, packets, output, max_bytes):
        raise ConversionFailed(reason) if must else NotCopied(reason.message)
    if outcome.status or not output.exists():
        raise NotCopied("FFmpeg cannot store it in this format")
    if not must and has_damage(own_text(outcome.report)):
        raise NotCopied("the file is damaged")


def _failure(outcome: Outcome, packets: Packets, output: Path, max_bytes: int) -> FailureReason | None:
    if output.exists() and output.stat().st_size > max_bytes:
        return TOO_LARGE
    if packets or any(line.endswith(REJECTED) for line in own_lines(outcome.report)):
        return None
    return find_reason(outcome.report) or EMPTY_AUDIO


def _plan_of(plan: Plan, part: Part | None) -> Plan:
    """Return the plan of a copy, with the cut as it really is."""
    if part is None:
        return replace(plan, copies=True)
    return replace(plan, copies=True, options=replace(plan.options, start=part.start, end=part.end))
