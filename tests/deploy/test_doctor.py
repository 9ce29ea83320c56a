"""The Job that checks a deployment runs once, has a deadline, and can read every setting of a server."""

from __future__ import annotations

from dataclasses import fields

import yaml
from click.testing import CliRunner

from soundlift.cli.doctor.command import doctor
from soundlift.cli.doctor.functions import FUNCTIONS
from soundlift.cli.main import soundlift
from soundlift.common.settings import Settings
from tests.factories.manifests import DEPLOY, mounted_secrets, only_manifest

JOB = only_manifest(DEPLOY / "doctor" / "job.yaml", "Job")
POD = JOB["spec"]["template"]["spec"]
KUSTOMIZATION = yaml.safe_load((DEPLOY / "doctor" / "kustomization.yaml").read_text())


def test_it_is_not_retried_and_ends_before_its_deadline() -> None:
    (timeout,) = (item.default for item in doctor.params if item.name == "timeout")
    assert (JOB["spec"]["backoffLimit"], POD["restartPolicy"]) == (0, "Never")
    assert 2 * timeout < JOB["spec"]["activeDeadlineSeconds"]


def test_it_reads_the_secrets_of_every_server_and_starts_without_them() -> None:
    assert mounted_secrets(POD) == {"database-url", "media-url", "broker-url", "smtp-url", "jwt-secret"}
    (sources,) = (volume["projected"]["sources"] for volume in POD["volumes"] if "projected" in volume)
    assert all(source["secret"]["optional"] for source in sources)


def test_the_command_and_its_settings_exist() -> None:
    (container,) = POD["containers"]
    assert CliRunner().invoke(soundlift, [*container["args"], "--help"]).exit_code == 0
    (generator,) = KUSTOMIZATION["configMapGenerator"]
    assert container["envFrom"] == [{"configMapRef": {"name": generator["name"]}}]
    names = {literal.partition("=")[0] for literal in generator["literals"]}
    assert names <= {item.name.upper() for item in fields(Settings)}


def test_it_asks_every_function() -> None:
    stack = yaml.safe_load((DEPLOY.parent / "stack.yml").read_text())
    assert set(FUNCTIONS) == set(stack["functions"])
