"""What panels of the dashboard show when some series do not exist, or when others than Soundlift are scraped, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from devservers.prometheus import promtool
from tests.observability.expressions import INTERVAL, PANELS

FUNCTION, OTHER = 'job="pods",instance="a:9464"', 'job="node",instance="b:9100"'
Series = dict[str, str]


@pytest.mark.parametrize(
    ("title", "series", "shown"),
    [
        ("Dead letters, 24 h", {"soundlift_dead_letters_total": "0x5 2x10"}, [("{}", 2)]),
        ("Dead letters, 24 h", {'soundlift_deliveries_total{outcome="dead_lettered"}': "0x5 3x10"}, [("{}", 3)]),
        (
            "Responses with a status of 500 or more",
            {'soundlift_requests_total{function="jobs",status="200"}': "0+10x20"},
            [('{function="jobs"}', 0)],
        ),
        (
            "Memory",
            {
                f"soundlift_heartbeat_failures_total{{{FUNCTION}}}": "0x20",
                f"process_resident_memory_bytes{{{FUNCTION}}}": "9x20",
                f"process_resident_memory_bytes{{{OTHER}}}": "5x20",
            },
            [(f"process_resident_memory_bytes{{{FUNCTION}}}", 9)],
        ),
        (
            "Processor time",
            {
                f'soundlift_service_up{{service="broker",{FUNCTION}}}': "1x20",
                f"process_cpu_seconds_total{{{FUNCTION}}}": "0+60x20",
                f"process_cpu_seconds_total{{{OTHER}}}": "0+30x20",
            },
            [(f"{{{FUNCTION}}}", 1)],
        ),
    ],
    ids=["no connector", "no Knative", "no error", "memory of others", "processor time of others"],
)
def test_a_panel_shows_a_figure_of_soundlift(
    tmp_path: Path, title: str, series: Series, shown: list[tuple[str, float]]
) -> None:
    (panel,) = [one for one in PANELS if one["title"] == title]
    case: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": panel["targets"][0]["expr"].replace(INTERVAL, "5m").replace("24h", "14m"),
                "eval_time": "14m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in shown],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump({"tests": [case]}))
    tested = promtool("test", "rules", "test.yaml", folder=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
