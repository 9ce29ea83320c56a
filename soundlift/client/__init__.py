"""Python client of the HTTP API of any Soundlift deployment."""

from __future__ import annotations

from soundlift.client.client import Client
from soundlift.client.errors import (
    ApiError,
    BadArgument,
    ClientError,
    ConnectionFailed,
    FileChanged,
    NotConverted,
    NotSupported,
    OtherFormat,
)
from soundlift.client.job import Cut, Job, Link, Notification
from soundlift.client.keys import ApiKey
from soundlift.client.options import Options, Tags
from soundlift.client.transfers import Progress
from soundlift.client.webhooks import Delivery, Webhook

__all__ = [
    "ApiError",
    "ApiKey",
    "BadArgument",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "Cut",
    "Delivery",
    "FileChanged",
    "Job",
    "Link",
    "NotConverted",
    "NotSupported",
    "Notification",
    "Options",
    "OtherFormat",
    "Progress",
    "Tags",
    "Webhook",
]
