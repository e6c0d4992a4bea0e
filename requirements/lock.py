"""Rewrite the locks from pyproject.toml: python requirements/lock.py (needs uv on PATH).

`--check` writes nothing and needs no network: it tells which lock lacks what pyproject.toml asks for.

One lock per environment. None carries an index line, so that every installation uses its own registry.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
# It has builds for each accelerator under one version: a hash would be that of this machine's.
NO_HASHES = {"torch"}
PARTS = (
    "triton", "servers", "acs", "llm", "export", "bench", "bench-cache", "bench-watermark",
    "invisible-watermark", "perf-analyzer",
)  # fmt: skip
# Carried whole for the servers inside; their Python dependencies are never imported.
NO_DEPENDENCIES = {"invisible-watermark", "perf-analyzer", "servers"}
PIN = re.compile(
    r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)", re.MULTILINE
)
HASH = re.compile(r"sha256:([0-9a-f]{64})")


def environments() -> dict[str, list[str]]:
    """Lock → what it must hold."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    core, extras = project["dependencies"], project["optional-dependencies"]
    parts = {name: extras[name] for name in PARTS}
    # The installer itself, which pip installs.
    parts["uv"] = ["uv"]
    server = core + extras["otel"]
    with_dev = {"dev": server + extras["dev"], "export-dev": extras["export"] + extras["export-dev"]}
    return {"frontend": server, **parts, **with_dev}


def rewrite() -> None:
    for name, wanted in environments().items():
        flags = ["--generate-hashes"]
        flags += ["--no-deps"] if name in NO_DEPENDENCIES else []
        if links := os.environ.get("PIP_FIND_LINKS"):
            flags += ["--find-links", links, "--no-emit-find-links"]
        command = ["uv", "pip", "compile", "-q", "--python-version", "3.11", "--no-header", "--no-annotate"]
        target = HERE / f"{name}.txt"
        subprocess.run([*command, *flags, "-", "-o", target], input="\n".join(wanted), text=True, check=True)
        # A local build ("+cpu") is what this machine has, not what the next one must have.
        text = re.sub(r"(==[\d.]+)\+\w+", r"\1", target.read_text())
        for package in NO_HASHES:
            text = re.sub(rf"^({package}==\S+)(?: \\\n +--hash=\S+)+", r"\1", text, flags=re.MULTILINE)
        target.write_text(text)
        print(f"{target.name}: {sum('==' in line for line in target.read_text().splitlines())} packages")


def pins(name: str) -> dict[str, str]:
    """Package → version."""
    text = (HERE / f"{name}.txt").read_text()
    return {canonicalize_name(package): version for package, version, _ in PIN.findall(text)}


def hashes(name: str) -> dict[str, list[str]]:
    """Package → SHA-256 of each file that it may come in."""
    text = (HERE / f"{name}.txt").read_text()
    return {canonicalize_name(package): HASH.findall(known) for package, _, known in PIN.findall(text)}


def mistakes() -> Iterator[str]:
    for name, wanted in environments().items():
        held = pins(name)
        for requirement in map(Requirement, wanted):
            version = held.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                yield f"requirements/{name}.txt has {version or 'nothing'} for {requirement}"
        without = {package for package, known in hashes(name).items() if not known} - NO_HASHES
        if without:
            yield f"requirements/{name}.txt has packages without a hash: {', '.join(sorted(without))}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        found = list(mistakes())
        sys.exit("\n".join([*found, "run requirements/lock.py"]) if found else 0)
    rewrite()
