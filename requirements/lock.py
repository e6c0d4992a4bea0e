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
# torch has builds per accelerator under one version, so its lock cannot carry hashes.
NO_HASHES = {"bench-watermark", "export", "export-dev"}
PARTS = (
    "triton", "servers", "acs", "llm", "export", "bench", "bench-cache", "bench-watermark",
    "invisible-watermark", "perf-analyzer",
)  # fmt: skip
# Carried whole for the servers inside; their Python dependencies are never imported.
NO_DEPENDENCIES = {"invisible-watermark", "perf-analyzer", "servers"}
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def environments() -> dict[str, list[str]]:
    """Lock → what it must hold."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    core, extras = project["dependencies"], project["optional-dependencies"]
    parts = {name: extras[name] for name in PARTS}
    with_dev = {"dev": core + extras["dev"], "export-dev": extras["export"] + extras["export-dev"]}
    return {"frontend": core, **parts, **with_dev}


def rewrite() -> None:
    for name, wanted in environments().items():
        flags = [] if name in NO_HASHES else ["--generate-hashes"]
        flags += ["--no-deps"] if name in NO_DEPENDENCIES else []
        if links := os.environ.get("PIP_FIND_LINKS"):
            flags += ["--find-links", links, "--no-emit-find-links"]
        command = ["uv", "pip", "compile", "-q", "--python-version", "3.11", "--no-header", "--no-annotate"]
        target = HERE / f"{name}.txt"
        subprocess.run([*command, *flags, "-", "-o", target], input="\n".join(wanted), text=True, check=True)
        # A local build ("+cpu") is what this machine has, not what the next one must have.
        target.write_text(re.sub(r"(==[\d.]+)\+\w+", r"\1", target.read_text()))
        print(f"{target.name}: {sum('==' in line for line in target.read_text().splitlines())} packages")


def mistakes() -> Iterator[str]:
    for name, wanted in environments().items():
        text = (HERE / f"{name}.txt").read_text()
        held = {canonicalize_name(package): version for package, version in PIN.findall(text)}
        for requirement in map(Requirement, wanted):
            version = held.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                yield f"requirements/{name}.txt has {version or 'nothing'} for {requirement}"
        if name not in NO_HASHES and text.count("==") > len(re.findall(r"==\S+ \\\n    --hash=", text)):
            yield f"requirements/{name}.txt has packages without a hash"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        found = list(mistakes())
        sys.exit("\n".join([*found, "run requirements/lock.py"]) if found else 0)
    rewrite()
