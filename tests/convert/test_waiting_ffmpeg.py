"""The FFmpeg that probes a video also encodes it, just as another one would that is started afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from devservers.local_stack import living_processes
from devservers.waiting import wait_for
from functions.convert.encode.encoded import Encoded
from functions.convert.encode.encoder import encode, usual_output
from functions.convert.encode.media_input import open_local, serve_input
from functions.convert.encode.runner import Runner
from functions.convert.formats.mp3 import MP3
from functions.convert.formats.output_format import Tags
from functions.convert.heartbeat import ClaimHeartbeat, ClaimLost
from functions.convert.output.tags import collect_tags
from functions.convert.plan.plan import make_plan
from functions.convert.probe.probe import Probe
from functions.convert.probe.probe_video import probe_video
from soundlift.common.media import LocalFiles
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.services import Services
from tests.factories.clips import talking_mp4
from tests.factories.jobs import queued_job

pytestmark = pytest.mark.media

TITLE = ("-metadata", "title=A talk")


@dataclass
class Conversion:
    """A conversion of a file that was probed."""

    runner: Runner
    probe: Probe
    folder: Path
    options: AudioOptions

    def encode(self) -> tuple[Encoded, Tags]:
        """Return what the file is encoded to, and its tags."""
        plan = make_plan(self.probe, self.probe.preferred_track, self.options, MP3)
        encoded = encode(plan, self.runner, self.folder, cores=1)
        return encoded, collect_tags(self.probe, plan, self.runner, self.folder, 1.0)


Start = Callable[..., Conversion]


@pytest.fixture
def probed(services: Services, tmp_path: Path) -> Iterator[Start]:
    """Return a function that probes a file; FFmpeg then `waits` or ends, and reads the file over HTTP or not."""
    with ExitStack() as stack:

        def start(file: Path, *, waits: bool = True, http: bool = False, normalize: float | None = None) -> Conversion:
            job = queued_job(services, file.read_bytes(), file.name)
            claim = services.jobs.claim(job)
            assert claim is not None
            assert isinstance(services.videos, LocalFiles)
            options, folder = AudioOptions(normalize=normalize), tmp_path / job.id
            folder.mkdir()
            heartbeat = stack.enter_context(ClaimHeartbeat(claim, services))
            opened = serve_input(services.videos, job.video_fid) if http else open_local(services.videos, job.video_fid)
            url, source = stack.enter_context(opened)
            runner = stack.enter_context(Runner(url, source, heartbeat, services.settings, folder))
            output = usual_output(options, runner, folder) if waits else None
            probe = probe_video(runner, services.videos, job.video_fid, folder, output)
            return Conversion(runner, probe, folder, options)

        yield start


@pytest.mark.parametrize("http", [False, True])
def test_it_writes_the_same_file_and_reports_the_same(probed: Start, tmp_path: Path, http: bool) -> None:
    file = talking_mp4(tmp_path, *TITLE)
    (one, tags), (other, same_tags) = (probed(file, waits=waits, http=http).encode() for waits in (True, False))
    assert (one.path.name, other.path.name) == ("first.mp3", "audio.mp3")
    assert one.path.read_bytes() == other.path.read_bytes()
    facts = [(each.status, each.seconds, each.samples, each.decoded, each.waveform) for each in (one, other)]
    assert facts[0] == facts[1]
    assert one.waveform
    assert tags == same_tags
    assert tags.texts == {"title": "A talk"}


def test_it_ends_without_an_output_if_the_levels_are_measured_first(probed: Start, tmp_path: Path) -> None:
    conversion = probed(talking_mp4(tmp_path, *TITLE), normalize=-23.0)
    encoded, tags = conversion.encode()
    assert (encoded.path.name, tags.texts) == ("audio.mp3", {"title": "A talk"})


def test_the_tags_of_a_file_are_read_again_if_it_could_not_end_so(probed: Start, tmp_path: Path) -> None:
    """A first track that cannot be decoded makes FFmpeg end before it writes the tags."""
    two = ("-map", "1:v", "-map", "0:a", "-map", "0:a", "-disposition:a:1", "default")
    file = talking_mp4(tmp_path, *two, *TITLE, name="two.mkv")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"A_AAC", b"A_XXX", 1))
    conversion = probed(file)
    conversion.runner.finish_probe()
    assert conversion.encode()[1].texts == {"title": "A talk"}


def test_it_ends_with_the_claim(services: Services, probed: Start, tmp_path: Path) -> None:
    conversion = probed(talking_mp4(tmp_path))
    folder = str(conversion.folder)
    assert any(folder in process.command for process in living_processes().values())
    assert services.jobs.cancel(conversion.folder.name)
    wait_for(lambda: not any(folder in one.command for one in living_processes().values()), "FFmpeg has ended")
    with pytest.raises(ClaimLost):
        conversion.encode()
