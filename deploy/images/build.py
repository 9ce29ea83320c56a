"""Builds the images of the functions in stack.yml, the connector and the command (`make images`).

If faas-cli and Docker are on PATH and BUILDER is not set, faas-cli builds the functions. Otherwise Docker or Podman
builds the tree that faas-cli would build: the template, the function's folder as function/, and below it the folders
that stack.yml lists under `copy`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from soundlift.local.stack import StackFunction, read_stack

ROOT = Path(__file__).parents[2]
STACK_FILE = ROOT / "stack.yml"
TREES = Path("build/images")
FOLDER = Path("deploy/images")
OWN_PACKAGES = {"connector": ("common", "connector"), "cli": ("common", "local", "cli", "client")}
IGNORED = shutil.ignore_patterns("__pycache__")


def main() -> None:
    """Build the named images, or all of them."""
    functions = {function.name: function for function in read_stack(STACK_FILE)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"images to build: {', '.join((*functions, *OWN_PACKAGES))}; default: all"
    )
    parser.add_argument("--base", default="", help="base image with Python; default: the one in the Dockerfiles")
    parser.add_argument("--traces", action="store_true", help="add OpenTelemetry to the images (docs/traces.md)")
    parser.add_argument("--trees", type=Path, default=TREES, help=f"folder for the build trees; default: {TREES}")
    parser.add_argument("--only-lay-out", action="store_true", help="write the build trees without building images")
    options = parser.parse_args()
    if unknown := set(options.names) - {*functions, *OWN_PACKAGES}:
        parser.error(f"there is no image {', '.join(sorted(unknown))}")
    arguments = [
        *(_argument("BASE_IMAGE", options.base) if options.base else []),
        *(_argument("TRACES", "true") if options.traces else []),
    ]
    commands = {}
    for name in options.names or (*functions, *OWN_PACKAGES):
        if name in functions and _faas_cli_can_build() and not options.only_lay_out:
            commands[name] = ["faas-cli", "build", "--yaml", str(STACK_FILE), "--filter", name, *arguments]
            continue
        tree = _empty(ROOT / options.trees / name)
        if name in functions:
            image = lay_out(functions[name], tree)
        else:
            image = lay_out_own(name, tree, like=next(iter(functions.values())))
        if not options.only_lay_out:
            part = [*_argument("PART", name), "--target", name] if name in OWN_PACKAGES else []
            commands[name] = [_find_builder(), "build", "--tag", image, *arguments, *part, str(tree)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        built = {name: pool.submit(_build, name, command) for name, command in commands.items()}
    failed = [name for name, future in built.items() if not future.result()]
    if failed:
        sys.exit(f"Not built: {', '.join(failed)}.")


def lay_out(function: StackFunction, tree: Path) -> str:
    """Write a function's build tree as faas-cli would, and return the image's name."""
    stack = yaml.safe_load(STACK_FILE.read_text(encoding="utf-8"))
    language = stack["functions"][function.name]["lang"]
    shutil.copytree(ROOT / "template" / language, tree, dirs_exist_ok=True, ignore=IGNORED)
    shutil.copytree(ROOT / function.handler, tree / "function", ignore=IGNORED)
    for path in stack["configuration"]["copy"]:
        shutil.copytree(ROOT / path, tree / "function" / path, ignore=IGNORED)
    return function.image


def lay_out_own(name: str, tree: Path, *, like: StackFunction) -> str:
    """Write the build tree of the connector or the command: its packages and requirements.

    Returns the image's name, with the prefix and tag of the function `like`.
    """
    for file in (FOLDER / "Dockerfile", FOLDER / name / "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / file, tree)
    for part in OWN_PACKAGES[name]:
        shutil.copytree(ROOT / "soundlift" / part, tree / "soundlift" / part, ignore=IGNORED)
    _write_version(tree / "soundlift.dist-info")
    prefix, _, name_and_tag = like.image.rpartition("/")
    return f"{prefix}/{name}:{name_and_tag.partition(':')[2]}"


def _write_version(folder: Path) -> None:
    """Write the package metadata for `--version` (core metadata specification, version 2.1)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: soundlift\nVersion: {project['version']}\n")


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _argument(name: str, value: str) -> list[str]:
    return ["--build-arg", f"{name}={value}"]


def _faas_cli_can_build() -> bool:
    return not os.environ.get("BUILDER") and bool(shutil.which("faas-cli") and shutil.which("docker"))


def _find_builder() -> str:
    found = os.environ.get("BUILDER") or shutil.which("docker") or shutil.which("podman")
    if not found:
        sys.exit("None of faas-cli, Docker and Podman is on PATH; install one to build images.")
    return found


def _build(name: str, command: list[str]) -> bool:
    """Build an image; print the time, and the output if the build fails."""
    started = time.monotonic()
    ended = subprocess.run(
        command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    seconds = time.monotonic() - started
    output = f":\n{ended.stdout}" if ended.returncode else ""
    print(f"{name}: {'failed' if ended.returncode else 'built'} in {seconds:.0f} s{output}", flush=True)
    return ended.returncode == 0


if __name__ == "__main__":
    main()
