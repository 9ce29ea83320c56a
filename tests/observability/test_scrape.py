"""What Prometheus reads from a running stack is what the dashboard, the alerts and the documentation name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import yaml
from prometheus_client.parser import text_string_to_metric_families

from devservers.ports import free_port
from devservers.prometheus import promtool
from devservers.waiting import wait_for
from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.clips import talking_mp4
from tests.factories.manifests import ROOT
from tests.fixtures.local_stack import starting
from tests.observability.expressions import PANELS, alert_expressions, named_metrics, panel_expressions

pytestmark = pytest.mark.servers
EMAIL, PASSWORD = "ada@example.org", "a password for the tests"
BROKEN = b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + b"no media" * 100
# Histograms, as their names are in an expression.
SUFFIXES = re.compile(r"_(?:bucket|sum|count|total)$")
ROW = re.compile(r"^\| `((?:soundlift|process)_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


@pytest.fixture(scope="module")
def scrapes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Return the metrics of the functions and of the connector after one video was converted, and one was not."""
    ports = [free_port(), free_port()]
    with starting(tmp_path_factory) as start:
        stack = start(METRICS_PORT=str(ports[0]), CONNECTOR_PORT=str(ports[1]))
        services = Services(Settings.from_environment({"SOUNDLIFT_DATA": str(stack.data)}))
        services.users.add(EMAIL, services.passwords.hash_new(PASSWORD))
        _use(stack.url, tmp_path_factory.mktemp("videos"))
        assert stack.cleanup().status == 200
        wait_for(lambda: _delivered(ports[1]) == 2, "both owners are notified")
        yield [_read(port) for port in ports]
        services.database.engine.dispose()


def _use(url: str, folder: Path) -> None:
    client = Client(url, email=EMAIL, password=PASSWORD)
    client.login()
    video, broken = talking_mp4(folder), folder / "broken.mp4"
    broken.write_bytes(BROKEN)
    states = [client.wait(client.upload(file).id).state for file in (video, broken)]
    assert states == ["ready", "failed"]
    assert urllib3.request("GET", f"{url}/jobs").status == 401


def _read(port: int) -> str:
    return urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()


def _delivered(port: int) -> float:
    samples = [one for family in text_string_to_metric_families(_read(port)) for one in family.samples]
    labels = {"queue": "mp3", "function": "notify", "outcome": "delivered"}
    return sum(one.value for one in samples if one.name == "soundlift_deliveries_total" and one.labels == labels)


def _labels(scrapes: list[str]) -> dict[str, set[str]]:
    """Return the labels of each scraped series by its name."""
    found: dict[str, set[str]] = {}
    for scrape in scrapes:
        for family in text_string_to_metric_families(scrape):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, set()) | sample.labels.keys()
    return found


def test_promtool_has_no_objection_to_the_metrics_and_they_name_no_user(scrapes: list[str]) -> None:
    for scrape in scrapes:
        checked = promtool("check", "metrics", stdin=scrape)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        assert EMAIL not in scrape
        assert "talking" not in scrape


def test_the_dashboard_and_the_alerts_name_only_metrics_and_labels_of_the_scrape(
    scrapes: list[str], tmp_path: Path
) -> None:
    scraped = _labels(scrapes)
    expressions = [*panel_expressions(), *alert_expressions()]
    assert len(panel_expressions()) >= len(PANELS)
    for expression in expressions:
        named = named_metrics(expression)
        assert named, expression
        assert named.keys() <= scraped.keys(), expression
        assert set.union(*named.values()) <= set.union(*(scraped[metric] for metric in named)), expression
    rules = [{"record": f"checked:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    checked = promtool("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_documentation_lists_every_scraped_metric_with_its_type_and_labels(scrapes: list[str]) -> None:
    scraped: dict[str, tuple[str, set[str]]] = {}
    for scrape in scrapes:
        for family in text_string_to_metric_families(scrape):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            scraped[name] = (family.type, labels | scraped.get(name, ("", set()))[1])
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall((ROOT / "docs" / "metrics.md").read_text())
    }
    assert documented == scraped
