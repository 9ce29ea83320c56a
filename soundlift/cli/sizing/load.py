"""What a deployment has to do: the videos of a day, and how they arrive."""

from __future__ import annotations

from dataclasses import dataclass

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Load:
    """The videos of a day, each of `minutes` and `megabytes` (10**6 bytes), that are converted to `audio_format`.

    At the peak, `peak_factor` times as many arrive as on average. Files are kept for `retention_days`, rows of jobs for
    `row_retention_days` more. A client sends `client_megabits` (10**6 bits) per second; each audio file is fetched
    `downloads` times. The queue must hold the videos of `outage_minutes` at the peak in which none is converted.
    """

    videos_per_day: int
    minutes: float
    megabytes: float
    audio_format: str
    peak_factor: float
    retention_days: float
    row_retention_days: float
    client_megabits: float
    downloads: float
    outage_minutes: float
    slots_per_pod: int

    @property
    def per_second(self) -> float:
        """Return the videos per second on average."""
        return self.videos_per_day / DAY_SECONDS

    @property
    def peak_per_second(self) -> float:
        """Return the videos per second at the peak."""
        return self.per_second * self.peak_factor
