"""The smoke test's Job runs once against the public address and has a deadline."""

from __future__ import annotations

import shlex

import yaml
from click.testing import CliRunner

from soundlift.cli.main import soundlift
from soundlift.cli.smoke_test import smoke_test
from tests.factories.manifests import DEPLOY, Manifest, mounted_secrets, only_manifest

JOB = only_manifest(DEPLOY / "smoke-test" / "job.yaml", "Job")
POD = JOB["spec"]["template"]["spec"]
WAITS = 2  # for the MP3 and for the mail


def kustomization(name: str) -> Manifest:
    document: Manifest = yaml.safe_load((DEPLOY / name / "kustomization.yaml").read_text())
    return document


def test_it_is_not_retried_and_is_removed_later() -> None:
    assert JOB["spec"]["backoffLimit"] == 0
    assert JOB["spec"]["ttlSecondsAfterFinished"] > 0
    assert POD["restartPolicy"] == "Never"


def test_it_reports_a_time_out_before_its_deadline() -> None:
    (timeout,) = (item.default for item in smoke_test.params if item.name == "timeout")
    assert WAITS * timeout < JOB["spec"]["activeDeadlineSeconds"]


def test_it_has_only_the_database_url_and_the_admin_s_address_as_secrets() -> None:
    assert mounted_secrets(POD) == {"database-url", "admin-email"}


def test_the_command_accepts_its_options() -> None:
    (container,) = POD["containers"]
    words = shlex.split(container["args"][0])
    assert words[:4] == ["exec", "python3", "-m", "soundlift.cli"]
    assert CliRunner().invoke(soundlift, [*words[4:], "--help"]).exit_code == 0


def test_it_uses_the_address_of_the_links_in_mails() -> None:
    (container,) = POD["containers"]
    (variable,) = container["env"]
    assert variable["name"] == "SOUNDLIFT_URL"
    source = variable["valueFrom"]["configMapKeyRef"]
    literals = {
        name: [one["literals"] for one in kustomization(name)["configMapGenerator"]]
        for name in ("smoke-test", "knative")
    }
    assert kustomization("smoke-test")["configMapGenerator"][0]["name"] == source["name"]
    (address,) = literals["smoke-test"][0]
    assert address.startswith(f"{source['key']}=http")
    assert address in literals["knative"][0]
