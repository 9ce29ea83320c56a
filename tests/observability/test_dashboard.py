"""The dashboard can be imported into any Grafana: it names no data source, and no id that another one may have."""

from __future__ import annotations

import json
from typing import Any

from tests.observability.expressions import DASHBOARD, PANELS

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_every_panel_and_target_uses_the_data_source_that_is_chosen() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["name"], variable["query"]) == ("datasource", "datasource", "prometheus")
    for panel in PANELS:
        assert panel["datasource"] == SOURCE
        assert all(target["datasource"] == SOURCE for target in panel["targets"])


def test_nothing_has_an_id_and_the_schema_is_recent() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    assert not [path for path in _keys(DASHBOARD) if path in ("id", "iteration")]
    assert '"uid"' not in json.dumps({**DASHBOARD, "panels": []})


def test_every_panel_has_a_title_of_its_own_a_unit_and_a_description() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)


def test_panels_do_not_overlap_and_fill_each_row() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    height = 1 + max(y for _, y in cells)
    assert set(cells) == {(x, y) for x in range(24) for y in range(height)}


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [key for key, inner in value.items() for key in (key, *_keys(inner))]
    return [key for inner in value for key in _keys(inner)] if isinstance(value, list) else []
