"""The Dockerfile's stages, read as a build reads them."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def stages() -> dict[str, list[str]]:
    """Instructions of each stage, those of the stages that it is built on first."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in LINES:
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            name = match[2]
            found[name] = list(found.get(match[1], []))
        elif name and line and not line.startswith("#"):
            found[name].append(line)
    return found


def copies(stage: str) -> list[tuple[list[str], str]]:
    """(sources in the repository, target) of each COPY of the stage."""
    words = [line.split()[1:] for line in stages()[stage] if line.startswith("COPY ")]
    return [(line[:-1], line[-1]) for line in words if not line[0].startswith("--from=")]


def last(stage: str, instruction: str) -> list[str]:
    """The words of the stage's ENTRYPOINT or CMD; none: the base image has one."""
    said = [line for line in stages()[stage] if line.startswith(f"{instruction} ")]
    words: list[str] = json.loads(said[-1].removeprefix(f"{instruction} ")) if said else []
    return words


def health(stage: str) -> list[str]:
    """The command of its HEALTHCHECK."""
    (line,) = (line for line in stages()[stage] if line.startswith("HEALTHCHECK "))
    words: list[str] = json.loads(line[line.index("CMD ") + 4 :])
    return words


def variables(stage: str) -> dict[str, str]:
    """What its ENVs set."""
    said = " ".join(line.removeprefix("ENV ") for line in stages()[stage] if line.startswith("ENV "))
    return dict(re.findall(r"(\w+)=(\S+)", said))
