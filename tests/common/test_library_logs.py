"""The logs of libraries, which appear among ours."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
from soundlift.common.logging import set_up_logging

set_up_logging("info")
library = logging.getLogger("library.pool")
{statements}
"""


def logs(*statements: str) -> list[dict[str, object]]:
    """Return the lines that a process logs; pytest has a handler of its own, so the statements need another one."""
    program = PROGRAM.format(statements="\n".join(statements))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize(("method", "level"), [("warning", "warning"), ("error", "error")])
def test_a_warning_or_error_of_a_library_is_one_line_like_ours(method: str, level: str) -> None:
    (line,) = logs(f"library.{method}('Lost %s', 'it')")
    assert (line["event"], line["level"], line["logger"]) == ("Lost it", level, "library.pool")


def test_less_important_messages_of_a_library_are_not_logged() -> None:
    assert logs("library.setLevel('DEBUG')", "library.info('Connected')", "library.debug('Sent')") == []


def test_the_stack_trace_of_a_library_is_not_logged_but_its_error_is() -> None:
    (line,) = logs("try:", "    raise OSError(5, 'Lost\\nit')", "except OSError:", "    library.exception('Failed')")
    assert line["event"] == "Failed"
    assert line["cause"] == "OSError: [Errno 5] Lost it"
    assert "Traceback" not in str(line)


def test_a_message_whose_arguments_do_not_fit_is_logged_as_it_is() -> None:
    (line,) = logs("library.error('Lost %d', 'it')")
    assert line["event"] == "Lost %d"
