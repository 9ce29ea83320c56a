"""The choice of the audio track to convert."""

from __future__ import annotations

from soundlift.common.options.audio_options import AudioOptions

from ..failures import TOO_MANY_CHANNELS, ConversionFailed, no_such_track
from ..probe.audio_track import AudioTrack
from ..probe.probe import Probe

MAX_LANGUAGES = 30  # in one message


def candidate_tracks(probe: Probe, options: AudioOptions) -> list[AudioTrack]:
    """Return the track to convert, followed by alternatives if the job did not request a track.

    Raises ConversionFailed if there is no such track, or no track can be mixed.
    """
    track = requested_track(probe, options) or probe.preferred_track
    others = [other for other in probe.tracks if other != track and options.track is None]
    found = [one for one in (track, *others) if one.can_be_mixed]
    if not found:
        raise ConversionFailed(TOO_MANY_CHANNELS)
    return found


def requested_track(probe: Probe, options: AudioOptions) -> AudioTrack | None:
    """Return the track that a job requests, or None; raises ConversionFailed if the track does not exist."""
    wanted = options.track
    if wanted is None:
        return None
    if isinstance(wanted, int):
        found = list(probe.tracks[wanted - 1 : wanted])
    else:
        found = [track for track in probe.tracks if track.language and _same_language(track.language, wanted)]
    if not found:
        languages = sorted({track.language for track in probe.tracks if track.language})[:MAX_LANGUAGES]
        raise ConversionFailed(no_such_track(wanted, len(probe.tracks), languages))
    return found[0]


def _same_language(one: str, other: str) -> bool:
    """Return whether two codes mean the same language, in ISO 639-1 or either form of ISO 639-2: de, ger, deu."""
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    try:
        return standardize_tag(one) == standardize_tag(other)
    except LanguageTagError:
        return one == other
