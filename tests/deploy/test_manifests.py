"""Every manifest has only fields of its kind, and requests no unneeded privileges."""

from __future__ import annotations

import base64
import os
import subprocess
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.factories.manifests import DEPLOY, Manifest, manifests_in, mounted_secrets

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

FILES_OF_KUSTOMIZE = sorted(DEPLOY.rglob("kustomization.yaml"))
KUSTOMIZATIONS = [file for file in FILES_OF_KUSTOMIZE if yaml.safe_load(file.read_text())["kind"] == "Kustomization"]
OF_OTHER_PROGRAMS = {DEPLOY / "openfaas" / "values.yaml", *(DEPLOY / "observability").iterdir()}
FILES = sorted({*DEPLOY.rglob("*.yaml")} - {*FILES_OF_KUSTOMIZE} - OF_OTHER_PROGRAMS)
MANIFESTS = [manifest for file in FILES for manifest in manifests_in(file)]
PODS = [manifest for manifest in MANIFESTS if "template" in manifest.get("spec", {})]
APPLIED_SEPARATELY = {"ingress.yaml", "namespace.yaml", "platform-network-policy.yaml", "fetch-network-policy.yaml"}
MODULES = {
    "v1": "kubernetes.core.v1",
    "apps/v1": "kubernetes.apps.v1",
    "batch/v1": "kubernetes.batch.v1",
    "networking.k8s.io/v1": "kubernetes.networking.v1",
    "policy/v1": "kubernetes.policy.v1",
    "serving.knative.dev/v1": "knative_serving.serving.v1",
    "eventing.knative.dev/v1": "knative_eventing.eventing.v1",
    "sources.knative.dev/v1": "knative_eventing.sources.v1",
}
# https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
KUSTOMIZATION_KEYS = {
    "apiVersion",
    "kind",
    "namespace",
    "resources",
    "configMapGenerator",
    "generatorOptions",
    "components",
    "replacements",
    "patches",
}
SERVERS = ("DATABASE_URL", "BROKER_URL", "MEDIA_URL", "SMTP_URL")


