"""The smoke test passes on a working deployment, names a failing step, and deletes everything that it created."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devservers.local_stack import Stack
from devservers.mail_server import MailServer
from devservers.ports import free_port
from soundlift.client import Client
from soundlift.common.services import Services
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD
from tests.factories.clips import talking_mp4

pytestmark = pytest.mark.servers

EMAIL = "ada@example.org"
STEPS = [
    *("account", "sign-in", "internal functions", "upload", "conversion", "download", "sound", "mail"),
    *("delete job", "delete account"),
]
STACK_FILE = Path(__file__).parents[2] / "stack.yml"
LINE = re.compile(r"^ *\d+\.\d\d s  (.{18})  (ok|FAILED|stopped)(?:: (.+))?$")
SECONDS = 90


def arguments_of(stack: Stack, *more: str) -> list[str]:
    return [sys.executable, "-m", "soundlift.cli", "smoke-test", "--url", stack.url, "--data", str(stack.data), *more]


def smoke_test(stack: Stack, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments_of(stack, *more),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def steps_in(output: str) -> dict[str, str]:
    """Return the outcome of each step, after checking that every line belongs to a step."""
    lines = [match for line in output.splitlines()[:-1] if (match := LINE.match(line))]
    assert len(lines) == len(output.splitlines()) - 1, output
    return {line[1].strip(): line[2] for line in lines}


def create_services(stack: Stack) -> Services:
    return Services(Settings.from_environment({"SOUNDLIFT_DATA": str(stack.data)}))


def assert_nothing_is_left(stack: Stack) -> None:
    services = create_services(stack)
    assert not [user for user in services.users.list() if "smoke-test" in user.email]
    assert not [job for job in services.jobs.page(None) if job.file_name.startswith("smoke-test")]
    services.database.engine.dispose()


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack]) -> Stack:
    return start()


@pytest.fixture(scope="module")
def open_stack(start: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return a stack whose convert is public: it receives no events, and everybody may call it."""
    file = tmp_path_factory.mktemp("open") / "stack.yml"
    private, topic = STACK_FILE.read_text(), "      topic: video\n"
    assert private.count(topic) == 1
    file.write_text(private.replace(topic, ""))
    return start(STACK_FILE=str(file))


def test_a_working_deployment_passes_with_lines_of_at_most_60_characters(stack: Stack) -> None:
    ended = smoke_test(stack)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(steps_in(ended.stdout)) == STEPS
    assert set(steps_in(ended.stdout).values()) == {"ok"}
    assert ended.stdout.endswith("\nSmoke test passed.\n")
    assert max(map(len, ended.stdout.splitlines())) <= 60
    assert ended.stderr == ""
    assert_nothing_is_left(stack)


def test_an_existing_account_can_be_used_and_keeps_its_jobs(stack: Stack, tmp_path: Path) -> None:
    services = create_services(stack)
    services.users.add(EMAIL, services.passwords.hash(PASSWORD))
    services.database.engine.dispose()
    client = Client(stack.url, email=EMAIL, password=PASSWORD)
    job = client.wait(client.upload(talking_mp4(tmp_path)).id)
    for account in (("--email", EMAIL), ("--token", client.login())):
        ended = smoke_test(stack, *account, SOUNDLIFT_PASSWORD=PASSWORD)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert list(steps_in(ended.stdout)) == STEPS[1:-1]
    assert [one.id for one in client.jobs()] == [job.id]
    assert_nothing_is_left(stack)


def test_the_mail_is_sent_to_the_given_address(stack: Stack) -> None:
    ended = smoke_test(stack, "--mail-to", "ada.lovelace@example.org")
    assert ended.returncode == 0, ended.stdout
    mails = [file.read_text() for file in (stack.data / "mail" / "new").iterdir()]
    assert any(re.search(r"^To: ada\.lovelace\+smoke-test-\w+@example\.org$", mail, re.MULTILINE) for mail in mails)


def test_a_reachable_internal_function_and_a_queued_job_fail_their_steps(open_stack: Stack) -> None:
    ended = smoke_test(open_stack, "--timeout", "2")
    assert ended.returncode == 1
    assert steps_in(ended.stdout) == {
        **dict.fromkeys(("account", "sign-in", "upload", "delete job", "delete account"), "ok"),
        **dict.fromkeys(("internal functions", "conversion"), "FAILED"),
    }
    paths = ("/convert", "/function/convert", "/function/convert.openfaas-fn")
    assert f"FAILED: {', '.join(f'POST {path} returned 400' for path in paths)}, expected 401, 403" in ended.stdout
    assert re.search(r"FAILED: job \w+ is still queued after 2 s; check the log of convert, and that a", ended.stdout)
    assert ended.stdout.endswith("\nSmoke test failed.\n")
    assert_nothing_is_left(open_stack)


