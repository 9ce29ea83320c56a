"""Opus, FLAC and Ogg Vorbis files have exactly the samples of their source, encoded or copied."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mutagen.flac import FLAC

from functions.convert.formats.flac_frames import FrameHeader, NotFlac, StreamInfo, read_metadata
from functions.convert.formats.opus import OPUS
from functions.convert.formats.opus_packets import count_samples
from functions.convert.formats.output_format import NotCopied, Sound
from functions.convert.formats.vorbis_blocks import Blocks, NotVorbis, read_modes
from soundlift.common.jobs.model import State
from soundlift.common.options.audio_options import AudioOptions
from soundlift.common.process.ffmpeg import binary
from tests.convert.conftest import Convert, SaveMp3
from tests.convert.pcm import assert_same_sound, decode_file, hiss, lag, write_sound
from tests.factories.clips import SINE, ffmpeg

RATE = 48000
SAMPLES = 59_111  # neither a multiple of a frame nor of a millisecond
# By the requested format: the encoder of a track that is copied, and the containers that it is copied from.
COPIED = {
    "opus": ("libopus", ("opus", "webm", "mka", "mp4")),
    "flac": ("flac", ("flac", "mka", "oga", "mp4")),
    "original": ("libvorbis", ("ogg", "webm")),
}
MUXER = {"oga": ("-f", "ogg")}


def _decode(file: Path, sample_format: str = "s16le") -> bytes:
    """Return the samples that FFmpeg decodes of the first audio track."""
    command = [binary(), "-v", "error", "-i", str(file), "-map", "0:a:0", "-f", sample_format, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.media
@pytest.mark.parametrize(("count", "channels"), [(1, 1), (649, 2), (SAMPLES, 2)])
def test_opus_has_the_exact_length_of_its_source(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, count: int, channels: int
) -> None:
    samples = hiss(2, RATE, channels)[:count]
    job = convert_file(write_sound(tmp_path / "a.wav", samples, RATE), format="opus")
    found = decode_file(save_mp3(job))
    assert found.samples.shape == samples.shape
    assert count < RATE or lag(found.samples, samples) == 0
    assert job.length == pytest.approx(count / RATE, abs=1e-9)
    assert job.audio is not None
    assert (job.audio.codec, job.audio.sample_rate, job.audio.channels) == ("opus", RATE, channels)


@pytest.mark.media
@pytest.mark.parametrize("rate", [44100, 96000])
def test_another_rate_becomes_48_khz_in_opus(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, rate: int
) -> None:
    file = write_sound(tmp_path / "a.wav", hiss(1, rate)[:-7], rate)
    found = decode_file(save_mp3(convert_file(file, format="opus")))
    assert found.rate == RATE
    assert len(found.samples) == pytest.approx((rate - 7) * RATE / rate, abs=1)
    ideal = write_sound(tmp_path / "b.wav", hiss(1, rate)[:-7], rate, "-ar", str(RATE))
    assert lag(found.samples, decode_file(ideal).samples) == 0


@pytest.mark.parametrize(
    ("requested", "channels", "expected"), [(None, 1, 64), (None, 2, 128), (16, 2, 16), (256, 1, 256)]
)
def test_the_bit_rate_of_opus_depends_on_the_channels(requested: int | None, channels: int, expected: int) -> None:
    assert OPUS.bitrate(AudioOptions(format="opus", bitrate=requested), Sound(RATE, channels)) == expected


@pytest.mark.media
def test_surround_sound_becomes_stereo_in_opus(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    file = write_sound(tmp_path / "a.wav", hiss(1, RATE, 6), RATE, layout="5.1(side)")
    job = convert_file(file, format="opus")
    assert (job.state, job.error) == (State.READY, None)
    assert decode_file(save_mp3(job)).samples.shape == (RATE, 2)


@pytest.mark.media
@pytest.mark.parametrize(("count", "rate", "depth"), [(1, 44100, "s16"), (50_000, 192_000, "s32")])
def test_a_flac_declares_its_samples_and_their_checksum(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path, count: int, rate: int, depth: str
) -> None:
    samples = hiss(2, rate, 2)[:count]
    file = save_mp3(
        convert_file(write_sound(tmp_path / "a.wav", samples, rate, "-c:a", f"pcm_{depth}le"), format="flac")
    )
    info = FLAC(file).info
    assert (info.total_samples, info.sample_rate, info.channels) == (count, rate, 2)
    assert info.bits_per_sample == int(depth[1:])
    assert (info.min_blocksize, info.max_blocksize) == (4096, 4096)
    assert info.md5_signature == int.from_bytes(hashlib.md5(_decode(file, f"{depth}le")).digest())


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same sound in every container that Opus, FLAC and Vorbis are copied from."""
    folder = tmp_path_factory.mktemp("copied")
    wav = write_sound(folder / "a.wav", hiss(2, RATE, 2)[:SAMPLES], RATE)
    for encoder, containers in COPIED.values():
        for container in containers:
            ffmpeg(folder / f"{encoder}.{container}", "-i", str(wav), "-c:a", encoder, *MUXER.get(container, ()))
    return folder


