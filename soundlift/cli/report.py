"""The printed results of several files."""

from __future__ import annotations

import sys

from soundlift.cli.display import Display
from soundlift.cli.messages import Messages
from soundlift.cli.outcome import Outcome, json_line


class Report:
    """The printed results: a line or a JSON object for each file, or a row of a table on a terminal."""

    def __init__(self, display: Display, messages: Messages, *, as_json: bool, quiet: bool, to_stdout: bool) -> None:
        self._display = display
        self._messages = messages
        self._as_json = as_json
        self._quiet = quiet
        self._err = to_stdout  # standard output carries the audio

    def show(self, outcome: Outcome, *, several: bool) -> None:
        """Print the result of one file."""
        if self._as_json:
            self._display.print(json_line(outcome.document), err=self._err)
        elif outcome.error:
            self._messages.error(outcome.line if several else f"soundlift: {outcome.reason}")
        elif not self._quiet:
            is_row = several and sys.stdout.isatty()
            self._display.print(outcome.row if is_row else outcome.line, err=self._err)
        if outcome.warning and not self._as_json:
            self._messages.error(f"{outcome.item.source.shown}: {outcome.warning}" if several else outcome.warning)
