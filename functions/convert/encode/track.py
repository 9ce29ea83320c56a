"""Encodes one audio track, in the way that fits it: at once, after measuring it, or on several cores."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from soundlift.common.options.audio_options import AudioOptions

from ..disk import check_disk
from ..failures import BROKEN, ConversionFailed
from ..plan.arguments import MP3, converting, frame_list_args, measuring, placement_args, read_measured
from ..plan.recipe import USUAL, Recipe, recipe_for
from ..probe.report import read_decoded, read_encoded
from ..probe.sound import Decoded, Sound, Track
from ..probe.timestamps import MOST_APART, pace
from .ffmpeg import Ffmpeg, OnProgress, Outcome
from .mp3_frames import NotMp3, set_length
from .parallel.parts import Cut, NotJoined, Parts
from .runner import Run, Runner

MEASURING_PERCENTS = 20
# Beyond this, silence put in for time that passes makes an MP3 longer than its file: the timestamps are unreliable.
LONGEST_BEYOND, SECONDS_BEYOND = 1.02, 10
# Of the sound that was decoded, as much may be dropped where timestamps overlap; an encoder's padding looks like it.
MOST_DROPPED, SECONDS_DROPPED = 0.02, 0.1
# Beyond this, more was written than was decoded: there is a gap, or the timestamps run faster than the sound.
MOST_ADDED, SECONDS_ADDED = 0.02, 0.1
FRAMES_AHEAD = 16  # that FFmpeg decodes at most before it notices that enough is written: its queues hold 8

log = structlog.get_logger()


class UnreliableTimestamps(Exception):
    """Says that a track's timestamps do not run at the pace of its sound."""


