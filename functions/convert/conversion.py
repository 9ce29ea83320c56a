"""Takes the sound of one stored video to one stored MP3."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from soundlift.common.jobs.document import mp3_name
from soundlift.common.jobs.model import Job
from soundlift.common.media import MediaInfo
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services

from .disk import check_disk
from .encode.ffmpeg import Ffmpeg, Outcome, reading
from .encode.mp3_frames import FrontFrame, NotMp3
from .encode.range_server import Source, serving
from .encode.runner import Runner
from .encode.track import Encoder
from .failures import (
    BROKEN,
    EMPTY_AUDIO,
    ENCRYPTED_SOUND,
    NOT_MEDIA,
    NOTHING_LEFT,
    TOO_MANY_CHANNELS,
    UNKNOWN_CODEC,
    ConversionFailed,
    check_outcome,
)
from .heartbeat import Keeper
from .output.loss import Written, lost_seconds
from .output.tags import id3
from .plan.arguments import listing, packet_list_args, picturing
from .plan.recipe import choose
from .probe.declared_duration import Declared, declared_duration
from .probe.junk import count_junk
from .probe.labels import read_labels
from .probe.mp4_boxes import has_protected_sound
from .probe.report import read_decoded, read_report
from .probe.sound import Sound, Track
from .probe.timestamps import has_timestamps

BLOCK = 256 * 1024
LARGEST_PICTURE = 2**24
MOST_TRACKS_TRIED = 10  # each is a run of FFmpeg over the whole file
PERHAPS_ANOTHER_TRACK = (EMPTY_AUDIO, UNKNOWN_CODEC, BROKEN)


@dataclass(frozen=True)
class Mp3:
    """Is an MP3 on this machine's disk, and the tag to go before it.

    `size` is in bytes and has the tag; `seconds` are those of its sound, and `lost` those that could not be read.
    """

    path: Path
    tag: bytes
    size: int
    seconds: float
    lost: float | None


def make_mp3(job: Job, folder: Path, keeper: Keeper, services: Services, *, spare_cores: int = 0) -> Mp3:
    """Convert the video of a job into a file in a folder, on one core and those that are spare.

    Raises ConversionFailed where the video is at fault, the store's error where it is the store, and what
    the keeper ended the work for.
    """
    source = Source(services.videos, job.video_fid, job.file_name)
    options = AudioOptions.of_row(job.options, services.settings)

    def encoder(url: str) -> Encoder:
        return Encoder(Runner(url, source, keeper, services.settings), options, folder, spare_cores)

    with serving(source) as url:
        try:
            return _make(job, encoder(url), services)
        except ConversionFailed as failure:
            if failure.verdict != NOT_MEDIA or not source.suffix:
                raise
            # FFmpeg tells some formats by the file's suffix only, such as an Ogg behind other bytes.
            with suppress(ConversionFailed):
                return _make(job, encoder(url + source.suffix), services)
            raise


def _make(job: Job, encoder: Encoder, services: Services) -> Mp3:
    with encoder.runner.started(encoder.first) as first:
        sound = replace(_look(first, encoder.runner), declared=_look_inside(job, services))
        encoder = replace(encoder, in_time=has_timestamps(first.heading()))
        tracks = _in_question(sound, encoder.options)
        outcome = encoder.finish(first, sound, tracks[0])
    return _first_that_sounds(encoder, sound, tracks, outcome)


def store_mp3(job: Job, mp3: Mp3, fid: str, keeper: Keeper, services: Services) -> None:
    """Put an MP3 into the media store; raises StoreUnavailable, or what the keeper ended the work for."""
    info = MediaInfo(owner=job.username, file_name=mp3_name(job), content_type="audio/mpeg", job_id=job.id)
    writer = services.mp3s.create(fid, info)
    try:
        writer.write(mp3.tag)
        with mp3.path.open("rb") as file:
            while block := file.read(BLOCK):
                keeper.check()
                writer.write(block)
        writer.commit()
    except BaseException:
        writer.abort()
        raise


def _look(first: Ffmpeg, runner: Runner) -> Sound:
    """Return what the first run says that there is; why it says nothing goes before that it says nothing."""
    try:
        return read_report(first.heading())
    except ConversionFailed:
        runner.end(first)
        raise


def _look_inside(job: Job, services: Services) -> Declared:
    """Return what FFmpeg does not report of a video: the duration that its own header declares.

    Raises ConversionFailed for sound that could be read, but only as noise.
    """
    reader = services.videos.open(job.video_fid)
    with reader.file as file:
        if has_protected_sound(file, reader.size):
            raise ConversionFailed(ENCRYPTED_SOUND)
        return declared_duration(file, reader.size)


def _in_question(sound: Sound, options: AudioOptions) -> list[Track]:
    """Return the track to convert, and those that do as well if it has nothing to give and none was asked for.

    Raises ConversionFailed where none of them can be mixed.
    """
    track = choose(sound, options)
    others = [other for other in sound.tracks if other != track and options.track is None]
    found = [one for one in (track, *others) if one.can_be_mixed]
    if not found:
        raise ConversionFailed(TOO_MANY_CHANNELS)
    return found


def _first_that_sounds(encoder: Encoder, sound: Sound, tracks: list[Track], outcome: Outcome | None) -> Mp3:
    """Return the MP3 of the first track that gives one; `outcome` is how it ended for the very first, if it has."""
    failures: list[ConversionFailed] = []
    for track in tracks[:MOST_TRACKS_TRIED]:
        try:
            return _checked(outcome or encoder.encode(sound, track), encoder, sound, track)
        except ConversionFailed as failure:
            if failure.verdict not in PERHAPS_ANOTHER_TRACK:
                raise
            failures.append(failure)
        outcome = None
    raise failures[-1]


def _checked(outcome: Outcome, encoder: Encoder, sound: Sound, track: Track) -> Mp3:
    path = encoder.output
    size = path.stat().st_size if path.exists() else 0
    check_disk(outcome.status, encoder.folder)
    check_outcome(
        outcome.status,
        outcome.report,
        decoded=read_decoded(outcome.report, track),
        mp3_bytes=size,
        most_bytes=encoder.runner.settings.max_mp3_bytes,
    )
    front = _front_frame(path)
    if front.samples <= 0:
        raise ConversionFailed(NOTHING_LEFT)
    seconds = front.samples / front.rate
    tag = _tag(encoder, sound, track, seconds)
    is_whole = outcome.in_time and encoder.options.end is None
    written = Written(
        outcome.seconds + encoder.options.start if is_whole else None, encoder.in_time, _junk(outcome, encoder, track)
    )
    lost = lost_seconds(outcome.report, sound, track, written)
    return Mp3(path, tag, len(tag) + size, seconds, lost)


def _junk(outcome: Outcome, encoder: Encoder, track: Track) -> int:
    """Return how many packets are no frames, in a stream without timestamps of which FFmpeg could not decode all."""
    decoded = read_decoded(outcome.report, track)
    if encoder.in_time or not decoded.errors:
        return 0
    file = encoder.folder / "packets"
    encoder.runner.run(packet_list_args(encoder.runner.url, track.index, file))
    return count_junk(file, decoded.frames)


def _front_frame(path: Path) -> FrontFrame:
    try:
        with path.open("rb") as file:
            return FrontFrame.at_start_of(file)
    except NotMp3:
        raise ConversionFailed(BROKEN) from None


def _tag(encoder: Encoder, sound: Sound, track: Track, seconds: float) -> bytes:
    if sound.tags_on_track:
        encoder.runner.run([*reading(encoder.runner.url), *listing(encoder.folder, track.index)])
    labels = read_labels(encoder.folder)
    picture = _picture(encoder, sound.pictures[0]) if sound.pictures and encoder.options.cover else b""
    return id3(labels, track.language, encoder.options, seconds, picture)


def _picture(encoder: Encoder, stream: int) -> bytes:
    file = encoder.folder / "picture"
    encoder.runner.run(picturing(encoder.runner.url, stream, file))
    return file.read_bytes() if file.exists() and file.stat().st_size <= LARGEST_PICTURE else b""
