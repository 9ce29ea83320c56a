"""nginx with a given configuration of its http block."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from devservers.server import NotInstalled, Server

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
CONFIGURATION = """{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{http}
}}
"""


def nginx(folder: Path, http: str, answers: Callable[[], object]) -> Server:
    """Return an nginx that is not started yet; all its files are in a new folder. Raises NotInstalled."""
    program = shutil.which("nginx", path=SEARCH_PATH)
    if program is None:
        raise NotInstalled("nginx", "on Debian and Ubuntu, apt-get install nginx-light")
    folder.mkdir()
    file = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(CONFIGURATION.format(user=user, folder=folder, http=http))
    arguments = [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "nginx.log")]
    return Server(arguments, log=folder / "out.log", answers=answers)
