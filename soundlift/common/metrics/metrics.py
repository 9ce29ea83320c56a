"""The metrics of a process that runs functions, for Prometheus; see docs/metrics.md.

No label names a user or a job. Each label has a small, fixed set of values, whatever clients send.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # every method that is not one of METHODS
NO_CODE = "none"  # the code of an attempt that did not fail

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
UPLOAD_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800, 43200)
UPLOAD_BYTES = tuple(float(2**exponent) for exponent in range(16, 35, 2))
IMPORT_SECONDS = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
CONVERSION_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 3600)
TIMES_REAL_TIME = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


class Metrics:
    """The metrics of a process since its start; thread-safe. Those with labels have no series before an event."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for each one, which nothing here reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._add_requests()
        self._add_jobs()
        self._add_imports()
        self._add_conversions()
        self._add_ports()

    def _add_requests(self) -> None:
        self.requests = self._counter(
            "requests", "Requests by function, method and status.", "function", "method", "status"
        )
        self.request_seconds = self._histogram(
            "request_duration_seconds", "Time from a request's head to the end of its response.", REQUEST_SECONDS,
            "function", "method",
        )  # fmt: skip
        self.problems = self._counter("problems", "Error responses by their problem code.", "function", "code")
        self.last_success = self._gauge(
            "last_success_timestamp_seconds", "Time of the last POST that a function answered with 2xx.", "function"
        )
        self.dead_letters = self._counter("dead_letters", "Events that Knative could not deliver.")

    def _add_jobs(self) -> None:
        self.job_steps = self._counter("job_steps", "Steps of jobs that this process took, by their name.", "step")
        self.upload_bytes = self._histogram("upload_size_bytes", "Size of the accepted uploads.", UPLOAD_BYTES)
        self.upload_seconds = self._histogram(
            "upload_duration_seconds", "Time from the first bytes of an accepted upload to its queued job.",
            UPLOAD_SECONDS,
        )  # fmt: skip
        self.notifications = self._counter(
            "notifications", "Attempts to notify the owner of a job, by channel and outcome.", "channel", "outcome"
        )

    def _add_imports(self) -> None:
        self.imports = self._counter(
            "imports", "Ended attempts to import a video, by outcome and code of the failure.", "outcome", "code"
        )
        self.import_bytes = self._histogram("import_size_bytes", "Size of the imported videos.", UPLOAD_BYTES)
        self.import_seconds = self._histogram(
            "import_duration_seconds", "Time from the claim of an import to its queued job.", IMPORT_SECONDS
        )

    def _add_conversions(self) -> None:
        self.conversions = self._counter(
            "conversions", "Ended attempts to convert a video, by outcome and code of the failure.", "outcome", "code"
        )
        self.conversion_seconds = self._histogram(
            "conversion_duration_seconds", "Time from the claim of a job to its audio file.", CONVERSION_SECONDS,
            "format", "method",
        )  # fmt: skip
        self.audio_seconds = self._counter("audio_seconds", "Length of the converted sound.", "format", "method")
        self.times_real_time = self._histogram(
            "conversion_speed_ratio", "Length of the sound divided by the time of its conversion.", TIMES_REAL_TIME,
            "method",
        )  # fmt: skip
        self.heartbeat_failures = self._counter(
            "heartbeat_failures", "Renewals of a claim that failed because the database was not available."
        )

    def _add_ports(self) -> None:
        self.store_read_bytes = self._counter("store_read_bytes", "Bytes read from the media store.", "bucket")
        self.store_written_bytes = self._counter("store_written_bytes", "Bytes written to the media store.", "bucket")
        self.store_errors = self._counter("store_errors", "Operations that the media store failed.", "bucket")
        self.events = self._counter("events_published", "Published events, by type and outcome.", "type", "outcome")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"soundlift_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"soundlift_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"soundlift_{name}", text, labels, buckets=buckets, registry=self.registry)
