"""A program that limits and confines its process, and then executes another program in it.

Python's preexec_fn could do the same, but may deadlock in a process with threads
(https://docs.python.org/3/library/subprocess.html). The process is a fork of the fork server, or a Python of its own
where the system does not let the server fork. It imports little, because `typing`, `signal`, `pathlib` and `glob` would
take 2 to 6 ms each.
"""

from __future__ import annotations

import os
import resource
import sys

from soundlift.common.process.sandbox.kernel import default_signals, give_up_privileges
from soundlift.common.process.sandbox.landlock import CREATE, READ, RUN, restrict
from soundlift.common.process.sandbox.seccomp import install_filter

TYPE_CHECKING = False  # `typing` and `collections` are not imported
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT, SERVER, COMMAND = "limit", "server", "command"
RIGHTS = {"read": READ, "run": RUN, "create": CREATE}
CANNOT_START = 126  # the exit status, as that of a shell
IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE and SIGXFSZ; a program that is executed inherits that


def main() -> None:
    """Execute the program at the end of this program's arguments."""
    launch(sys.argv[1:], os.environ)


def launch(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Execute the program at the end of the arguments; exit with CANNOT_START if that fails.

    Pairs of a word and a value precede it: a `limit` NUMBER:SOFT:HARD; a path that the program may `read`, `run`, or
    `create` files in; the descriptor of a socket that receives the calls of socket(2), for a program that may use a
    `server`; and `command` with an empty value. A program without paths is limited, but not confined.
    """
    try:
        limits: list[str] = []
        rights: list[tuple[str, int]] = []
        control = None
        words = iter(arguments)
        for word, value in zip(words, words, strict=False):
            if word == COMMAND:
                break
            if word == LIMIT:
                limits.append(value)
            elif word == SERVER:
                control = int(value)
            else:
                rights.append((value, RIGHTS[word]))
        command = list(words)
        default_signals(IGNORED_BY_PYTHON)
        if rights:
            _confine(rights, control)
        for limit in limits:
            number, soft, hard = map(int, limit.split(":"))
            resource.setrlimit(number, (soft, hard))
        os.execve(command[0], command, environment)  # noqa: S606 - no shell
    except Exception as error:  # any error, since the program must not run without its limits
        sys.stderr.write(f"The program cannot be started with its limits: {error}\n")
        sys.exit(CANNOT_START)


def _confine(rights: Sequence[tuple[str, int]], control: int | None) -> None:
    if control is None:
        give_up_privileges()
        restrict(rights)
        install_filter(has_server=False)
        return
    import socket  # before it cannot be read anymore

    with socket.socket(fileno=control) as connection:
        give_up_privileges()
        restrict(rights)
        listener = install_filter(has_server=True)
        assert listener is not None
        socket.send_fds(connection, [b"\0"], [listener])
