"""Python client of the HTTP API of any Soundlift deployment."""

from __future__ import annotations

from soundlift.client.client import Client
from soundlift.client.errors import ApiError, ClientError, ConnectionFailed
from soundlift.client.job import Job, Notification
from soundlift.client.transfers import Progress

__all__ = ["ApiError", "Client", "ClientError", "ConnectionFailed", "Job", "Notification", "Progress"]
