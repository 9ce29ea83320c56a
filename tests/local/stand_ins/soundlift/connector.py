"""Stands in for the connector."""

from __future__ import annotations

import signal

from stand_in import StandIn

StandIn("connector")
while True:
    signal.pause()
