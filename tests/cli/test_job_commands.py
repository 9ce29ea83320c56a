"""Jobs are listed, shown, downloaded, cancelled, retried, deleted, linked and opened by commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
import sqlalchemy as sa

from soundlift.cli.exit_codes import ExitCode
from soundlift.common.db.tables import jobs
from soundlift.common.jobs.model import AudioDescription
from soundlift.common.services import Services
from tests.cli.conftest import Run
from tests.client.servers import Deployment, Reply, WrittenAnswers
from tests.factories.jobs import MP4, failed_job, job_now, queued_job, ready_job

EMAIL = "ada@example.org"
COPY = AudioDescription(
    format="m4a", codec="aac", bitrate=128, sample_rate=44_100, channels=2, copied=True, cut_start=60.02, cut_end=120.5
)
SHOWN = {chr(code) for code in range(32, 127)}
HOSTILE = "../../\x1b]0;owned\x07\u202e\u200b\u3164\U000e0041$(touch owned)`.mp4"

pytestmark = pytest.mark.slow


@pytest.fixture
def deployment(services: Services) -> Iterator[Deployment]:
    with Deployment(services).running() as deployment:
        yield deployment


@pytest.fixture
def soundlift(deployment: Deployment, services: Services, run: Run) -> Run:
    """Return a function that runs the command for a user who has signed in."""
    token = services.tokens.sign_in(EMAIL, admin=False)

    def signed_in(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, SOUNDLIFT_URL=deployment.url, SOUNDLIFT_TOKEN=token, **options)

    return signed_in


def test_a_mistyped_command_is_not_taken_for_a_job(run: Run) -> None:
    ended = run("job", "histroy", "66e7c99ee44ca06f4f48bf61")
    assert ended.returncode == ExitCode.USAGE
    assert "No such command 'histroy'. Did you mean 'history'?" in ended.stderr


def test_jobs_are_listed_newest_first_in_one_line_each(soundlift: Run, services: Services) -> None:
    assert soundlift("jobs").stderr == "You have no jobs.\n"
    first, second = queued_job(services, name="Holiday.mp4"), ready_job(services)
    lines = soundlift("jobs").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[second.id, "ready"], [first.id, "queued"]]
    assert soundlift("jobs", "--search", "holi").stdout.split()[0] == first.id
    assert soundlift("jobs", "--state", "failed").stderr == "There are no such jobs.\n"
    assert soundlift("jobs", "-n", "1").stderr == "There are older jobs; show all with --all.\n"
    documents = [json.loads(line) for line in soundlift("jobs", "--json").stdout.splitlines()]
    assert [document["id"] for document in documents] == [second.id, first.id]


def test_a_job_is_shown_with_its_error_and_its_page(soundlift: Run, services: Services) -> None:
    row = failed_job(services, "There is no sound in it.")
    shown = soundlift("job", row.id)
    assert "There is no sound in it." in shown.stdout
    assert f"/web/#job={row.id}\n" in shown.stdout
    assert json.loads(soundlift("job", row.id, "--json").stdout)["state"] == "failed"
    assert soundlift("job", row.id, "--wait").returncode == ExitCode.FAILED
    ready = soundlift("job", ready_job(services, audio=COPY).id, "--wait")
    assert ready.returncode == 0
    assert "Format     m4a: AAC, 128 kbit/s, 44.1 kHz, stereo, copied from 60.02 s to 120.5 s\n" in ready.stdout
    missing = soundlift("job", "nonsense")
    assert (missing.returncode, missing.stderr) == (ExitCode.REFUSED, "soundlift: You have no job with this id.\n")


def test_commands_about_jobs_are_also_a_group(soundlift: Run, services: Services) -> None:
    row = failed_job(services)
    for short, long in (
        (["job", row.id], ["job", "show", row.id]),
        (["job", "--json", row.id], ["job", "show", row.id, "--json"]),
        (["jobs", "--state", "failed"], ["job", "list", "--state", "failed"]),
    ):
        assert soundlift(*short).stdout == soundlift(*long).stdout != ""
    assert soundlift("job", "retry", row.id).stdout == f"{row.id}: queued\n"
    assert soundlift("job").returncode == ExitCode.USAGE


def test_a_download_has_the_name_of_the_video_and_replaces_nothing(
    soundlift: Run, services: Services, tmp_path: Path
) -> None:
    row = ready_job(services, MP4)
    ended = soundlift("download", row.id)
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "a.mp3").read_bytes() == MP4
    assert soundlift("download", row.id).returncode == ExitCode.USAGE
    assert soundlift("download", row.id, "--skip-existing").returncode == 0
    (tmp_path / "a.mp3").write_bytes(b"old")
    assert json.loads(soundlift("download", row.id, "--force", "--json").stdout)["bytes"] == row.mp3_bytes
    assert (tmp_path / "a.mp3").read_bytes() == MP4
    assert soundlift("download", row.id, "-o", "-").stdout.encode("utf-8", "surrogateescape")[4:8] == MP4[4:8]
    failed = soundlift("download", failed_job(services, "No sound.").id, "-o", "b.mp3")
    assert (failed.returncode, failed.stderr) == (ExitCode.FAILED, "soundlift: No sound.\n")


def test_several_downloads_go_into_a_folder_or_a_zip_file(soundlift: Run, services: Services, tmp_path: Path) -> None:
    rows = [ready_job(services), queued_job(services, name="b.mp4")]
    services.jobs.cancel(rows[1].id)
    (tmp_path / "out").mkdir()
    ended = soundlift("download", *(row.id for row in rows), "-o", "out")
    assert ended.returncode == ExitCode.FAILED
    assert ended.stderr.endswith("2 files: 1 converted, 1 failed.\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp3"]
    same = soundlift("download", rows[0].id, ready_job(services).id, "--force")
    assert (same.returncode, "have the output a.mp3" in same.stderr) == (ExitCode.USAGE, True)
    assert soundlift("download", rows[0].id, "--zip").returncode == 0
    assert ZipFile(tmp_path / "soundlift.zip").namelist() == ["a.mp3"]


def test_jobs_are_cancelled_retried_and_deleted(soundlift: Run, services: Services) -> None:
    row, ready = queued_job(services), ready_job(services)
    ended = soundlift("cancel", row.id, ready.id, "nonsense")
    assert ended.stdout == f"{row.id}: cancelled\n{ready.id}: ready\n"
    assert (ended.returncode, ended.stderr) == (
        ExitCode.REFUSED,
        "soundlift: nonsense: You have no job with this id.\n",
    )
    assert soundlift("retry", row.id).stdout == f"{row.id}: queued\n"
    assert json.loads(soundlift("rm", row.id, "--json").stdout) == {"id": row.id, "state": "deleted"}
    assert soundlift("jobs").stdout.split()[0] == ready.id


def test_a_link_is_printed_alone(soundlift: Run, services: Services) -> None:
    row = ready_job(services)
    ended = soundlift("link", row.id)
    assert ended.stdout.startswith("http")
    assert ended.stdout.count("\n") == 1
    assert ended.stderr.startswith("It works until ")
    assert set(json.loads(soundlift("link", row.id, ready_job(services).id, "--json").stdout)) == {"url", "expires_at"}


def test_a_page_is_opened_in_the_browser_or_printed(soundlift: Run, services: Services, tmp_path: Path) -> None:
    row = ready_job(services)
    without = soundlift("open", row.id, DISPLAY="", WAYLAND_DISPLAY="", BROWSER="")
    assert without.stdout.endswith(f"/web/#job={row.id}\n")
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen('opened', 'w').write(sys.argv[1])\n")
    browser.chmod(0o755)
    opened = soundlift("open", row.id, "--json", BROWSER=f"{browser} %s")
    assert json.loads(opened.stdout)["opened"] is True
    assert (tmp_path / "opened").read_text() == without.stdout.strip()


def test_a_hostile_name_neither_reaches_the_terminal_nor_leads_out_of_the_folder(
    soundlift: Run, services: Services, tmp_path: Path
) -> None:
    row = ready_job(services)
    _rename(services, row.id, HOSTILE)
    inside = tmp_path / "inside"
    inside.mkdir()
    before = set(tmp_path.iterdir())
    printed = [soundlift(*command) for command in (("jobs",), ("job", row.id), ("download", row.id, "-o", "inside"))]
    assert all(ended.returncode == 0 for ended in printed)
    assert not any(character in ended.stdout + ended.stderr for ended in printed for character in set(HOSTILE) - SHOWN)
    assert r"\u{1b}]0;owned\u{7}\u{202e}\u{200b}\u{3164}\u{e0041}$(touch owned)`.mp4" in "".join(
        printed[1].stdout.split("\n")
    )
    assert set(tmp_path.iterdir()) == before
    assert len(list(inside.iterdir())) == 1
    assert job_now(services, row.id).file_name == HOSTILE


def _rename(services: Services, job_id: str, name: str) -> None:
    """Give a job a file name as another program's message may have brought it."""
    with services.database.engine.begin() as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(file_name=name))


@pytest.mark.parametrize(
    ("arguments", "reply"),
    [
        (("link", "1"), Reply(200, b'{"url": "javascript:alert(1)"}')),
        (("retry", "1"), Reply(405, b"{}")),
        (("jobs",), Reply(200, b"[]")),
    ],
)
def test_an_unexpected_answer_is_one_sentence(run: Run, arguments: tuple[str, ...], reply: Reply) -> None:
    with WrittenAnswers([reply]).running() as server:
        ended = run(*arguments, SOUNDLIFT_URL=server.url, SOUNDLIFT_TOKEN="any")
    assert ended.returncode in (ExitCode.CANNOT_CONNECT, ExitCode.REFUSED)
    assert ended.stderr.startswith("soundlift: ")
    assert (ended.stdout, "Traceback" in ended.stderr) == ("", False)
