"""The undocumented parts of gunicorn that the worker overrides or uses, which a new release may change."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gunicorn.http.message
import gunicorn.http.wsgi
import pytest
from gunicorn.config import Config
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.parser import Parser, RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import PollableMethodQueue, TConn, ThreadWorker

from soundlift.common.web.connection import Connection
from soundlift.common.web.minimum_rate import MinimumRateUnreader
from soundlift.common.web.request import Request
from soundlift.common.web.worker import Worker

ROOT = Path(__file__).parents[2]
OVERRIDDEN = [
    (Worker, ThreadWorker, ["set_accept_enabled", "accept", "enqueue_req", "murder_pending", "handle_request"]),
    (Worker, ThreadWorker, ["handle_error"]),
    (Connection, TConn, ["init", "close"]),
    (Request, gunicorn.http.message.Request, ["parse_request_line", "set_body_reader", "should_close"]),
    (MinimumRateUnreader, SocketUnreader, ["chunk"]),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "name"), [(ours, theirs, name) for ours, theirs, names in OVERRIDDEN for name in names]
)
def test_an_overridden_method_has_the_parameters_of_gunicorn_s(ours: type, theirs: type, name: str) -> None:
    assert name in vars(ours)
    assert get_parameters(ours, name) == get_parameters(theirs, name)


def test_every_overridden_method_is_listed() -> None:
    listed = {(ours, name) for ours, _, names in OVERRIDDEN for name in names}
    for ours, theirs, _ in OVERRIDDEN:
        overridden = {name for name in vars(ours) if not name.startswith("__") and hasattr(theirs, name)}
        assert {(ours, name) for name in overridden} <= listed


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (ThreadWorker.__init__, ["nr_conns", "poller", "method_queue", "tpool", "worker_connections"]),
        (TConn.__init__, ["sock", "client", "timeout", "parser", "data_ready"]),
        (gunicorn.http.message.Message.__init__, ["body", "version", "unreader", "_expected_100_continue"]),
        (Body.__init__, ["reader", "failed"]),
        (LengthReader.__init__, ["length"]),
        (ChunkedReader.__init__, ["parser"]),
        (Parser.__next__, ["mesg_class"]),
        (SocketUnreader.__init__, ["sock"]),
        (ThreadWorker.run, ["murder_pending", "set_accept_enabled"]),
        (ThreadWorker.murder_keepalived, ["keepalived_conns"]),
        (ThreadWorker.finish_request, ["nr_conns", "close"]),
    ],
)
def test_gunicorn_has_the_attributes_that_the_worker_uses(method: Any, names: list[str]) -> None:
    assert set(names) <= set(method.__code__.co_names)


def test_gunicorn_has_the_methods_that_the_worker_calls() -> None:
    assert list(inspect.signature(RequestParser.finish_body).parameters)[:2] == ["self", "deadline"]
    for method in (SocketUnreader.take_buffered, SocketUnreader.unread, PollableMethodQueue.defer):
        assert callable(method)
    assert Config().forwarded_allow_networks()


@pytest.mark.parametrize("file", [*ROOT.glob("functions/*/requirements.txt"), ROOT / "pyproject.toml"], ids=str)
def test_gunicorn_is_pinned_to_the_tested_minor_release(file: Path) -> None:
    major, minor, *_ = (int(part) for part in version("gunicorn").split("."))
    pins = re.findall(r"gunicorn>=[^\s\"]+", file.read_text())
    assert pins == [f"gunicorn>={major}.{minor},<{major}.{minor + 1}"]


def get_parameters(kind: type, name: str) -> list[str]:
    return list(inspect.signature(getattr(kind, name)).parameters)
