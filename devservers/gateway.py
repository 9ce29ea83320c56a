"""nginx as the gateway of a deployment that has one or more processes of each function.

One port serves the public functions only, as an ingress does; another, for the connector, serves all functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from string import Template

import urllib3

from devservers.nginx import nginx
from devservers.server import Server

HTTP = Template("""
  client_max_body_size 0;
  proxy_request_buffering off;
  proxy_buffering off;
  proxy_read_timeout 600s;
$upstreams
  server {
    listen 127.0.0.1:$port;
    location = /healthz { return 200; }
$public
  }
  server {
    listen 127.0.0.1:$internal_port;
$all
  }
""")
UPSTREAM = "  upstream {name} {{ {servers} }}"
LOCATION = """
    location ~ ^(/function)?/{name}(/.*)?$ {{
      rewrite ^(/function)?/{name}/?(.*)$ /$2 break;
      proxy_pass http://{name};
    }}"""


def gateway(
    folder: Path, ports: Mapping[str, Sequence[int]], public: Collection[str], *, port: int, internal_port: int
) -> Server:
    """Return an nginx that is not started yet, for functions that may listen on several ports; raises NotInstalled."""
    upstreams = {
        name: " ".join(f"server 127.0.0.1:{number} max_fails=0;" for number in numbers)
        for name, numbers in ports.items()
    }
    http = HTTP.substitute(
        port=port,
        internal_port=internal_port,
        upstreams="\n".join(UPSTREAM.format(name=name, servers=servers) for name, servers in upstreams.items()),
        public="\n".join(LOCATION.format(name=name) for name in public),
        all="\n".join(LOCATION.format(name=name) for name in ports),
    )

    def answers() -> bool:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/healthz", retries=False, timeout=2).status == 200

    return nginx(folder, http, answers)
