"""Images come from the one configured registry, and cannot be pulled until it is configured."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from soundlift.local.stack import substitute
from tests.deploy.test_manifests import FILES, KUSTOMIZATIONS, PODS
from tests.factories.manifests import DEPLOY, ROOT, rendered

pytestmark = pytest.mark.slow  # together, its tests take seconds of a fast loop

REGISTRY = DEPLOY / "registry"
TOP = sorted(file.parent for file in KUSTOMIZATIONS if file.parent.name != "connector")
UNRESOLVABLE = re.compile(r"registry\.invalid/")  # RFC 2606, section 2: the domain .invalid never exists
DOCUMENTS = [*FILES, *KUSTOMIZATIONS, REGISTRY / "kustomization.yaml", *(ROOT / "docs").glob("*.md")]
MAX_NAME_LENGTH = 63  # of a Job, whose name becomes a label of its pods
MAX_TAG_LENGTH = 50  # as documented in docs/deploy-openfaas.md

each_folder = pytest.mark.parametrize("folder", TOP, ids=lambda folder: str(folder.relative_to(DEPLOY)))


def stack_images(**environ: str) -> dict[str, str]:
    stack = yaml.safe_load(substitute((ROOT / "stack.yml").read_text(encoding="utf-8"), environ))
    return {name: entry["image"] for name, entry in stack["functions"].items()}


def container_images(manifests: list[dict[str, Any]]) -> list[str]:
    pods = [one["spec"]["template"]["spec"] for one in manifests if "template" in one.get("spec", {})]
    return [container["image"] for pod in pods for container in pod["containers"]]


def test_no_image_can_be_pulled_until_the_registry_is_set() -> None:
    assert all(UNRESOLVABLE.match(image) for image in [*container_images(PODS), *stack_images().values()])


def test_an_image_is_named_after_its_function_with_the_set_prefix_and_tag() -> None:
    for name, image in stack_images(IMAGE_PREFIX="registry.example.org:5000/soundlift", IMAGE_TAG="1").items():
        assert image == f"registry.example.org:5000/soundlift/{name}:1"


def test_an_unset_image_names_the_settings_to_set() -> None:
    for name, image in stack_images().items():
        assert image == f"registry.invalid/soundlift/{name}:set-image-prefix-and-image-tag"


@each_folder
def test_every_kustomization_uses_the_shared_registry(folder: Path) -> None:
    components = yaml.safe_load((folder / "kustomization.yaml").read_text())["components"]
    assert [(folder / component).resolve() for component in components] == [REGISTRY]


@pytest.mark.usefixtures("kubectl")
@each_folder
def test_a_rendered_unset_image_names_the_file_to_set_it_in(folder: Path) -> None:
    images = container_images(rendered(folder))
    assert images
    for image in images:
        assert re.fullmatch(
            r"registry\.invalid/soundlift/[a-z]+:set-your-registry-in-deploy-registry-registry\.env", image
        )


@pytest.mark.usefixtures("kubectl")
@each_folder
@pytest.mark.parametrize("tag", ["1", "1.10", "2026-01-31", MAX_TAG_LENGTH * "a"])
def test_prefix_and_tag_are_set_in_one_file_for_all(folder: Path, tag: str, tmp_path: Path) -> None:
    copied = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copied)
    (copied / "registry" / "registry.env").write_text(
        f"IMAGE_PREFIX=registry.example.org:5000/team/soundlift\nIMAGE_TAG={tag}\n"
    )
    manifests = rendered(copied / folder.relative_to(DEPLOY))
    for image in container_images(manifests):
        assert re.fullmatch(rf"registry\.example\.org:5000/team/soundlift/[a-z]+:{re.escape(tag)}", image)
    for job in (one for one in manifests if one["kind"] == "Job"):
        assert job["metadata"]["name"] == f"{folder.name}-{tag}"
        assert len(job["metadata"]["name"]) <= MAX_NAME_LENGTH
    assert "registry" not in {one["metadata"]["name"] for one in manifests}


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_kustomize_tag_is_a_string(file: Path) -> None:
    for tag in re.findall(r"newTag: *(.+?) *[},\n]", file.read_text()):
        assert isinstance(yaml.safe_load(tag), str)
