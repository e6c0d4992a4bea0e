"""Bills of materials, licences, advisories, and digests of images."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS, PIN = ROOT / "requirements", ROOT / "deploy" / "pin.py"
SHIPPED = ("frontend", "triton", "servers", "acs", "llm")
DIGEST = "sha256:" + "5e" * 32


def run(
    script: Path, *arguments: str, path: Path | None = None, cwd: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("sbom")
    done = run(REQUIREMENTS / "bill.py", str(folder))
    assert (done.returncode, done.stderr) == (0, "")
    return {path.name.removesuffix(".cdx.json"): json.loads(path.read_text()) for path in folder.iterdir()}


def test_there_is_a_valid_bill_for_every_lock_and_every_image(bills: Mapping[str, Any]) -> None:
    locks = {f"environment-{path.stem}" for path in REQUIREMENTS.glob("*.txt")}
    images = {f"image-{name}" for name in ("frontend", "acs", "triton")}
    assert bills.keys() == locks | images
    validator = cyclonedx_validator()
    for bill in bills.values():
        validator.validate(bill)
    assert not validator.is_valid({**bills["image-acs"], "components": [{"name": "x"}]})


def cyclonedx_validator() -> jsonschema_rs.Draft7Validator:
    """Of the published schemas; the library's own validator takes a minute."""
    folder = resources.files("cyclonedx.schema") / "_res"
    schema = json.loads((folder / "bom-1.6.SNAPSHOT.schema.json").read_text())

    def retrieve(uri: str) -> Any:
        return json.loads((folder / uri.rpartition("/")[2]).read_text())

    return jsonschema_rs.Draft7Validator(schema, retriever=retrieve)


@pytest.mark.parametrize("name", SHIPPED)
def test_bill_names_each_locked_package_with_its_files_and_its_licence(
    bills: Mapping[str, Any], name: str
) -> None:
    lock = (REQUIREMENTS / f"{name}.txt").read_text()
    pinned = {
        f"pkg:pypi/{package}@{version}"
        for package, version in re.findall(r"(?m)^([\w.-]+)(?:\[.*\])?==(\S+)", lock)
    }
    found = {component["purl"]: component for component in bills[f"environment-{name}"]["components"]}
    assert {address.replace("_", "-") for address in pinned} == found.keys()
    for component in found.values():
        assert component["licenses"]
        (files,) = component["externalReferences"]
        assert all(each["content"] in lock for each in files["hashes"])
        assert files["hashes"]


def test_images_bill_names_its_base_and_what_the_repository_carries(bills: Mapping[str, Any]) -> None:
    names = {component["name"] for component in bills["image-frontend"]["components"]}
    assert {"python", "swagger-ui", "preact", "instrument-sans", "aiohttp"} <= names
    triton = {component["name"]: component for component in bills["image-triton"]["components"]}
    base = next(component for name, component in triton.items() if name.endswith("/tritonserver"))
    assert base["type"] == "container"
    assert "all-MiniLM-L6-v2" in triton
    assert "nudenet" not in names | triton.keys()  # AGPL: the reviewer's image alone


def test_what_is_carried_is_there_in_the_version_that_is_told() -> None:
    import tomllib

    for each in tomllib.loads((REQUIREMENTS / "licences.toml").read_text())["carried"]:
        assert (ROOT / each["folder"]).is_dir()
        notice = (ROOT / "NOTICE-THIRD-PARTY.md").read_text()
        assert each["folder"] in notice
        assert each.get("version", "") in notice


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Of the locks and the rules, beside this machine's environments."""
    shutil.copytree(REQUIREMENTS, tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path / "requirements"


def test_every_package_has_a_licence_that_it_may_have_where_it_is() -> None:
    done = run(REQUIREMENTS / "licences.py")
    assert done.returncode == 0, done.stderr
    for name in SHIPPED:  # all of theirs are installed here
        assert f"{name}:" not in done.stderr


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            ('environments = ["acs"]', 'environments = ["llm"]'),
            "acs: nudenet has AGPL-3.0-only, which is not",
        ),
        (('"MPL-2.0", ', ""), "which is not permitted there"),
        (('hnswlib = "Apache-2.0"\n', ""), "frontend: hnswlib says nothing that can be read"),
    ],
)
def test_licence_that_is_not_permitted_is_told(copy: Path, change: tuple[str, str], told: str) -> None:
    rules = copy / "licences.toml"
    assert change[0] in rules.read_text()
    rules.write_text(rules.read_text().replace(*change, 1))
    done = run(copy / "licences.py")
    assert done.returncode == 1
    assert told in done.stderr


