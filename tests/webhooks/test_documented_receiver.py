"""The receiver in docs/webhooks.md accepts what webhook sends, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Thread

import pytest
import urllib3
from werkzeug.serving import make_server

from soundlift.common.services import Services
from tests.factories.jobs import ready_job
from tests.factories.webhooks import endpoint, only_delivery
from tests.webhooks.conftest import Webhook

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"


def test_the_receiver_of_the_documentation_verifies_a_real_delivery(
    webhook: Webhook, services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len([line for line in program.splitlines() if line]) == 10
    names: dict[str, object] = {"__name__": "receiver"}
    exec(compile(program, "docs/webhooks.md", "exec"), names)
    server = make_server("127.0.0.1", 0, names["app"])  # type: ignore[arg-type] - the program defines a Flask app
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/soundlift"
        added = endpoint(services, url)
        monkeypatch.setenv("WEBHOOK_SECRET", added.secret)
        job = ready_job(services)
        assert webhook(job).status_code == 204
        assert only_delivery(services, added).status == "delivered"
        assert f"job.ready {job.id}" in capsys.readouterr().out
        signature = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1"}
        assert urllib3.request("POST", url, body=b"{}", headers=signature).status == 400
        assert urllib3.request("POST", url, body=b"{}").status == 400
    finally:
        server.shutdown()
        thread.join()
