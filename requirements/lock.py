"""Rewrite the locks from pyproject.toml: python requirements/lock.py (needs uv on PATH).

One lock per environment. None carries an index line, so that every installation uses its own registry.
"""

import os
import re
import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
# torch has builds per accelerator under one version, so its lock cannot carry hashes.
NO_HASHES = {"bench-watermark", "export", "export-dev"}
PARTS = (
    "triton", "servers", "acs", "llm", "export", "bench", "bench-cache", "bench-watermark",
    "invisible-watermark", "perf-analyzer",
)  # fmt: skip
# Carried whole for the servers inside; their Python dependencies are never imported.
NO_DEPENDENCIES = {"invisible-watermark", "perf-analyzer", "servers"}


def main() -> None:
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    core, extras = project["dependencies"], project["optional-dependencies"]
    environments = {"frontend": core, "dev": core + extras["dev"]}
    environments |= {name: extras[name] for name in PARTS}
    environments["export-dev"] = extras["export"] + extras["export-dev"]
    for name, wanted in environments.items():
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


if __name__ == "__main__":
    main()
