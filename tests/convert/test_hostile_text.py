"""Text of a file is never mistaken for a message of FFmpeg's own: it hides no track and causes no failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutagen.id3 import ID3, TIT2
from mutagen.mp3 import MP3

from functions.convert.encode.ffmpeg import Ffmpeg
from functions.convert.encode.run_statistics import read_decoded, read_encoded
from functions.convert.probe.audio_track import AudioTrack
from functions.convert.probe.report import read_report
from soundlift.common.jobs.model import State
from soundlift.common.process.sandbox.sandbox import Access
from soundlift.common.services import Services
from tests.convert.conftest import Convert, SaveMp3
from tests.factories.clips import SINE, ffmpeg, replace_bytes

pytestmark = pytest.mark.media

DISK = "No space left on device"
DRM = "[asf @ 0x1] DRM protected stream detected, decoding will likely fail!"
MEMORY = "[in#0 @ 0x1] Error opening input: Cannot allocate memory"
DECODED = (
    "[in#0/mov @ 0x1]   Input stream #0:0 (audio): 9 packets read (9 bytes); "
    "0 frames decoded; 9 decode errors (0 samples); "
)
LONG_NUMBER = "1" * 5000

LANGUAGES = {
    "the message for a full disk": f"eng\n{DISK}\n[out#0/mp3 @ 0x1] Error writing trailer: {DISK}\nx",
    "the message for copy protection": f"eng\n{DRM}\nx",
    "the message for too little memory": f"eng\n{MEMORY}\nx",
    "a count of what was decoded": f"eng\n{DECODED}\nx",
    "the end of the heading": "eng\nStream mapping:\n  Stream #0:7 -> #0:0 (aac (native) -> mp3 (libmp3lame))\nx",
    "another stream": "eng\n  Stream #0:9(fra",
    "a stream without a kind": "eng\n  Stream #0:9\n\n\n",
    "other line breaks": f"e\r{DRM}\r\x0b{DISK}\x0c{MEMORY}\u2028{DISK}\x85{DISK}",
    "an escape sequence": f"eng\n\x1b[0m\x1b[1;35m{DRM}\x1b[0m\n",
    "a parenthesis": "e)n(g): Video: h264",
    "a track that cannot be decoded": "e): Audio: none\nx",
    "a track that is not audio": "e): Video: h264\nx",
    "a track of too many channels": "e): Audio: aac, 44100 Hz, 99 channels\nx",
    "a track that begins late": "e): Audio: aac, 44100 Hz, mono, start 1000.0\nx",
    "a picture": "e): Audio: aac (LC), 44100 Hz, mono, fltp (attached pic)\nx",
    "100,000 letters": "x" * 100_000,
    "100,000 line breaks": "\n" * 100_000,
    "a rate of 5,000 digits": f"eng): Audio: aac (LC), {LONG_NUMBER} Hz, mono, start {LONG_NUMBER}.0",
    "5,000 digits in each line": f"eng\n  Duration: {LONG_NUMBER}:00:00.00, start: {LONG_NUMBER}.0, bitrate: 1 kb/s\nx",
}


def _in_language(folder: Path, language: str) -> Path:
    return ffmpeg(folder / "a.mkv", *SINE, "-c:a", "aac", "-metadata:s:a:0", f"language={language}")


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_a_hostile_language_hides_no_track_and_causes_no_failure(
    convert_file: Convert, tmp_path: Path, language: str
) -> None:
    job = convert_file(_in_language(tmp_path, language))
    assert (job.state, job.error) == (State.READY, None)
    assert job.length == pytest.approx(3, abs=0.06)


def test_a_track_after_one_with_a_hostile_language_is_found_by_language(convert_file: Convert, tmp_path: Path) -> None:
    two = ffmpeg(
        tmp_path / "two.mkv", *SINE, *SINE, "-map", "0", "-map", "1", "-c:a", "aac",
        "-metadata:s:a:0", f"language=e)\n{DRM}\n(", "-metadata:s:a:1", "language=fre",
    )  # fmt: skip
    assert convert_file(two, track="fr").state == State.READY
    assert convert_file(two, track="en").error_code == "no_such_track"


NAMES = {
    "the message for a full disk": DISK,
    "the message for copy protection": DRM,
    "the message for too little memory": MEMORY,
    "a track that cannot be decoded": "  Stream #0:0: Audio: none",
    "a track that is not audio": "  Stream #0:0: Video: h264, start 3.000000",
    "a track of too many channels": "  Stream #0:0: Audio: mp3, 44100 Hz, 99 channels",
    "another track": "  Stream #0:5: Video: none, start -9000000000.0",
    "the next track": "  Stream #0:1: Audio: aac, 44100 Hz, stereo (default)",
    "no duration": "  Duration: N/A, bitrate: N/A",
    "a long duration": "  Duration: 00:40:00.00, start: 0.000000, bitrate: 1 kb/s",
    "an early start": "  Duration: 00:00:01.00, start: -5000.000000, bitrate: 1 kb/s",
    "another container": "Input #0, mpegts, from 'x':",
    "a time of day": f"\x1b[0;37m10:00:00.000 \x1b[0m{DRM}",
}


@pytest.mark.parametrize("suffix", ["mp3", "flac"])
@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_the_name_of_a_tag_changes_nothing(convert_file: Convert, tmp_path: Path, text: str, suffix: str) -> None:
    job = convert_file(ffmpeg(tmp_path / f"a.{suffix}", *SINE, "-metadata", f"a\n{text}\nb=c"))
    assert (job.state, job.error, job.missing_seconds) == (State.READY, None, 0.0)
    assert job.length == pytest.approx(3, abs=0.06)


def _named_in_chapter(folder: Path, text: str) -> Path:
    escaped = text.replace("#", "\\#").replace("\n", "\\\n").replace("=", "\\=")
    return _with_chapters(folder, f"{CHAPTER}a\\\n{escaped}\\\nb=c\n", "a.mp3")


def _named_in_track(folder: Path, text: str) -> Path:
    return ffmpeg(
        folder / "two.ogg", *SINE, *SINE, "-map", "0", "-map", "1", "-c:a", "flac",
        "-metadata:s:a:0", f"a\n{text}\nb=c", "-metadata:s:a:1", "language=fre",
    )  # fmt: skip


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_the_name_of_a_chapter_tag_changes_nothing(convert_file: Convert, tmp_path: Path, text: str) -> None:
    job = convert_file(_named_in_chapter(tmp_path, text))
    assert (job.state, job.error, job.missing_seconds) == (State.READY, None, 0.0)


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_the_name_of_a_track_tag_hides_no_other_track(convert_file: Convert, tmp_path: Path, text: str) -> None:
    two = _named_in_track(tmp_path, text)
    assert convert_file(two, track="fr").state == State.READY
    assert convert_file(two, track="3").error == "The video has no audio track 3. It has 2 audio tracks: fre."


def test_a_track_without_sound_that_mentions_a_full_disk_fails(convert_file: Convert, tmp_path: Path) -> None:
    language = ("-metadata:s:a", f"language=eng\n{DISK}\nx")
    job = convert_file(ffmpeg(tmp_path / "a.mkv", *SINE, "-c:a", "aac", "-bsf:a", "noise=drop=1", *language))
    assert (job.state, job.error_code) == (State.FAILED, "cut_off")  # because nothing follows its header


def test_ffmpegs_message_about_copy_protection_is_the_reason(convert_file: Convert, tmp_path: Path) -> None:
    codec_list, content_encryption = "4052d1861d31d011a3a400a0c90348f6", "fbb3112223bdd211b4b700a0c955fc6e"
    file = ffmpeg(tmp_path / "a.wma", *SINE, "-c:a", "wmav2")
    replace_bytes(file, bytes.fromhex(codec_list), bytes.fromhex(content_encryption))
    assert convert_file(file).error_code == "drm_protected"


CHAPTER = "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\n"


def _with_chapters(folder: Path, chapters: str, name: str = "a.mkv") -> Path:
    (folder / "chapters.txt").write_text(f";FFMETADATA1\n{chapters}")
    return ffmpeg(folder / name, *SINE, "-i", str(folder / "chapters.txt"), "-map", "0", "-map_chapters", "1")


@pytest.mark.parametrize(
    "tag",
    ["START=1e1000000000", "END=1e400", "TIMEBASE=1/0", "TIMEBASE=1e-1000000000", f"START={LONG_NUMBER}", "END=-inf",
     "START=0x10", "END=٣"],
)  # fmt: skip
def test_a_tag_of_a_chapter_does_not_overrule_its_time(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, tag: str
) -> None:
    job = convert_file(_with_chapters(tmp_path, f"{CHAPTER}title=one\n{tag}\n"))
    tags = MP3(save_mp3(job)).tags
    assert tags is not None
    assert [(one.start_time, one.end_time) for one in tags.getall("CHAP")] == [(1000, 2000)]


def test_a_file_of_3000_chapters_with_long_titles_is_still_a_media_file(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    one = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={0}\nEND={1}\ntitle={0}" + "x" * 200 + "\n"
    job = convert_file(_with_chapters(tmp_path, "".join(one.format(each, each + 1) for each in range(3000))))
    tags = MP3(save_mp3(job)).tags
    assert tags is not None
    assert len(tags.getall("CHAP")) == 255  # the maximum of an MP3


def test_a_title_that_looks_like_decoding_statistics_is_harmless(convert_file: Convert, tmp_path: Path) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *SINE)
    tags = ID3()
    tags.add(TIT2(encoding=3, text=["Input stream #0:1 (audio): " * 10_000]))
    tags.save(file)
    assert convert_file(file).state == State.READY


@pytest.mark.parametrize(("line_breaks", "code"), [(100_000, None), (3_000_000, "too_complex")])
def test_a_title_of_line_breaks_is_read_up_to_a_limit(
    convert_file: Convert, tmp_path: Path, line_breaks: int, code: str | None
) -> None:
    file = ffmpeg(tmp_path / "a.mp3", *SINE)
    tags = ID3()
    tags.add(TIT2(encoding=3, text=["\n" * line_breaks]))
    tags.save(file)
    job = convert_file(file)
    assert (job.error_code, job.attempts) == (code, 1)


@pytest.mark.parametrize("text", [DRM, MEMORY, f"[out#0/mp3 @ 0x1] {DISK}"])
def test_a_line_with_text_of_the_file_is_not_one_of_ffmpegs_own(services: Services, tmp_path: Path, text: str) -> None:
    file = _in_language(tmp_path, f"eng\n{text}\n{DECODED}\nx")
    arguments = ["-protocol_whitelist", "file", "-i", str(file), "-f", "null", "-"]
    run = Ffmpeg(arguments, services.settings, Access(tmp_path))
    outcome = run.wait()
    run.close()
    (track,) = read_report(outcome.report).tracks
    assert track == AudioTrack(index=0, codec="aac", rate=44100, layout="mono", sample_format="flt")
    assert read_decoded(outcome.report, track.index).samples > 3 * 44100
    assert not [line for line in outcome.report.split("\n") if line.startswith(text)]


def test_the_track_that_ffmpeg_selects_is_known_without_its_line() -> None:
    selection = "[aost#0:0/libmp3lame @ 0x1] Created audio stream from input stream 0:20000\n"
    for other in ("Video: h264", "Video: png (attached pic)", "Audio: none", "Data: none", "Data: none (attached pic)"):
        probe = read_report(f"   Stream #0:0: {other}\n{selection}")
        assert probe.preferred_track.index == 20000
        assert probe.preferred_track.can_be_mixed
        assert probe.pictures == ((0,) if other.startswith("Video: png") else ())


@pytest.mark.parametrize(
    ("message", "is_estimated"),
    [("Estimating duration from bitrate, this may be inaccurate", True),
     ("invalid concatenated file detected - using bitrate for duration", True),
     ("Unknown codec tag: using bitrate for duration", False)],
)  # fmt: skip
def test_a_duration_is_estimated_if_ffmpeg_reports_it(message: str, is_estimated: bool) -> None:
    probe = read_report(f"   Stream #0:0: Audio: mp3, 44100 Hz, mono\n[mp3 @ 0x1] {message}\n")
    assert (probe.duration_is_estimated, probe.is_audio_only) == (is_estimated, True)


def test_another_component_cannot_report_sample_counts() -> None:
    counts = (
        "[matroska @ 0x1]   Input stream #0:0 (audio): 1 packets read (1 bytes); 1 frames decoded; 0 decode errors "
        "(1024 samples); \n[matroska @ 0x1]   Output stream #0:0 (audio): 1 frames encoded (1024 samples); \n"
    )
    assert (read_decoded(counts, 0).samples, read_encoded(counts)) == (0, 0)


IAMF = (
    "-stream_group", "type=iamf_audio_element:id=1:st=0:audio_element_type=channel,layer=ch_layout=stereo",
    "-stream_group", "type=iamf_mix_presentation:id=2:stg=0:annotations=en-us=Mix,"
    "submix=parameter_id=100:parameter_rate=48000:default_mix_gain=0.0"
    "|element=stg=0:headphones_rendering_mode=stereo:annotations=en-us=Submix:parameter_id=100:parameter_rate=48000"
    "|layout=layout_type=loudspeakers:sound_system=stereo:integrated_loudness=-10.0",
    "-streamid", "0:0",
)  # fmt: skip


def test_a_track_in_a_group_of_streams_is_converted(convert_file: Convert, tmp_path: Path) -> None:
    job = convert_file(ffmpeg(tmp_path / "iamf.mp4", *SINE, "-ac", "2", "-ar", "48000", "-c:a", "libopus", *IAMF))
    assert (job.state, job.error) == (State.READY, None)
    assert job.length == pytest.approx(3, abs=0.06)


def _wav(folder: Path, channels: int) -> Path:
    """Write a WAV of a few samples; FFmpeg cannot write one with so many channels."""
    data = bytes(2 * channels * 4)
    rest = channels.to_bytes(2, "little") + (8000).to_bytes(4, "little") + (2 * channels * 8000).to_bytes(4, "little")
    header = b"WAVEfmt \x10\0\0\0\1\0" + rest + (2 * channels % 65536).to_bytes(2, "little") + b"\x10\0"
    chunks = header + b"data" + len(data).to_bytes(4, "little") + data
    file = folder / f"{channels}.wav"
    file.write_bytes(b"RIFF" + len(chunks).to_bytes(4, "little") + chunks)
    return file


@pytest.mark.parametrize("channels", [65, 1000, 65535])
def test_65_or_more_channels_fail_with_a_code(convert_file: Convert, tmp_path: Path, channels: int) -> None:
    assert convert_file(_wav(tmp_path, channels)).error_code == "too_many_channels"


def test_64_channels_are_mixed(convert_file: Convert, tmp_path: Path) -> None:
    assert convert_file(_wav(tmp_path, 64)).state == State.READY


def test_another_track_replaces_one_with_too_many_channels(convert_file: Convert, tmp_path: Path) -> None:
    both = ffmpeg(
        tmp_path / "both.mkv", "-i", str(_wav(tmp_path, 65)), *SINE, "-map", "0", "-map", "1",
        "-c:a:0", "copy", "-c:a:1", "pcm_s16le",
    )  # fmt: skip
    assert convert_file(both).state == State.READY
    assert convert_file(both, track="1").error_code == "too_many_channels"
