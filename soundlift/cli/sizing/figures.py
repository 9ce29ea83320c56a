"""The measured figures that `soundlift size` uses, each with the command that measures it.

They are from one virtual machine with two cores of an AMD EPYC. Other processors differ: measure them with the same
commands, and multiply.
"""

from __future__ import annotations

# Processor seconds of a conversion: for any video, and for each minute of stereo sound. The sound of the videos is AAC,
# which M4A and the original format copy. What is measured of the pictures is less than 0.0001 for each MB of an MP4.
# python -m bench.costs
CONVERT_SECONDS = 0.08
CONVERT_SECONDS_PER_MINUTE = {"mp3": 0.32, "m4a": 0.02, "opus": 0.41, "flac": 0.12, "wav": 0.06, "original": 0.03}
CONVERT_SECONDS_PER_MEGABYTE = 0.0001
# Bytes of a minute of stereo sound at 44.1 kHz, with the default options: python -m bench.costs
AUDIO_BYTES_PER_MINUTE = {
    "mp3": 0.81e6,
    "m4a": 0.97e6,
    "opus": 0.66e6,
    "flac": 3.79e6,
    "wav": 10.6e6,
    "original": 0.97e6,
}
# Processor seconds of everything else for each video: python -m bench.costs
UPLOAD_SECONDS = 0.019
NOTIFY_SECONDS = 0.013
CONNECTOR_SECONDS = 0.008
DATABASE_SECONDS = 0.013
BROKER_SECONDS = 0.005
# Processor seconds of upload for each MB, of which one core receives 1,294 a second: make bench ONLY=upload-raw
UPLOAD_SECONDS_PER_MEGABYTE = 0.0008
# Of MariaDB, for each video, with its notification and its history: python -m bench.costs
DATABASE_TRANSACTIONS = 7.3
DATABASE_STATEMENTS = 58
DATABASE_BYTES = 2014
# A renewed claim, of each conversion: functions/convert/heartbeat.py
HEARTBEAT_SECONDS = 1.0
