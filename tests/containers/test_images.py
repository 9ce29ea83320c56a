"""Each image contains only what its part uses, starts in a sandbox, and stops on SIGTERM."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.containers import (
    BUILD_TIMEOUT_SECONDS,
    FUNCTIONS,
    SANDBOX,
    Container,
    Podman,
    function_environment,
    image_name,
    list_files,
    run,
    write_secrets,
)
from devservers.mariadb import MariaDb
from devservers.ports import free_port
from soundlift.common.auth.passwords import Match, Passwords
from soundlift.common.auth.tokens import Tokens
from soundlift.common.auth.users import User, Users
from soundlift.common.db.engine import open_database
from soundlift.common.settings import Settings
from tests.factories.accounts import PASSWORD, SECRET
from tests.factories.manifests import DEPLOY, ROOT, only_manifest

pytestmark = pytest.mark.timeout(BUILD_TIMEOUT_SECONDS)
OTHER_PASSWORD = "the password of another installation"
IMAGES = [*FUNCTIONS, "connector", "cli"]
SERVERS_ELSEWHERE = {
    "database-url": "mysql://soundlift@127.0.0.1:9/soundlift",
    "broker-url": "amqp://127.0.0.1:9",
    "media-url": "mongodb://127.0.0.1:9",
    "smtp-url": "smtp://127.0.0.1:9",
    "jwt-secret": SECRET,
}
MAX_MEGABYTES_ABOVE_BASE = {
    "connector": 45,
    # With SQLAlchemy's compiled modules, without which each start compiles them for half a second, and psycopg with
    # PostgreSQL's own library (13 MB).
    **dict.fromkeys(("login", "validate", "notify", "webhook"), 64),
    **dict.fromkeys(("jobs", "hooks"), 66),  # the same, and what publishes the event of a retried job
    "web": 30,
    **dict.fromkeys(("upload", "download", "fetch", "cleanup"), 78),
    "cli": 88,  # with the drivers of the stores, which `doctor` checks
    "convert": 330,
}


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    write_secrets(folder, SERVERS_ELSEWHERE)
    return folder


@pytest.fixture(params=[*FUNCTIONS, "connector"])
def container(request: pytest.FixtureRequest, podman: Podman, secrets: Path) -> Iterator[Container]:
    name = request.param
    environment = {} if name == "connector" else function_environment(name)
    container = run(podman, name, free_port(), environment, secrets)
    yield container
    container.remove()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_s_image_has_only_the_function_and_the_common_layer(podman: Podman, name: str) -> None:
    files = {file for file in list_files(podman, name, "/home/app") if "__pycache__" not in file}
    own = {file.removeprefix("/home/app/function/") for file in files}
    assert files == {f"/home/app/function/{file}" for file in own}
    folder = ROOT / "functions" / name
    written = {str(file.relative_to(folder)) for file in folder.rglob("*.py")}
    assert {file for file in own if file.endswith(".py") and not file.startswith("soundlift/common/")} == written
    assert all(file.startswith("soundlift/common/") for file in own if file.startswith("soundlift/"))


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_a_numeric_user_no_pip_and_a_bounded_size(podman: Podman, name: str) -> None:
    assert podman("image", "inspect", "--format={{.User}}", image_name(name)) == "65532:65532"
    found = 'import importlib.util, shutil; print([importlib.util.find_spec("pip"), shutil.which("gcc")])'
    assert podman("run", "--rm", *SANDBOX, "--entrypoint=python3", image_name(name), "-c", found) == "[None, None]"
    assert podman.megabytes_above_base(name) <= MAX_MEGABYTES_ABOVE_BASE[name]


def test_a_sandboxed_container_starts_without_its_servers_and_stops_with_0(container: Container) -> None:
    assert container.stop() == 0


@pytest.mark.parametrize("missing", ["database-url", "media-url"])
def test_a_container_without_a_server_s_address_fails_and_names_the_setting(
    podman: Podman, secrets: Path, missing: str
) -> None:
    (secrets / missing).unlink()
    mount = f"--volume={secrets}:/var/openfaas/secrets:ro"
    container = podman("run", "--detach", *SANDBOX, mount, f"--env=PORT={free_port()}", image_name("convert"))
    try:
        assert podman("wait", container) != "0"
        log = podman("logs", container)
    finally:
        podman("rm", "--force", container)
    assert f"Setting {missing.upper().replace('-', '_')} is missing" in log


def test_the_deployment_s_jobs_create_tables_and_an_admin_and_can_be_repeated(
    podman: Podman, secrets: Path, mariadb_server: MariaDb
) -> None:
    url = mariadb_server.url(mariadb_server.new_database())
    given = {"database-url": url, "admin-email": "ada@example.org", "admin-password": PASSWORD}
    passwords = []
    for name in ("migrate", "first-user", "migrate", "first-user", "set-password"):
        write_secrets(secrets, given)
        (container,) = only_manifest(DEPLOY / name / "job.yaml", "Job")["spec"]["template"]["spec"]["containers"]
        program = [f"--entrypoint={json.dumps(container['command'])}"] if "command" in container else []
        mount = f"--volume={secrets}:/var/openfaas/secrets:ro"
        podman("run", "--rm", *SANDBOX, mount, *program, image_name("cli"), *container["args"])
        if name != "migrate":
            given["admin-password"] = OTHER_PASSWORD
            account = account_in(url)
            assert account.admin
            check = Passwords(Settings()).verify
            both = (PASSWORD, OTHER_PASSWORD)
            passwords.append([one for one in both if check(one, account.password) is Match.CURRENT])
    assert passwords == [[PASSWORD], [PASSWORD], [OTHER_PASSWORD]]


def account_in(url: str) -> User:
    database = open_database(url)
    account = Users(database).find("ada@example.org")
    database.engine.dispose()
    assert account is not None
    return account


def test_a_stalled_request_does_not_delay_the_stop_of_a_container(podman: Podman, secrets: Path) -> None:
    port = free_port()
    token = Tokens((SECRET,), sign_in_seconds=60, link_seconds=60).sign_in("ada@example.org", admin=False)
    request = f"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\nhalf"
    container = run(podman, "upload", port, function_environment("upload"), secrets)
    try:
        with socket.create_connection(("127.0.0.1", port)) as stalled:
            stalled.sendall(request.encode())
            assert container.stop() == 0
    finally:
        container.remove()


def test_ffmpeg_can_be_confined_in_a_container_without_privileges(podman: Podman) -> None:
    code = "from soundlift.common.process.sandbox.sandbox import open_sandbox; print(open_sandbox('required').confines)"
    assert podman("run", "--rm", *SANDBOX, "--entrypoint=python3", image_name("convert"), "-c", code).endswith("True")


def test_the_command_prints_its_version(podman: Podman) -> None:
    assert "version" in podman("run", "--rm", *SANDBOX, image_name("cli"), "--version")
