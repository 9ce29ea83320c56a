"""`soundlift doctor` checks the deployment of `soundlift up`, and says how to fix what it lacks."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from devservers.ports import free_port
from devservers.waiting import DEADLINE_SECONDS
from soundlift.cli.doctor.finding import Check, Finding, Status, ok
from soundlift.cli.doctor.run import run_checks
from soundlift.common.db.migrations import newest_revision
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.cli.doctor.conftest import Examine, of, run_doctor
from tests.client.servers import Reply, WrittenAnswers

SEARCH_PATHS = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}

pytestmark = pytest.mark.slow


def test_nothing_is_wrong_with_a_good_deployment(examine: Examine) -> None:
    findings = examine()
    assert {one.status for one in findings} <= {Status.OK, Status.SKIPPED, Status.WARNING}
    parts = [one.part for one in findings]
    expected = ["settings", "database", "tables", "clock", "writing", "store videos", "store mp3s", "disk"]
    assert parts[: len(expected)] == expected
    assert parts[len(expected) :][:2] == ["store", "broker"]  # a folder of media is new here
    assert {"ffmpeg", "sandbox", "temporary files", "open files", "mail", "functions"} <= set(parts)


def test_the_probe_leaves_nothing_behind(examine: Examine, tmp_path: Path) -> None:
    examine()
    assert [path for folder in ("videos", "mp3s") for path in (tmp_path / "media" / folder).iterdir()] == []
    with closing(sqlite3.connect(tmp_path / "soundlift.db")) as database:
        assert database.execute("SELECT count(*) FROM attempt").fetchone() == (0,)


def _change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_tables_that_are_missing_old_or_new_are_told_apart(examine: Examine, tmp_path: Path) -> None:
    file = tmp_path / "soundlift.db"
    _change(file, "UPDATE alembic_version SET version_num = '0010'")
    (old,) = of(examine(), "tables")
    assert old == ("failed", f"version 0010, but this release needs {newest_revision()}", "run `soundlift migrate`")
    _change(file, "UPDATE alembic_version SET version_num = '0999'")
    assert of(examine(), "tables")[0][0] == "warning"
    _change(file, f"UPDATE alembic_version SET version_num = '{newest_revision()}'", "DROP TABLE session")
    ((status, detail, advice),) = of(examine(), "tables")
    assert (status, advice) == ("failed", "restore the database from its backup")
    assert "no such table: session" in detail
    file.unlink()
    sqlite3.connect(file).close()
    assert of(examine(), "tables") == [("failed", "there are none", "run `soundlift migrate`")]


def test_a_damaged_database_is_reported(examine: Examine, tmp_path: Path) -> None:
    for file in tmp_path.glob("soundlift.db*"):
        file.write_bytes(b"no database" * 1000)
    ((status, detail, _),) = of(examine(), "database")
    assert status == "failed"
    assert "damaged, or not a database" in detail


@pytest.mark.parametrize("url", ["file:///proc/soundlift", "file://{}/soundlift.db"])
def test_a_folder_that_cannot_be_written_is_reported(examine: Examine, tmp_path: Path, url: str) -> None:
    ((status, detail, advice),) = of(examine(MEDIA_URL=url.format(tmp_path)), "store")
    assert (status, "cannot be used" in detail) == ("failed", True)
    assert advice == "check the rights of the folder in MEDIA_URL, and the space on its disk"


@pytest.mark.unprivileged
def test_a_read_only_folder_is_reported(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "media" / "videos").mkdir(parents=True)
    (tmp_path / "media" / "videos").chmod(0o500)
    ((status, detail, _),) = of(examine(), "store")
    assert (status, "Permission denied" in detail) == ("failed", True)


def test_a_media_folder_that_is_created_is_reported(examine: Examine, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/typo"
    ((status, detail, _),) = of(examine(MEDIA_URL=url), "store")
    assert (status, detail) == ("warning", f"the folder {tmp_path}/typo did not exist yet, and was created")
    assert of(examine(MEDIA_URL=url), "store") == []


def test_a_queue_file_that_cannot_be_used_is_reported(examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"no database" * 1000)
    ((status, detail, _),) = of(examine(), "broker")
    assert (status, "The queue file cannot be used" in detail) == ("failed", True)


def test_an_ffmpeg_without_an_encoder_is_reported(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundlift.common.process.ffmpeg import binary

    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ' A....D aac   AAC'\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    binary.cache_clear()
    try:
        ((status, detail, _),) = of(examine(SANDBOX="off"), "ffmpeg")
    finally:
        binary.cache_clear()
    assert (status, "has no encoder libmp3lame, libopus" in detail) == ("failed", True)


def test_functions_are_asked_through_the_gateway(examine: Examine) -> None:
    with WrittenAnswers([Reply(200, b"{}")]).running() as gateway:
        assert of(examine(GATEWAY_URL=gateway.url), "functions") == [("ok", "12 are ready", "")]
        assert "GET /function/convert/_/ready" in gateway.requests
    problem = b'{"detail": "The database does not answer."}'
    with WrittenAnswers([Reply(503, problem), Reply(200, b"{}")]).running() as gateway:
        ((status, detail, _),) = of(examine(GATEWAY_URL=gateway.url), "functions")
    assert (status, detail.endswith("returned 503: The database does not answer.")) == ("failed", True)
    ((status, detail, _),) = of(examine(GATEWAY_URL=f"http://127.0.0.1:{free_port()}"), "functions")
    assert (status, detail.startswith("login, validate, upload") and "no answer" in detail) == ("failed", True)


def test_a_missing_login_of_the_gateway_has_its_own_advice(examine: Examine) -> None:
    problem = b'{"detail": "This path needs the login."}'
    with WrittenAnswers([Reply(401, problem)]).running() as gateway:
        ((status, _, advice),) = of(examine(GATEWAY_URL=gateway.url), "functions")
    assert (status, advice.startswith("set BASIC_AUTH_USER")) == ("failed", True)


def test_what_follows_from_a_malformed_address_is_no_further_fault(examine: Examine) -> None:
    findings = examine(GATEWAY_URL="foo", BROKER_URL="foo")
    assert [part for part in ("functions", "mail") if of(findings, part)[0][0] == "failed"] == []
    ((_, detail, advice),) = of(findings, "broker")
    assert (detail.startswith("Setting BROKER_URL must be"), advice) == (True, "")


def test_the_command_prints_one_line_each_and_fails_if_something_is_wrong(examine: Examine, tmp_path: Path) -> None:
    examine()
    environment = {**SEARCH_PATHS, "SOUNDLIFT_DATA": str(tmp_path)}
    good = run_doctor(**environment)
    assert good.returncode == 0, good.stdout
    assert all(re.match(r"(ok|WARNING|skipped) +[a-z]", line) for line in good.stdout.splitlines())
    bad = run_doctor("--json", **environment, THREADS="none", LOG_LEVEL="loud")
    documents = [json.loads(line) for line in bad.stdout.splitlines()]
    assert bad.returncode == 1
    assert [one["part"] for one in documents if one["status"] == "failed"] == ["settings", "settings"]


def test_a_mistyped_folder_does_not_become_a_deployment(tmp_path: Path) -> None:
    ended = run_doctor("--data", str(tmp_path / "typo"), **SEARCH_PATHS)
    assert ended.returncode == 1
    assert "FAILED   data folder      There is no Soundlift in the data folder" in ended.stdout
    assert not (tmp_path / "typo").exists()


def test_a_server_that_never_answers_takes_no_longer_than_the_limit(examine: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        findings = examine(
            seconds=1,
            DATABASE_URL=f"mysql://ada:secret@{place}/soundlift",
            BROKER_URL=f"amqp://ada:secret@{place}",
            SMTP_URL=f"smtp://{place}",
            GATEWAY_URL=f"http://{place}",
        )
        took = time.monotonic() - began
    for part in ("database", "broker", "mail", "functions"):
        assert of(findings, part)[0][:2] == ("failed", "no answer within 1 s")
    assert took < 5


def test_an_error_of_one_check_does_not_hide_the_others() -> None:
    def broken(_: Services) -> list[Finding]:
        raise ZeroDivisionError("oops")

    checks = [Check("a", "fix a", broken), Check("b", "", lambda _: [ok("b", "fine")])]
    first, second = run_checks(checks, Services(Settings()), seconds=DEADLINE_SECONDS)
    assert (first.status, first.advice) == (Status.FAILED, "fix a")
    assert (second.part, second.status) == ("b", Status.OK)
