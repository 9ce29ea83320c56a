"""The listing of a track's packets by FFmpeg, which is read while FFmpeg still runs."""

from __future__ import annotations

from functools import partial

from ..plan.plan import UNKNOWN_RATE
from ..probe.audio_track import AudioTrack
from ..probe.packets import Packets, packet_list_args, read_packets
from .output_pipe import OutputPipe


def packet_listing(track: AudioTrack) -> OutputPipe[Packets]:
    """Return a pipe that reads the packets of a track, with the arguments of `listing_args`."""
    return OutputPipe(partial(read_packets, codec=track.codec, rate=track.rate or UNKNOWN_RATE))


def listing_args(listing: OutputPipe[Packets]) -> list[str]:
    """Return the arguments that make FFmpeg list packets."""
    return packet_list_args(listing.url)