@dataclass(frozen=True)
class Encoder:
    """Makes an MP3, `output`, of one track of a video, and a list of what the video is called beside it.

    `in_time` says that the container has timestamps to place the sound by.
    """

    runner: Runner
    options: AudioOptions
    folder: Path
    spare_cores: int
    in_time: bool = True

    @property
    def output(self) -> Path:
        """Return where the MP3 is."""
        return self.folder / MP3

    def first(self) -> Ffmpeg:
        """Begin with what nearly every video needs, before it is known what this one does."""
        return Ffmpeg(self._converting(recipe_for(USUAL, self.options)), self.runner.settings)

    def finish(self, first: Ffmpeg, sound: Sound, track: Track) -> Outcome | None:
        """Return how the first run ended, if it does what this track needs, on as many cores as are free."""
        recipe = self._recipe(sound, track)
        fits = self._converting(recipe) == self._converting(recipe_for(USUAL, self.options))
        if recipe.measures or not fits or self._cut(sound, recipe):
            return None
        try:
            outcome = self._ended(first, sound)
            self._check_times(outcome, sound, track, recipe, read_encoded(outcome.report))
        except UnreliableTimestamps:
            return None
        return outcome

    def encode(self, sound: Sound, track: Track) -> Outcome:
        """Return how the encoding of a track ended, from its beginning."""
        try:
            return self._encode(sound, track, self._recipe(sound, track))
        except UnreliableTimestamps:
            log.info("unreliable timestamps")
            in_sequence = recipe_for(track, self.options, stream=track.index, in_time=False)
            return replace(self._encode(replace(sound, length=None), track, in_sequence), in_time=False)

    def _encode(self, sound: Sound, track: Track, recipe: Recipe) -> Outcome:
        if recipe.measures:
            arguments = measuring(self.runner.url, recipe, track.index)
            on_progress = self.runner.progress(self._seconds(sound), percents=MEASURING_PERCENTS)
            measured = self.runner.run(arguments, on_progress)
            recipe = recipe.after(read_measured(measured.report))
        return self._in_parts(sound, track, recipe) or self._plainly(sound, track, recipe)

    def _in_parts(self, sound: Sound, track: Track, recipe: Recipe) -> Outcome | None:
        """Return how the encoding on several cores ended, None where there is no cut, or the parts do not join."""
        cut = self._cut(sound, recipe)
        if cut is None:
            return None
        recipe = replace(recipe, stream=track.index)
        start = partial(Parts, self.runner.url, recipe, cut, self.folder, self.runner.settings)
        with self.runner.started(start) as parts:
            outcome = self.runner.end(parts, self._progress(parts, sound))
            try:
                parts.join(self.output)
            except (NotJoined, NotMp3) as error:
                log.warning("parts do not join", error=repr(error))
                return None
        self._check_times(outcome, sound, track, recipe, parts.samples)
        return outcome

    def _plainly(self, sound: Sound, track: Track, recipe: Recipe) -> Outcome:
        with self.runner.started(partial(Ffmpeg, self._converting(recipe), self.runner.settings)) as ffmpeg:
            outcome = self._ended(ffmpeg, sound)
        self._check_times(outcome, sound, track, recipe, read_encoded(outcome.report))
        return outcome

    def _check_times(self, outcome: Outcome, sound: Sound, track: Track, recipe: Recipe, samples: int) -> None:
        """Raise UnreliableTimestamps where they run slower or faster than the sound: some is dropped, or torn apart.

        `samples` were written at the recipe's rate. Where all that was asked for was written, FFmpeg has decoded a few
        frames more, and where none was, it is unknown how much was dropped. A run over all of the sound finds out.
        """
        decoded = read_decoded(outcome.report, track)
        if not recipe.in_time or not track.rate or not decoded.frames or outcome.status:
            return
        seconds, written = decoded.samples / track.rate, self.options.start + samples / recipe.rate
        end = math.inf if self.options.end is None else self.options.end
        if samples and written < end - SECONDS_DROPPED:
            drops = _drops(seconds, written)
        else:
            ahead = FRAMES_AHEAD * seconds / decoded.frames
            drops = (not samples or _drops(seconds - ahead, written)) and self._drops_in_all(sound, track, recipe)
        if drops or (self._differs(decoded, sound, track, samples / recipe.rate) and self._has_other_pace(track)):
            raise UnreliableTimestamps

    def _differs(self, decoded: Decoded, sound: Sound, track: Track, written: float) -> bool:
        """Return whether the seconds written are not those decoded, or too few to say: so it is with a gap as well."""
        rate = track.rate or 0
        seconds, late = decoded.samples / rate, max(0.0, track.start - sound.start - sound.lead)
        ahead = 0.0 if self.options.end is None else FRAMES_AHEAD * seconds / decoded.frames
        dropped = seconds - (self.options.start + written - late)
        return not written or dropped - ahead > SECONDS_DROPPED or -dropped > max(SECONDS_ADDED, MOST_ADDED * seconds)

    def _has_other_pace(self, track: Track) -> bool:
        """Return whether a track's timestamps run slower or faster than its sound all the time."""
        file = self.folder / "frames"
        self.runner.run(frame_list_args(self.runner.url, track.index, file))
        return file.exists() and abs(pace(file) - 1) > MOST_APART

    def _drops_in_all(self, sound: Sound, track: Track, recipe: Recipe) -> bool:
        """Tell whether FFmpeg drops any of a track where it places all of it by its timestamps."""
        arguments = placement_args(self.runner.url, recipe, track.index)
        with self.runner.started(partial(Ffmpeg, arguments, self.runner.settings)) as ffmpeg:
            report = self.runner.end(ffmpeg, _limited(ffmpeg, sound)).report
        rate = track.rate or recipe.rate
        return _drops(read_decoded(report, track).samples / rate, read_encoded(report) / rate)

    def _ended(self, ffmpeg: Ffmpeg, sound: Sound) -> Outcome:
        """Return how the run ended that makes the MP3, having made the MP3's length exact."""
        outcome = self.runner.end(ffmpeg, self._progress(ffmpeg, sound))
        check_disk(outcome.status, self.folder)
        if (
            outcome.status == 0
            and self.output.exists()
            and self.output.stat().st_size <= self.runner.settings.max_mp3_bytes
        ):
            try:
                set_length(self.output, read_encoded(outcome.report))
            except NotMp3:
                raise ConversionFailed(BROKEN) from None
        return outcome

    def _recipe(self, sound: Sound, track: Track) -> Recipe:
        stream = None if track.index == sound.begun else track.index
        recipe = recipe_for(
            track, self.options, stream=stream, silence=sound.silence_before(track), in_time=self.in_time
        )
        return recipe if sound.starts_anew else replace(recipe, lead=sound.lead)

    def _converting(self, recipe: Recipe) -> list[str]:
        most_bytes = self.runner.settings.max_mp3_bytes
        return converting(self.runner.url, recipe, self.folder, most_bytes)

    def _cut(self, sound: Sound, recipe: Recipe) -> Cut | None:
        seconds = self._seconds(sound)
        return Cut.of(seconds, recipe.rate, self.spare_cores + 1) if seconds and recipe.may_be_cut else None

    def _seconds(self, sound: Sound) -> float | None:
        """Return how long the MP3 will be, as far as the container tells."""
        if sound.length is None:
            return None
        end = sound.length if self.options.end is None else min(self.options.end, sound.length)
        return max(0.0, end - self.options.start)

    def _progress(self, run: Run, sound: Sound) -> OnProgress:
        """Return what tells of the progress, and ends a run that writes far more than the container has."""
        tell = self.runner.progress(self._seconds(sound))
        if not self.in_time:
            return tell
        limit = _limited(run, sound)

        def on_progress(seconds: float) -> None:
            tell(seconds)
            limit(seconds)

        return on_progress


def _limited(run: Run, sound: Sound) -> OnProgress:
    """Return what ends a run that writes far more than the container has, and raises UnreliableTimestamps."""
    most = sound.length * LONGEST_BEYOND + SECONDS_BEYOND if sound.length else math.inf

    def on_progress(seconds: float) -> None:
        if seconds > most:
            run.kill()
            raise UnreliableTimestamps

    return on_progress


def _drops(decoded: float, written: float) -> bool:
    """Tell whether less was written than was decoded, in seconds, beyond what a splice or padding takes."""
    return decoded - written > max(SECONDS_DROPPED, MOST_DROPPED * decoded)
