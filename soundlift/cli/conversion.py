"""The conversion of one file: upload, conversion and download."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from shutil import copyfileobj
from typing import BinaryIO, cast

from soundlift.cli.display import Display
from soundlift.cli.layout import about
from soundlift.cli.messages import Messages
from soundlift.cli.outcome import Outcome, shown_target
from soundlift.cli.outputs import Item
from soundlift.cli.steps import Steps
from soundlift.client import Client, ClientError, Job, NotConverted
from soundlift.common.printable import escaped
from soundlift.common.sizes import size_text

STANDARD_INPUT_NAME = "standard-input"


@dataclass
class Conversion:
    """One file on its way; `job` is known once the upload has been accepted.

    The same command can continue an upload that `is_resumable`.
    """

    item: Item
    client: Client
    display: Display
    messages: Messages
    options: Mapping[str, str]
    replace: bool
    job: Job | None = None
    ended: bool = False
    is_resumable: bool = False

    def run(self) -> Outcome:
        """Convert the file, and return its result; errors are part of it."""
        if self.item.skipped:
            self.ended = True
            return Outcome(item=self.item)
        number = self.display.begin(self.item.source.shown)
        try:
            self._convert(Steps(self.client, self.display, self.messages, number))
            return Outcome(item=self.item, job=self.job)
        except NotConverted as error:
            return Outcome(item=self.item, job=error.job, error=error)
        except (ClientError, OSError) as error:
            return Outcome(item=self.item, job=self.job, error=error)
        finally:
            self.ended = True
            self.messages.ended()
            self.display.end(number)

    def _convert(self, steps: Steps) -> None:
        shown = self.item.source.shown
        self.job = self._upload(steps)
        done = "import requested" if self.item.source.url else "uploaded"
        self.messages.progress(about(shown, f"{done}, job {escaped(self.job.id)}", sys.stderr))
        self.job = steps.wait(self.job)
        self.messages.detail(about(shown, "converted", sys.stderr))
        self.item = self.item.settled(self.job)
        steps.download(self.job, self.item.target, replace=self.replace)
        self.messages.detail(about(shown, f"saved as {shown_target(self.item)}", sys.stderr))

    def _upload(self, steps: Steps) -> Job:
        if self.item.source.url:
            return steps.import_url(self.item.source.url, self.options)
        with ExitStack() as files:
            if self.item.source.path:
                return steps.upload(self.item.source.path, None, self.options, self._resumable)
            return steps.upload(files.enter_context(_spooled_input()), STANDARD_INPUT_NAME, self.options)

    def _resumable(self, done: int, total: int) -> None:
        """Note that the upload can be continued, and say so if it continues that of an earlier command."""
        self.messages.succeeded()
        is_first, self.is_resumable = not self.is_resumable, True
        if done and is_first:
            sizes = f"resuming at {size_text(done)} of {size_text(total)}"
            self.messages.note(about(self.item.source.shown, sizes, sys.stderr))


def _spooled_input() -> BinaryIO:
    """Return standard input as a temporary file, which can be sent again if the connection is lost."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    copyfileobj(sys.stdin.buffer, file)
    file.seek(0)
    return cast(BinaryIO, file)
