"""Counts and times the requests of a function, if the setting METRICS_PORT is set."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from flask import Response, g, request

from soundlift.common.errors import PROBLEM
from soundlift.common.web.request_log import HEALTH

if TYPE_CHECKING:
    from soundlift.common.metrics.metrics import Metrics
    from soundlift.common.web.application import Function


def measure_requests(app: Function) -> None:
    """Make an application measure each request until its response has been sent, except for health checks."""

    def begin() -> None:
        g.measured_since = time.perf_counter()

    def end(response: Response) -> Response:
        if (metrics := app.services.metrics) and not request.path.startswith(HEALTH):
            method = request.method
            measure = partial(_measure, metrics, app.name, method, response.status_code, g.measured_since)
            response.call_on_close(measure)
            if response.content_type == PROBLEM:
                metrics.problems.labels(app.name, response.get_json()["code"]).inc()
        return response

    app.before_request(begin)
    app.after_request(end)


def _measure(metrics: Metrics, function: str, method: str, status: int, since: float) -> None:
    from soundlift.common.metrics.metrics import METHODS, OTHER

    known = method if method in METHODS else OTHER
    metrics.requests.labels(function, known, status).inc()
    metrics.request_seconds.labels(function, known).observe(time.perf_counter() - since)
    if method == "POST" and 200 <= status < 300:
        metrics.last_success.labels(function).set_to_current_time()