def test_an_unreachable_mail_server_fails_only_the_mail_step(start: Callable[..., Stack]) -> None:
    stack = start(SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    ended = smoke_test(stack, "--timeout", "3")
    assert ended.returncode == 1
    assert [name for name, outcome in steps_in(ended.stdout).items() if outcome != "ok"] == ["mail"]
    assert re.search(r"FAILED: no mail about job \w+ was sent within 3 s; check the log of notify", ended.stdout)
    assert_nothing_is_left(stack)


def test_a_refused_mail_fails_its_step_only_if_a_recipient_was_given(
    start: Callable[..., Stack],
) -> None:
    with MailServer() as server:
        server.replies["RCPT"] = "550 No such user"
        stack = start(SMTP_URL=server.url)
        without_recipient, with_recipient = smoke_test(stack), smoke_test(stack, "--mail-to", EMAIL)
    assert without_recipient.returncode == 0, without_recipient.stdout
    assert re.search(r"  mail +ok: refused, as expected$", without_recipient.stdout, re.MULTILINE)
    assert [name for name, outcome in steps_in(with_recipient.stdout).items() if outcome != "ok"] == ["mail"]
    assert_nothing_is_left(stack)


def test_a_refused_upload_ends_the_test(start: Callable[..., Stack]) -> None:
    stack = start(MAX_UPLOAD_BYTES="1000")
    ended = smoke_test(stack)
    assert ended.returncode == 1
    assert list(steps_in(ended.stdout)) == [*STEPS[:4], *STEPS[-2:]]
    assert "FAILED: A video may have at most 1000 bytes; check the log of upload" in ended.stdout
    assert_nothing_is_left(stack)


def test_the_account_is_removed_if_no_server_answers(stack: Stack) -> None:
    ended = smoke_test(stack, "--url", f"http://127.0.0.1:{free_port()}")
    assert ended.returncode == 1
    assert steps_in(ended.stdout) == {"account": "ok", "sign-in": "FAILED", "delete account": "ok"}
    assert_nothing_is_left(stack)


def test_a_wrong_database_fails_and_a_missing_one_is_not_created(
    stack: Stack, open_stack: Stack, tmp_path: Path
) -> None:
    ended = smoke_test(stack, "--data", str(open_stack.data))
    assert ended.returncode == 1
    assert "FAILED: The email address or the password is wrong; check that /login exists below --url" in ended.stdout
    assert_nothing_is_left(open_stack)
    ended = smoke_test(stack, "--data", str(tmp_path / "none"))
    assert ended.returncode == 1
    assert "There is no Soundlift in the data folder" in ended.stdout
    assert not (tmp_path / "none").exists()


def test_an_account_that_could_not_be_added_is_not_deleted(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "soundlift.db").touch()
    ended = smoke_test(stack, "--data", str(tmp_path))
    assert ended.returncode == 1
    assert steps_in(ended.stdout) == {"account": "FAILED"}


@pytest.mark.parametrize("option", ["--email", "--token"])
def test_mail_to_cannot_be_combined_with_an_existing_account(stack: Stack, option: str) -> None:
    ended = smoke_test(stack, option, EMAIL, "--mail-to", EMAIL, SOUNDLIFT_PASSWORD=PASSWORD)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--mail-to is for the temporary account: omit --email and --token." in ended.stderr


@pytest.mark.parametrize("url", ["ftp://soundlift.example.org", "http://", "https://soundlift.example.org/?a=b"])
def test_a_url_that_is_no_deployments_is_refused_before_the_first_step(stack: Stack, url: str) -> None:
    ended = smoke_test(stack, "--url", url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is not the address of a deployment, such as https://soundlift.example.org." in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_test_deletes_what_it_created(open_stack: Stack, number: signal.Signals) -> None:
    with subprocess.Popen(arguments_of(open_stack), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as test:
        assert test.stdout is not None
        seen = ""
        while not re.search(r"s  upload +ok$", seen, re.MULTILINE):
            line = test.stdout.readline()
            assert line, seen
            seen += line
        test.send_signal(number)
        rest, errors = test.communicate(timeout=SECONDS)
    assert test.returncode == 128 + number
    steps = steps_in(rest + ".")
    assert steps.pop("conversion", "stopped") == "stopped"  # it may not have started
    assert steps == {"delete job": "ok", "delete account": "ok"}
    assert "Traceback" not in errors
    assert_nothing_is_left(open_stack)
