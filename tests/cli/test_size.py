"""`soundlift size` computes what a number of videos needs, from measured figures, and which settings to change."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from soundlift.cli.size import size
from soundlift.cli.sizing import figures
from soundlift.cli.sizing.waiting import mean_waiting
from soundlift.common.audio.output_formats import REQUESTABLE

ROOT = Path(__file__).parents[2]
COLUMNS = 60
DEPLOYED = (
    *("stack.yml", "deploy/knative/functions.yaml", "deploy/knative/events.yaml", "deploy/connector/connector.yaml"),
    *("docs/settings.md", "docs/mysql.md"),
)


def _shown(*arguments: str) -> str:
    result = CliRunner().invoke(size, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def _document(videos: int, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_shown("--videos-per-day", str(videos), "--json", *arguments))
    return document


def _settings(document: dict[str, Any]) -> dict[str, str]:
    return {
        change["name"]: change["value"] for change in document["settings"] if not change["where"].startswith("upload")
    }


@pytest.mark.parametrize("videos", [1, 10, 1000, 100_000, 10**8])
def test_the_table_is_no_wider_than_60_columns(videos: int) -> None:
    table = _shown("--videos-per-day", str(videos), "--megabytes-per-video", "5000", "--peak-factor", "1000")
    assert max(map(len, table.splitlines())) <= COLUMNS
    assert "MAX_UPLOAD_BYTES = 5000000000" in table


def test_small_numbers_have_a_unit_or_a_bound_that_makes_them_readable() -> None:
    table = _shown("--videos-per-day", "10")
    assert "1.25 an hour" in table
    assert "e-" not in table
    assert "< 0.001" in table


def test_the_defaults_are_enough_for_a_thousand_videos_a_day() -> None:
    assert _document(1000)["settings"] == []
    assert "The defaults are enough." in _shown("--videos-per-day", "1000")


def test_as_many_events_are_delivered_at_a_time_as_there_are_slots() -> None:
    document = _document(1_000_000)
    needs, settings = document["needs"], _settings(document)
    assert needs["slots"] * 0.7 >= needs["peak_per_second"] * needs["conversion_seconds"] > (needs["slots"] - 1) * 0.7
    assert settings["com.openfaas.scale.max"] == settings["autoscaling.knative.dev/max-scale"] == str(needs["pods"])
    assert settings["rabbitmq.eventing.knative.dev/parallelism"] == str(needs["deliveries"]) == str(2 * needs["pods"])
    delivered = int(settings["replicas"]) * int(settings["CONNECTOR_CONCURRENCY"])
    assert needs["deliveries"] <= delivered < needs["deliveries"] + int(settings["replicas"])


def test_more_pods_than_the_community_edition_runs_are_pointed_out() -> None:
    assert _document(1000)["warnings"] == []
    (warning,) = _document(1_000_000)["warnings"]
    assert "OpenFaaS's Community Edition runs at most 5 pods" in warning


def test_only_the_function_that_needs_more_pods_is_named() -> None:
    (uploads,) = _document(20_000, "--minutes-per-video", "1", "--megabytes-per-video", "2000")["warnings"]
    assert "uploads arrive" in uploads
    assert "convert" not in uploads


def test_the_memory_of_convert_grows_with_its_slots() -> None:
    few, many = (_document(1000, "--slots-per-pod", slots) for slots in ("2", "32"))
    connectors = many["needs"]["connectors"] - few["needs"]["connectors"]
    assert many["needs"]["memory_bytes"] - few["needs"]["memory_bytes"] == (15 * 640 + connectors * 64) * 2**20
    assert _settings(many)["requests: memory"] == f"{16 * 640}Mi"
    assert _settings(many)["limits: memory"] == f"{32 * 1024 + 256}Mi"


def test_a_conversion_that_takes_more_than_half_of_its_time_is_pointed_out() -> None:
    (warning,) = _document(10, "--minutes-per-video", "1400")["warnings"]
    assert "MAX_CONVERSION_SECONDS" in warning


def test_each_figure_grows_with_the_videos() -> None:
    few, many = _document(1000)["needs"], _document(10_000)["needs"]
    for name in ("cores", "stored_bytes", "rows", "database_bytes", "transactions", "network_bits", "uploads"):
        assert many[name] == pytest.approx(10 * few[name]), name


def test_retention_decides_what_is_stored() -> None:
    kept, deleted = (_document(100, "--retention-days", days)["needs"] for days in ("10", "1"))
    assert kept["stored_bytes"] == pytest.approx(10 * deleted["stored_bytes"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--videos-per-day", "0"],
        ["--videos-per-day", "1000000000"],
        ["--videos-per-day", "10", "--minutes-per-video", "nan"],
        ["--videos-per-day", "10", "--megabytes-per-video", "inf"],
        ["--videos-per-day", "10", "--peak-factor", "0.5"],
        ["--videos-per-day", "10", "--retention-days", "-1"],
        ["--videos-per-day", "10", "--format", "midi"],
        [],
    ],
)
def test_values_without_a_meaning_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(size, arguments)
    assert result.exit_code == 2, result.output


def test_every_setting_exists_where_it_is_said_to_be_set() -> None:
    deployed = "".join((ROOT / name).read_text() for name in DEPLOYED)
    document = _document(10**7, "--slots-per-pod", "4", "--retention-days", "1", "--megabytes-per-video", "9000")
    names = {change["name"] for change in document["settings"]}
    assert len(names) >= 8
    assert {name for name in names if name.rpartition(" ")[2] not in deployed} == set()


def test_there_are_figures_for_every_format() -> None:
    assert set(figures.CONVERT_SECONDS_PER_MINUTE) == set(figures.AUDIO_BYTES_PER_MINUTE) == set(REQUESTABLE)


def test_every_command_that_measures_a_figure_exists() -> None:
    source = Path(figures.__file__).read_text()
    assert "python -m bench.costs" in source
    assert (ROOT / "bench" / "costs.py").is_file()
    assert '"upload-raw"' in (ROOT / "bench" / "rows" / "transfers.py").read_text()


def test_the_mean_number_of_waiting_videos_is_that_of_a_simulated_queue() -> None:
    chance, slots, offered, videos = random.Random(3), 4, 3.2, 40_000
    free, moment, waited = [0.0] * slots, 0.0, 0.0
    for _ in range(videos):
        moment += chance.expovariate(offered)
        began = max(moment, min(free))
        free[free.index(min(free))] = began + chance.expovariate(1)
        waited += began - moment
    assert waited / moment == pytest.approx(mean_waiting(offered, slots), rel=0.15)