@pytest.mark.media
@pytest.mark.parametrize("audio_format", COPIED)
def test_a_copy_has_the_samples_of_its_source(
    convert_file: Convert, save_mp3: SaveMp3, copied: Path, audio_format: str
) -> None:
    encoder, containers = COPIED[audio_format]
    for container in containers:
        source = copied / f"{encoder}.{container}"
        job = convert_file(source, format=audio_format)
        assert (job.state, job.error, job.audio and job.audio.copied) == (State.READY, None, True), container
        # FFmpeg does not discard the padding of Opus in MP4, which the file declares.
        assert _decode(save_mp3(job)) == _decode(source)[: SAMPLES * 4], container
        assert job.length == SAMPLES / RATE
        if encoder == "flac":
            info = FLAC(save_mp3(job)).info
            assert (info.total_samples, info.length) == (SAMPLES, SAMPLES / RATE)


@pytest.mark.media
def test_a_part_of_opus_is_copied_to_the_sample(convert_file: Convert, save_mp3: SaveMp3, copied: Path) -> None:
    source = copied / "libopus.webm"
    job = convert_file(source, format="opus", copy="always", start="0.301", end="1.1")
    assert (job.state, job.error) == (State.READY, None)
    found, expected = decode_file(save_mp3(job)).samples, decode_file(source).samples[14_448:52_800]
    assert_same_sound(found, expected)
    assert np.abs(found - expected).max() < 1e-2  # the decoder begins anew 200 ms before


@pytest.mark.media
def test_a_part_of_flac_consists_of_whole_frames_numbered_from_0(
    convert_file: Convert, save_mp3: SaveMp3, copied: Path
) -> None:
    job = convert_file(copied / "flac.mka", format="flac", copy="always", start="0.5", end="1.1")
    file = save_mp3(job)
    first, last = 5 * 4096, 13 * 4096
    assert FLAC(file).info.total_samples == last - first
    assert FLAC(file).info.md5_signature == 0
    with file.open("rb") as stream:
        read_metadata(stream)
        assert FrameHeader.read(stream.read(16)).number == 0
    assert _decode(file) == _decode(copied / "flac.mka")[first * 4 : last * 4]


