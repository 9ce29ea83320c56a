"""The files that a process may open, enforced by Landlock (https://docs.kernel.org/userspace-api/landlock.html).

A process with such rules can also not trace processes without them, and from the version that each needs it can not
open TCP connections (4) and not signal other processes or reach their abstract sockets (6). It keeps the files that are
open already.
"""

from __future__ import annotations

import os
import struct

from soundlift.common.process.sandbox.kernel import (
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    call,
    landlock_version,
)

TYPE_CHECKING = False  # `typing` and `collections` are not imported
if TYPE_CHECKING:
    from collections.abc import Iterable

EXECUTE, WRITE_FILE, READ_FILE, READ_DIRECTORY, MAKE_REGULAR, TRUNCATE = (1 << bit for bit in (0, 1, 2, 3, 8, 14))
# Rights of each version on files and directories: 13, then REFER (2), TRUNCATE (3) and IOCTL_DEV (5).
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
BIND_AND_CONNECT = {4: 0b11}
ABSTRACT_SOCKETS_AND_SIGNALS = {6: 0b11}
PATH_BENEATH = 1
READ = READ_FILE
RUN = READ_FILE | EXECUTE
CREATE = READ_FILE | READ_DIRECTORY | WRITE_FILE | MAKE_REGULAR | TRUNCATE


def restrict(rights_by_path: Iterable[tuple[str, int]]) -> None:
    """Limit this process to the given rights on files and folders; raises OSError.

    Rights that the kernel's version does not know are left out.
    """
    version = landlock_version()
    kinds = (FILE_RIGHTS, BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS)
    handled = [max((rights for since, rights in kind.items() if since <= version), default=0) for kind in kinds]
    attributes = struct.pack("=3Q", *handled)[: _attribute_bytes(version)]
    rules = call(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    for path, rights in rights_by_path:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        call(LANDLOCK_ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", rights & handled[0], file), 0)
        os.close(file)
    call(LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _attribute_bytes(version: int) -> int:
    """Return the size of the structure landlock_ruleset_attr in a version, in bytes."""
    return 8 if version < min(BIND_AND_CONNECT) else 16 if version < min(ABSTRACT_SOCKETS_AND_SIGNALS) else 24