def audit_with(copy: Path, program: str) -> "subprocess.CompletedProcess[str]":
    """With a program in pip-audit's place, told the requirements by standard input."""
    (copy / "stand_in.py").write_text(program)
    call = f"import audit, sys; sys.exit(audit.main((sys.executable, {str(copy / 'stand_in.py')!r})))"
    command = [sys.executable, "-c", call]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=60)


STAND_IN = """
import json, sys
pins = [line.strip().split("==") for line in sys.stdin]
def of(name, version):
    found = [{"id": "CVE-2026-1", "fix_versions": ["99.0"]}] if name == %r else []
    known = {"name": name, "version": version, "vulns": found}
    return known if name != %r else {"name": name, "skip_reason": "no"}
print(json.dumps({"dependencies": [of(*pin) for pin in pins]}))
"""


def test_advisory_is_told_with_its_remedy_and_its_environments(copy: Path) -> None:
    done = audit_with(copy, STAND_IN % ("nudenet", ""))
    assert done.returncode == 1
    assert re.search(r"^nudenet \S+: CVE-2026-1, mended in 99.0 \(acs\)$", done.stdout, re.MULTILINE)


def test_without_an_advisory_all_packages_were_asked_for(copy: Path) -> None:
    done = audit_with(copy, STAND_IN % ("", ""))
    assert (done.returncode, done.stderr) == (0, "")
    pins = {
        pin
        for lock in copy.glob("*.txt")
        for pin in re.findall(r"(?m)^([\w.-]+)(?:\[.*\])?==(\S+)", lock.read_text())
    }
    assert done.stdout == f"audit: {len(pins)} packages, 0 advisories\n"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (STAND_IN % ("", "pip"), "audit: nothing was checked: no database can be reached from here\n"),
        ("raise SystemExit('no route')", "no database can be reached from here: no route\n"),
        (STAND_IN % ("", "uvloop"), "audit: not in the database: uvloop\n"),
    ],
)
def test_what_was_not_asked_is_not_called_safe(copy: Path, program: str, told: str) -> None:
    done = audit_with(copy, program)
    assert done.returncode == 2
    assert done.stderr.endswith(told)


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """The files that name images, and a Docker that knows a digest of each."""
    for name in ("Dockerfile", "deploy/compose.yaml", "deploy/helm/imgen/values.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    docker(tmp_path, f'echo "$@" >>{shlex.quote(str(tmp_path))}/asked; echo {DIGEST}')
    return tmp_path


def docker(folder: Path, script: str) -> None:
    (folder / "bin" / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "docker").chmod(0o755)


def test_images_are_pinned_to_what_their_registries_say(pinned: Path) -> None:
    first = run(PIN, str(pinned), path=pinned / "bin")
    assert first.returncode == 0, first.stderr
    texts = {name: (pinned / name).read_text() for name in ("Dockerfile", "deploy/compose.yaml")}
    bases = re.findall(r"(?m)^FROM (\S+) AS", texts["Dockerfile"])
    stages = set(re.findall(r"(?m) AS (\S+)$", texts["Dockerfile"]))
    assert all(base in stages or base.endswith(f"@{DIGEST}") for base in bases)
    images = set(re.findall(r"(?m)^\s+image: (\S+)$", texts["deploy/compose.yaml"]))
    assert all(image.startswith("imgen-") or image.endswith(f"@{DIGEST}") for image in images)
    assert (
        f"  redis: valkey/valkey:8.1-alpine@{DIGEST}\n"
        in (pinned / "deploy/helm/imgen/values.yaml").read_text()
    )
    asked = (pinned / "asked").read_text().splitlines()
    assert all(line.startswith("buildx imagetools inspect --format {{.Manifest.Digest}} ") for line in asked)
    assert run(PIN, str(pinned), path=pinned / "bin").returncode == 0
    assert (pinned / "Dockerfile").read_text() == texts["Dockerfile"]


def test_registry_that_does_not_answer_changes_no_file(pinned: Path) -> None:
    docker(pinned, 'case "$*" in *valkey*) echo denied >&2; exit 1;; *) echo ' + DIGEST + ";; esac")
    done = run(PIN, str(pinned), path=pinned / "bin")
    assert (done.returncode, done.stderr) == (1, "pin: valkey/valkey:8.1-alpine: denied\n")
    assert (pinned / "Dockerfile").read_text() == (ROOT / "Dockerfile").read_text()