@pytest.mark.media
def test_flac_without_a_length_gets_it_when_copied(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    command = [binary(), "-v", "error", *SINE, "-c:a", "flac", "-f", "flac", "-"]
    source = tmp_path / "a.flac"
    source.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    assert FLAC(source).info.total_samples == 0
    job = convert_file(source, format="flac")
    assert job.audio is not None
    assert job.audio.copied
    assert FLAC(save_mp3(job)).info.total_samples == 3 * 44100 == (job.length or 0) * 44100


@pytest.mark.media
def test_vorbis_on_one_page_keeps_its_beginning(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    source = write_sound(tmp_path / "a.webm", hiss(1, RATE)[: RATE // 2], RATE, "-c:a", "libvorbis")
    job = convert_file(source, format="original")
    assert _decode(save_mp3(job)) == _decode(source)
    assert job.length == 0.5
    short = write_sound(tmp_path / "a.ogg", hiss(1, RATE)[:1600], RATE, "-c:a", "libvorbis")
    job = convert_file(short, format="original")
    assert len(_decode(save_mp3(job))) == 1600 * 2  # FFmpeg plays 64 more of the source
    assert job.length == 1600 / RATE


@pytest.mark.media
def test_opus_without_a_declared_delay_skips_its_own(convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path) -> None:
    source = write_sound(tmp_path / "a.flv", hiss(1, RATE), RATE, "-c:a", "libopus")
    assert _decode(save_mp3(convert_file(source, format="original"))) == _decode(source)


@pytest.mark.media
def test_what_no_single_stream_can_hold_is_not_copied(convert_file: Convert, tmp_path: Path) -> None:
    first = write_sound(tmp_path / "a.ogg", hiss(1, RATE), RATE, "-c:a", "libvorbis")
    (tmp_path / "twice.ogg").write_bytes(first.read_bytes() * 2)
    without_description = write_sound(tmp_path / "a.caf", hiss(1, RATE), RATE, "-c:a", "flac")
    for source in (tmp_path / "twice.ogg", without_description):
        job = convert_file(source, format="original")
        assert (job.state, job.error_code) == (State.FAILED, "cannot_copy")
    assert convert_file(without_description, format="flac").state == State.READY


@pytest.mark.media
def test_opus_has_all_sound_of_a_track_that_changes_its_rate(
    convert_file: Convert, save_mp3: SaveMp3, tmp_path: Path
) -> None:
    parts = [write_sound(tmp_path / f"{rate}.aac", hiss(1, rate), rate) for rate in (RATE, 22050)]
    (tmp_path / "a.aac").write_bytes(b"".join(part.read_bytes() for part in parts))
    job = convert_file(tmp_path / "a.aac", format="opus")
    assert job.length == pytest.approx(2, abs=0.2)
    assert len(decode_file(save_mp3(job)).samples) == round((job.length or 0) * RATE)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"", 0),
        (b"\x00", 480),  # SILK, 10 ms, one frame
        (b"\x19", 5760),  # SILK, 60 ms, two frames
        (b"\x68", 960),  # hybrid, 20 ms
        (b"\x80", 120),  # CELT, 2.5 ms
        (b"\xfb\x83", 2880),  # CELT, 20 ms, three frames of variable size with padding
        (b"\xfb", 0),
    ],
)
def test_the_length_of_an_opus_packet_is_in_its_first_bytes(packet: bytes, samples: int) -> None:
    assert count_samples(packet) == samples


@pytest.mark.parametrize("number", [0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 2**26, 2**31 - 1, 2**31, 2**36 - 1])
def test_the_number_of_a_flac_frame_can_be_changed(number: int) -> None:
    frame = bytes.fromhex("fff8c978000000") + b"sound"  # block size 4096, frame 0, without the right checksums
    with pytest.raises(NotFlac):
        FrameHeader.read(frame)
    original = FrameHeader(0, 4096, is_variable=False, kind=(9, 8), number_end=5, size=6)
    changed = original.renumber(frame, number)
    found = FrameHeader.read(changed)
    assert (found.number, found.samples, found.is_variable) == (number, 4096, False)
    assert FrameHeader.read(found.renumber(changed, 0)).number == 0


def test_a_flac_of_more_samples_than_its_header_can_declare_is_not_copied() -> None:
    info = StreamInfo(bytes(34))
    assert info.with_samples(2**36 - 1).samples == 2**36 - 1
    with pytest.raises(NotCopied):
        info.with_samples(2**36)


@pytest.mark.parametrize("beginning", [b"", b"fLaC", b"fLaC\0\0\0\x22" + bytes(34), b"OggS" + b"\xff" * 60])
def test_a_file_without_a_description_of_flac_is_recognized(beginning: bytes) -> None:
    with pytest.raises(NotFlac):
        StreamInfo.of(beginning)


@pytest.mark.parametrize("setup", [b"", b"\x05vorbis", b"\x05vorbis" + bytes(400), b"\x05vorbis" + b"\xff" * 400])
def test_headers_that_are_not_of_vorbis_are_recognized(setup: bytes) -> None:
    with pytest.raises(NotVorbis):
        read_modes(setup)
    with pytest.raises(NotVorbis):
        Blocks(b"\x01vorbis", setup)
