"""The copy of one audio track, or of a part of it, into an audio file, without encoding it again.

The same FFmpeg process lists the packets. Their times and sizes reveal whether the copy is exact, without decoding it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..disk import check_disk
from ..failures import EMPTY_AUDIO, NOTHING_LEFT, TOO_LARGE, ConversionFailed, FailureReason, find_reason, has_damage
from ..formats.output_format import NotCopied
from ..plan.copying import difference_of_copy, is_cut, must_be_copied
from ..plan.cutting import Part, cut_packets
from ..plan.plan import Plan
from ..probe.adts import has_headers, has_one_configuration
from ..probe.ffmpeg_log import own_lines, own_text
from ..probe.packets import Packets
from ..probe.probe import Probe
from .encoded import Encoded, UnreliableTimestamps
from .ffmpeg import OnProgress, Outcome, input_args
from .output_pipe import OutputPipe
from .packet_listing import listing_args, packet_listing
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
    part = _find_part(plan, late, runner) if is_cut(plan.options) else None
    output = folder / f"audio{plan.format.facts.suffix}"
    if has_headers(probe, plan.track) and not must_be_copied(plan.options):
        outcome, packets = _copy_if_uniform(plan, output, runner)
    else:
        outcome, packets = _copy(plan, part, output, runner)
    _check(plan, outcome, packets, output, max_bytes=runner.settings.max_audio_bytes)
    if not packets.is_uniform:
        raise NotCopied("its sample rate, channels or profile change")
    if not must_be_copied(plan.options) and (
        reason := difference_of_copy(packets, late=late, by_timestamps=plan.by_timestamps)
    ):
        raise NotCopied(reason)
    samples = plan.format.complete_copy(output, packets)
    if not must_be_copied(plan.options) and packets.frame and samples <= packets.samples - packets.frame:
        raise NotCopied("its last packet is incomplete")
    if not must_be_copied(plan.options) and plan.by_timestamps and not packets.keep_pace_with(samples):
        raise NotCopied("its timestamps do not advance like its sound")
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


def _find_part(plan: Plan, late: float, runner: Runner) -> Part:
    """List the packets of a track, and return those of the requested part; raises ConversionFailed if there is none."""
    options = plan.options
    _, packets = _run(plan, None, [], runner, runner.progress(plan.seconds, percents=LISTING_PERCENTS))
    if not packets:
        raise ConversionFailed(EMPTY_AUDIO)
    part = cut_packets(packets, late=late, start=options.start, end=options.end, lead=plan.format.lead_packets)
    if part is None:
        raise ConversionFailed(NOTHING_LEFT)
    return part


def _copy_if_uniform(plan: Plan, output: Path, runner: Runner) -> tuple[Outcome, Packets]:
    """Copy a track whose frames have headers, which FFmpeg leaves out; raises NotCopied if these do not agree."""
    with OutputPipe(has_one_configuration) as headers:
        frames = [*_track_args(plan, None), "-c", "copy", "-f", "data", "-y", headers.url]
        outcome, packets = _copy(plan, None, output, runner, frames, pipes=[headers.descriptor])
        if packets and not headers.result():
            raise NotCopied("its sample rate, channels or profile change")
    return outcome, packets


def _copy(  # noqa: PLR0913 - those of `_run`
    plan: Plan,
    part: Part | None,
    output: Path,
    runner: Runner,
    more: Sequence[str] = (),
    *,
    pipes: Sequence[int] = (),
) -> tuple[Outcome, Packets]:
    """Copy some packets with one FFmpeg, and return them; `more` are arguments for another output, to `pipes`.

    The size limit is one byte higher, as in `encoder`.
    """
    size = ["-fs", str(runner.settings.max_audio_bytes + 1)]
    copy = [*_track_args(plan, part), "-c:a", "copy", *size, *plan.format.copy_args(plan.track), "-y", str(output)]
    try:
        outcome, packets = _run(plan, part, [*copy, *more], runner, _on_progress(plan, runner), pipes=pipes)
    except UnreliableTimestamps:
        raise NotCopied("its timestamps are unreliable") from None
    return outcome, packets if part is None else replace(packets, skip=part.skip, discard=part.discard)


def _run(  # noqa: PLR0913 - a run of FFmpeg and the part of the track
    plan: Plan,
    part: Part | None,
    outputs: Sequence[str],
    runner: Runner,
    on_progress: OnProgress,
    *,
    pipes: Sequence[int] = (),
) -> tuple[Outcome, Packets]:
    """Run FFmpeg with some outputs, and return the packets of a part, or all."""
    with packet_listing(plan.track) as listing:
        arguments = [*input_args(runner.url, plan.lead), *outputs, *_track_args(plan, part)]
        pipes = [*pipes, listing.descriptor]
        outcome = runner.run([*arguments, *listing_args(listing)], on_progress, pipes=pipes)
        return outcome, listing.result()


def _on_progress(plan: Plan, runner: Runner) -> OnProgress:
    return runner.progress(plan.seconds) if must_be_copied(plan.options) else watch(plan, runner)


def _track_args(plan: Plan, part: Part | None) -> list[str]:
    """Return the arguments that select a track, or drop all packets outside a part of it, and let it begin at 0."""
    track = ["-map", f"0:{plan.track.index}"]
    if part is None:
        return track
    return [*track, "-bsf:a", rf"noise=drop=lt(n\,{part.first})+gt(n\,{part.last}),setts=ts=TS-STARTPTS"]


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
