"""What the owner of a video can do about a failed conversion."""

from __future__ import annotations

NOT_MEDIA = "not_media"
CHECK_SOUND = "Check that it plays with sound, then upload it again."
CHECK_FILE = "Check that the file plays, then upload it again."
OTHER_FORMAT = "Save the video in another format, such as MP4 with AAC audio, and upload that."
ENCODED = "Upload it again, and ask for a format such as MP3, without a copy of the track."
SHORTER = "Upload a part of it, or choose another start and end."
TRY_AGAIN = "Open it in Soundlift and choose “Try again”; you need not upload it again."
LOST = "We are sorry. The video is not on our server any more, so it cannot be converted without a new upload."
IMPORT_AGAIN = "Check that the link works, then import it again, or upload the file itself."
# By the error codes of convert and fetch, of jobs that were given up, and of jobs whose files were lost.
ADVICE = {
    "no_audio": CHECK_SOUND,
    "empty_audio": CHECK_SOUND,
    NOT_MEDIA: CHECK_FILE,
    "broken": CHECK_FILE,
    "cut_off": "If it was cut off at its source, copy it from there once more.",
    "drm_protected": "Upload a copy without copy protection.",
    "unknown_codec": OTHER_FORMAT,
    "too_complex": OTHER_FORMAT,
    "too_many_channels": OTHER_FORMAT,
    "too_long": SHORTER,
    "too_large": SHORTER,
    "daily_minutes_exceeded": "Open it in Soundlift to try it again, or upload a part of it.",
    "no_container": ENCODED,
    "cannot_copy": ENCODED,
    "nothing_left": "Upload it again with an earlier start.",
    "video_lost": LOST,
    "audio_lost": LOST,
    "import_refused": "Use a link to the public internet, or upload the file itself.",
    "import_failed": IMPORT_AGAIN,
    "import_timeout": IMPORT_AGAIN,
    "import_too_large": "Use a link to a smaller file.",
    "storage_full": "Delete jobs that you do not need any more, then import it again.",
    "no_such_track": "Upload it again with a track that it has, or without choosing one.",
}


def advice(error_code: str | None) -> str:
    """Return a sentence that advises what to do about an error."""
    return ADVICE.get(error_code or "", TRY_AGAIN)
