"""What a load needs, computed from the measured figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from soundlift.cli.sizing import figures
from soundlift.cli.sizing.load import Load
from soundlift.cli.sizing.waiting import mean_waiting

UTILIZATION = 0.7  # of the slots at the peak; the rest is for videos that arrive at the same time (docs/sizing.md)
REQUESTS_PER_POD = 16  # concurrent, at which the platform starts another pod
DEFAULT_PODS = 5  # at most, of each function, in stack.yml and deploy/knative
CONNECTORS, DELIVERIES_PER_CONNECTOR = 2, 25  # at least two, so that one can be replaced
MEBIBYTE = 2**20
# Of each pod, in MiB, as stack.yml and deploy/connector request it; of all functions but convert and upload, one pod.
UPLOAD_MEMORY, CONNECTOR_MEMORY, OTHERS_MEMORY = 128, 64, 160 + 6 * 128
# Of each slot of convert: half of what a pod with two requests, and of its limit without that of Python, in MiB.
SLOT_MEMORY, SLOT_MEMORY_LIMIT, PYTHON_MEMORY_LIMIT = 320, 1024, 256
OTHER_FUNCTIONS = 7
# Connections to the database: those that a pod keeps (docs/mysql.md), and those of each conversion.
CONNECTIONS_PER_POD, CONNECTIONS_PER_SLOT = 8, 2


@dataclass(frozen=True)
class Estimate:
    """What a load needs; times are in seconds, sizes in bytes, and rates per second and at the peak."""

    load: Load

    @property
    def audio_bytes(self) -> float:
        """Return the size of one audio file."""
        return figures.AUDIO_BYTES_PER_MINUTE[self.load.audio_format] * self.load.minutes

    @property
    def video_bytes(self) -> float:
        """Return the size of one video."""
        return self.load.megabytes * 1e6

    @property
    def conversion_seconds(self) -> float:
        """Return the processor time of a conversion, which takes as long on a slot's core."""
        pictures = figures.CONVERT_SECONDS_PER_MEGABYTE * self.load.megabytes
        sound = figures.CONVERT_SECONDS_PER_MINUTE[self.load.audio_format] * self.load.minutes
        return figures.CONVERT_SECONDS + pictures + sound

    @property
    def other_seconds(self) -> float:
        """Return the processor time of a video in all functions but convert, the connector, and the servers."""
        uploading = figures.UPLOAD_SECONDS + figures.UPLOAD_SECONDS_PER_MEGABYTE * self.load.megabytes
        servers = figures.DATABASE_SECONDS + figures.BROKER_SECONDS
        return uploading + figures.NOTIFY_SECONDS + figures.CONNECTOR_SECONDS + servers

    @property
    def slots(self) -> int:
        """Return how many conversions must be possible at the same time."""
        return max(1, math.ceil(self.load.peak_per_second * self.conversion_seconds / UTILIZATION))

    @property
    def pods(self) -> int:
        """Return the number of pods of convert that the peak needs."""
        return math.ceil(self.slots / self.load.slots_per_pod)

    @property
    def max_pods(self) -> int:
        """Return the maximum number of pods of convert to set: no less than by default."""
        return max(DEFAULT_PODS, self.pods)

    @property
    def deliveries(self) -> int:
        """Return the number of concurrent deliveries: as many as the slots of all pods."""
        return self.max_pods * self.load.slots_per_pod

    @property
    def connectors(self) -> int:
        """Return the number of connectors."""
        return max(CONNECTORS, math.ceil(self.deliveries / DELIVERIES_PER_CONNECTOR))

    @property
    def deliveries_per_connector(self) -> int:
        """Return CONNECTOR_CONCURRENCY."""
        return math.ceil(self.deliveries / self.connectors)

    @property
    def uploads(self) -> float:
        """Return how many uploads are in progress."""
        return self.load.peak_per_second * self.video_bytes * 8 / (self.load.client_megabits * 1e6)

    @property
    def upload_pods(self) -> int:
        """Return the number of pods of upload."""
        return max(1, math.ceil(self.uploads / REQUESTS_PER_POD))

    @property
    def cores(self) -> float:
        """Return the cores that are in use at the peak."""
        return self.load.peak_per_second * (self.conversion_seconds + self.other_seconds)

    @property
    def convert_memory(self) -> int:
        """Return the MiB that a pod of convert requests."""
        return SLOT_MEMORY * self.load.slots_per_pod

    @property
    def convert_memory_limit(self) -> int:
        """Return the MiB that a pod of convert may use."""
        return SLOT_MEMORY_LIMIT * self.load.slots_per_pod + PYTHON_MEMORY_LIMIT

    @property
    def memory_bytes(self) -> int:
        """Return the memory that all pods request."""
        convert, upload = self.pods * self.convert_memory, self.upload_pods * UPLOAD_MEMORY
        return (convert + upload + self.connectors * CONNECTOR_MEMORY + OTHERS_MEMORY) * MEBIBYTE

    @property
    def stored_bytes(self) -> float:
        """Return the size of all files in the media store."""
        return self.load.videos_per_day * self.load.retention_days * (self.video_bytes + self.audio_bytes)

    @property
    def rows(self) -> float:
        """Return the number of jobs in the database."""
        return self.load.videos_per_day * (self.load.retention_days + self.load.row_retention_days)

    @property
    def database_bytes(self) -> float:
        """Return the size of the database."""
        return self.rows * figures.DATABASE_BYTES

    @property
    def database_growth(self) -> float:
        """Return the bytes by which the database grows in a day, until the first rows are deleted."""
        return self.load.videos_per_day * figures.DATABASE_BYTES

    @property
    def transactions(self) -> float:
        """Return the transactions that write: those of a video's steps, and a heartbeat of each conversion."""
        steps = figures.DATABASE_TRANSACTIONS * self.load.peak_per_second
        return steps + self.load.peak_per_second * self.conversion_seconds / figures.HEARTBEAT_SECONDS

    @property
    def connections(self) -> int:
        """Return the connections to the database that all processes keep; some open more for a moment."""
        pods = self.upload_pods + OTHER_FUNCTIONS - 1  # validate and web use no database
        return CONNECTIONS_PER_POD * pods + CONNECTIONS_PER_SLOT * self.deliveries

    @property
    def moved_bytes(self) -> float:
        """Return the bytes of one video and its audio file on the network, between all of its parts."""
        video = 3 * self.video_bytes  # from the client, to the store, and to convert
        return video + self.audio_bytes * (1 + 2 * self.load.downloads)

    @property
    def network_bits(self) -> float:
        """Return the bits per second on the network."""
        return self.load.peak_per_second * self.moved_bytes * 8

    @cached_property
    def waiting_events(self) -> float:
        """Return how many events wait on average at the peak."""
        return mean_waiting(self.load.peak_per_second * self.conversion_seconds, self.pods * self.load.slots_per_pod)

    @property
    def outage_events(self) -> int:
        """Return how many events wait after an outage."""
        return math.ceil(self.load.peak_per_second * self.load.outage_minutes * 60)