def manifest_id(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def dropped_paths(given: Any, kept: Any, path: str = "") -> list[str]:
    """Return the paths of values in a document that its model did not keep."""
    match given:
        case dict():
            if not isinstance(kept, dict):
                return [path]
            return [
                found for key, value in given.items() for found in dropped_paths(value, kept.get(key), f"{path}.{key}")
            ]
        case list():
            if not isinstance(kept, list) or len(kept) != len(given):
                return [path]
            pairs = enumerate(zip(given, kept, strict=True))
            return [found for number, (one, other) in pairs for found in dropped_paths(one, other, f"{path}[{number}]")]
        case _:
            return [] if given == kept else [path]


def validated(manifest: Manifest) -> Any:
    """Return a manifest as parsed by the published model of its kind; raise if the model rejects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the models warn about their own field names
        module = import_module(f"cloudcoil.models.{MODULES[manifest['apiVersion']]}")
    model = getattr(module, manifest["kind"])
    return model.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_unset=True)


@pytest.mark.slow  # the models take seconds to import
@pytest.mark.parametrize("manifest", MANIFESTS, ids=manifest_id)
def test_a_manifest_has_only_fields_of_its_kind(manifest: Manifest) -> None:
    if manifest["kind"] == "RabbitmqBrokerConfig":  # it has no published model
        assert manifest["apiVersion"] == "eventing.knative.dev/v1alpha1"
        assert manifest["spec"].keys() == {"rabbitmqClusterReference", "queueType"}
        assert manifest["spec"]["rabbitmqClusterReference"] == {"connectionSecret": {"name": "rabbitmq-connection"}}
        assert manifest["spec"]["queueType"] == "quorum"
        return
    assert dropped_paths(manifest, validated(manifest)) == []


def test_a_field_that_its_kind_does_not_have_is_found() -> None:
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "lables": {}}, "spce": {"a": 1}}
    assert dropped_paths(manifest, validated(manifest)) == [".metadata.lables", ".spce"]


@pytest.mark.parametrize("manifest", PODS, ids=manifest_id)
def test_a_pod_has_no_unneeded_privileges(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        context = {**pod.get("securityContext", {}), **container["securityContext"]}
        assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
        assert context["runAsUser"] == 65532
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["resources"].keys() == {"limits", "requests"}
        secrets = {"/var/openfaas/secrets": True} if mounted_secrets(pod) else {}
        mounted = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
        assert mounted == {"/tmp": False, **secrets}


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: str(file.parent.relative_to(DEPLOY)))
def test_a_kustomization_includes_every_manifest_in_its_folder(file: Path) -> None:
    kustomization = yaml.safe_load(file.read_text())
    assert kustomization.keys() <= KUSTOMIZATION_KEYS
    own = {other.name for other in FILES if other.parent == file.parent} - APPLIED_SEPARATELY
    assert own == {resource for resource in kustomization["resources"] if not resource.startswith("..")}


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: str(file.parent.relative_to(DEPLOY)))
def test_deleting_a_kustomization_leaves_the_namespace_with_its_secrets(file: Path) -> None:
    files = [file.parent / name for name in yaml.safe_load(file.read_text())["resources"]]
    manifests = [manifest for one in files if one.is_file() for manifest in manifests_in(one)]
    assert not {"Namespace", "Secret"} & {manifest["kind"] for manifest in manifests}


@pytest.mark.parametrize("job", [one for one in PODS if one["kind"] == "Job"], ids=manifest_id)
def test_a_failed_job_is_retried_once_unless_it_is_a_test_and_is_removed_later(job: Manifest) -> None:
    assert job["spec"]["backoffLimit"] == (0 if job["metadata"]["name"].startswith(("smoke-test", "doctor")) else 1)
    assert 60 <= job["spec"]["ttlSecondsAfterFinished"] <= 3600


@pytest.mark.usefixtures("kubectl")
@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: str(file.parent.relative_to(DEPLOY)))
def test_kubectl_renders_manifests_that_the_models_accept(file: Path) -> None:
    rendered = subprocess.run(["kubectl", "kustomize", file.parent], capture_output=True, text=True, check=True)
    for manifest in yaml.safe_load_all(rendered.stdout):
        if manifest["kind"] != "RabbitmqBrokerConfig":
            assert dropped_paths(manifest, validated(manifest)) == []


def printed_secrets(**environ: str) -> dict[str, str]:
    script = subprocess.run(
        [DEPLOY / "secrets.sh"], env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=True
    )
    found = {}
    for secret in yaml.safe_load_all(script.stdout):
        assert dropped_paths(secret, validated(secret)) == []
        name = secret["metadata"]["name"]
        assert secret["data"].keys() == {name}
        found[name] = base64.b64decode(secret["data"][name]).decode()
    return found


def test_given_secrets_are_printed_unchanged_and_the_others_are_random() -> None:
    given = {name: f'{name}\'s "value" $HOME & more' for name in SERVERS}
    first, second = (printed_secrets(ADMIN_EMAIL="ada@example.org", **given) for _ in range(2))
    assert {name: first[name.lower().replace("_", "-")] for name in SERVERS} == given
    for name in ("jwt-secret", "admin-password"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_every_secret_that_a_pod_mounts_is_printed() -> None:
    given = {**dict.fromkeys(SERVERS, "a"), "ADMIN_EMAIL": "ada@example.org", "GATEWAY_PASSWORD": "a"}
    mounted = set().union(*(mounted_secrets(manifest["spec"]["template"]["spec"]) for manifest in PODS))
    assert mounted == printed_secrets(**given).keys()


def test_a_missing_secret_that_cannot_be_generated_is_requested() -> None:
    script = subprocess.run([DEPLOY / "secrets.sh"], env={}, capture_output=True, text=True, check=False)
    assert script.returncode == 1
    assert script.stdout == ""
    assert "set DATABASE_URL" in script.stderr
