"""Failure reasons come from FFmpeg's own messages, never from text that they quote."""

from __future__ import annotations

import pytest

from functions.convert.encode.run_statistics import Decoded
from functions.convert.failures import CUT_OFF, ConversionFailed, check_outcome, find_reason, has_damage
from functions.convert.probe.report import read_report


@pytest.mark.parametrize(
    "message",
    ["[af#0:0 @ 0x1] Task finished with error code: -12 (Cannot allocate memory)",
     "[aist#0:0/flac @ 0x1] [dec:flac @ 0x2] Error submitting packet to decoder: Cannot allocate memory",
     "[dec:flac @ 0x2] Decoding error: Cannot allocate memory",
     "Error opening input files: Cannot allocate memory"],
)  # fmt: skip
def test_too_little_memory_is_a_failure_despite_decoded_sound(message: str) -> None:
    with pytest.raises(ConversionFailed) as failed:
        check_outcome(0, f"{message}\n", decoded=Decoded(1, 0, 1152), output_bytes=1, max_bytes=10**9)
    assert failed.value.reason.code == "too_complex"


@pytest.mark.parametrize(
    "message",
    ["[matroska @ 0x1] Unknown codec: Cannot allocate memory",
     "[matroska @ 0x1] Unknown codec [asf @ 0x1] DRM protected stream detected, decoding will likely fail!",
     "[matroska @ 0x1] Unknown codec No space left on device"],
)  # fmt: skip
def test_a_name_quoted_in_a_message_does_not_fail_decoded_sound(message: str) -> None:
    check_outcome(0, f"{message}\n", decoded=Decoded(1, 0, 1152), output_bytes=1, max_bytes=10**9)


@pytest.mark.parametrize(
    ("message", "code"),
    [("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] moov atom not found", "cut_off"),
     ("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] stream 0, offset 0x2f: partial file", "cut_off"),
     ("[matroska,webm @ 0x1] File ended prematurely", "cut_off"),
     ("[matroska,webm @ 0x1] File ended prematurely at pos. 4711 (0x1267)", "cut_off"),
     ("[in#0 @ 0x1] Error opening input: End of file", "cut_off"),
     ("Error opening input files: End of file", "cut_off"),
     ("[aist#0:0/none @ 0x1] Decoding requested, but no decoder found for: atrac9", "unknown_codec"),
     ("[out#0/mp3 @ 0x1] Error opening output: Decoder not found", "unknown_codec")],
)  # fmt: skip
def test_ffmpegs_messages_are_the_reason_if_nothing_was_decoded(message: str, code: str) -> None:
    reason = find_reason(f"[in#0 @ 0x1] another message\n{message}\n")
    assert reason is not None
    assert reason.code == code


@pytest.mark.parametrize(
    "name",
    ["moov atom not found", "stream 0, offset 0x2f: partial file", "File ended prematurely", "End of file",
     "Decoding requested, but no decoder found for: x", "Unknown decoder", "Decoder x not found",
     "Invalid data found when processing input", "corrupt", "truncated", "Error submitting packet"],
)  # fmt: skip
def test_a_name_quoted_in_a_message_is_neither_a_failure_nor_damage(name: str) -> None:
    message = f"[matroska,webm @ 0x1] Unknown/unsupported AVCodecID {name}.\n[mov @ 0x1] Unknown codec tag: {name}\n"
    assert find_reason(message) is None
    assert not has_damage(message)


@pytest.mark.parametrize(
    "message",
    ["[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] stream 0, offset 0x2f: partial file",
     "[matroska,webm @ 0x1] File ended prematurely",
     "[dec:aac @ 0x2] Error submitting packet to decoder: Invalid data found when processing input",
     "[in#0/flac @ 0x1] Error during demuxing: Invalid data found when processing input",
     "[in#0 @ 0x1] Header processing failed: Invalid data found when processing input",
     "[in#0/mpegts @ 0x1] corrupt input packet in stream 0",
     "[mpegts @ 0x1] Packet corrupt (stream = 0, dts = 126000).",
     "[mpegts @ 0x1] Packet had TEI flag set; marking as corrupt",
     "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1] reached eof, corrupted STSC atom",
     "[asf @ 0x1] File is truncated adjusting duration"],
)  # fmt: skip
def test_messages_about_a_damaged_part_are_recognized(message: str) -> None:
    assert has_damage(f"another message\n{message}\n")


def test_text_quoted_from_a_file_is_not_a_failure_reason() -> None:
    message = "[mov @ 0x1] moov atom not found\n"
    with pytest.raises(ConversionFailed) as failed:
        read_report(message)
    assert failed.value.reason == CUT_OFF
    with pytest.raises(ConversionFailed) as failed:
        read_report("    title           : moov atom not found\n                    : partial file\n")
    assert failed.value.reason.code == "not_media"
