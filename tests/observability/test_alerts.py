"""Each alert is valid, fires when it should and only then, and has a section about what to do."""

from __future__ import annotations

import re

import pytest
import yaml

from devservers.prometheus import promtool
from tests.factories.manifests import ROOT
from tests.observability.expressions import ALERTS, FOLDER

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

CASES = yaml.safe_load((FOLDER / "alerts-test.yaml").read_text())["tests"]
NAMES = [alert["alert"] for alert in ALERTS]
RUNBOOK = "docs/alerts.md"


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", str(FOLDER / "alerts.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


def test_each_alert_fires_in_its_case_and_not_in_the_others() -> None:
    tested = promtool("test", "rules", "alerts-test.yaml", folder=FOLDER)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_has_cases_in_which_it_fires_and_in_which_it_does_not(name: str) -> None:
    expected = [case["promql_expr_test"][0] for case in CASES if case["name"].startswith(f"{name}: ")]
    assert all(f'alertname="{name}"' in one["expr"] for one in expected)
    assert {bool(one["exp_samples"]) for one in expected} == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_names_its_severity_and_a_section_that_says_what_to_do(alert: dict[str, dict[str, str]]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert (page, anchor) == (RUNBOOK, str(alert["alert"]).lower())
    sections = re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)
    (section,) = [one for one in sections if one.startswith(f"{alert['alert']}\n")]
    assert "```" in section, "the section has no command"


def test_the_page_has_no_section_about_an_alert_that_does_not_exist() -> None:
    assert re.findall(r"^## (Soundlift\w+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE) == NAMES
