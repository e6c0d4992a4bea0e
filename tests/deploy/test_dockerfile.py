"""No container engine runs here, so the images are checked by what they copy and by a linter."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.common.version import __version__
from tests.deploy.dockerfile import LINES, ROOT, copies, stages


def image(stage: str, folder: Path) -> Path:
    """The stage's files under `folder`, as the build lays them below /app."""
    for sources, target in copies(stage):
        for source in sources:
            place = folder / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)
    return folder


def run_in(folder: Path, python: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [python, "-P", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_linter_finds_nothing() -> None:
    hadolint = Path(sys.prefix) / "bin" / "hadolint"
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("stage", stages())
def test_everything_copied_exists_and_is_not_ignored(stage: str) -> None:
    permitted = [
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for sources, _ in copies(stage):
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, item) or source.startswith(item + "/") for item in permitted)


def test_requirements_are_installed_from_locks_with_hashes() -> None:
    installs = [line for line in LINES if "pip install" in line]
    assert len(installs) == 3
    for line in installs:
        assert re.search(r"--require-hashes (.* )?-r /requirements/", line)


@pytest.mark.parametrize("stage", ["frontend", "acs", "triton"])
def test_image_does_not_run_as_root_and_tells_its_health(stage: str) -> None:
    users = [line for line in stages()[stage] if line.startswith("USER ")]
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", users[-1])
    assert any(line.startswith("HEALTHCHECK ") for line in stages()[stage])


def test_tritons_image_has_the_backend_of_every_model_that_it_holds() -> None:
    held = copies("triton")
    assert (["model_repository"], "/opt/imgen/model_repository") in held
    configs = (ROOT / "model_repository").glob("*/config.pbtxt")
    wanted = {
        found for config in configs for found in re.findall(r'^backend: "(\w+)"', config.read_text(), re.M)
    }
    assert "prompt_encoder" in wanted
    for backend in wanted - {"python"}:
        sources = ["backends/shared", f"backends/{backend}"]
        assert (sources, f"/opt/tritonserver/backends/{backend}/") in held


def test_tritons_image_has_what_its_models_import(tmp_path: Path) -> None:
    """triton.sh and the models look for contract/ where the Dockerfile puts it."""
    assert (["contract"], "/opt/imgen/site/contract") in copies("triton")
    assert "ENV IMGEN_TRITON_SITE=/opt/imgen/site" in " ".join(stages()["triton"])
    image = tmp_path / "opt" / "imgen"
    shutil.copytree(ROOT / "contract", image / "site" / "contract")
    shutil.copy(ROOT / "deploy" / "triton.sh", image)
    (tmp_path / "tritonserver").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "tritonserver").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "IMGEN_MODEL_REPOSITORIES": str(ROOT / "model_repository"),
    }
    command = ["sh", str(image / "triton.sh")]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--load-model=text_to_image" in done.stdout.splitlines()


@pytest.mark.system
def test_frontend_starts_from_what_its_image_holds(tmp_path: Path) -> None:
    folder = image("frontend", tmp_path)
    python = Path(sys.executable)
    done = run_in(folder, python, "-m", "cli.main", "serve")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("imgen: IMGEN_REDIS_URL is not set")
    assert run_in(folder, python, "deploy/bucket.py").stderr == "bucket: IMGEN_S3_BUCKET is not set\n"


@pytest.mark.parametrize(("revision", "told"), [("1a2b3c", f"{__version__} (1a2b3c)"), ("", __version__)])
def test_container_tells_its_version_and_the_revision_of_its_build(
    revision: str, told: str, tmp_path: Path
) -> None:
    folder = image("frontend", tmp_path)
    (writing,) = (line.removeprefix("RUN ") for line in stages()["frontend"] if "revision.txt" in line)
    subprocess.run(writing, shell=True, check=True, cwd=folder, env={"REVISION": revision})
    assert run_in(folder, Path(sys.executable), "-m", "cli.main", "--version").stdout == f"imgen {told}\n"


def test_operators_find_imgen_and_its_doctor_in_the_frontends_image(tmp_path: Path) -> None:
    folder = image("frontend", tmp_path / "app")
    (writing,) = (line.removeprefix("RUN ") for line in stages()["frontend"] if "/bin/imgen" in line)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} -P "$@"\n')
    (programs / "python").chmod(0o755)
    subprocess.run(writing.replace("/usr/local/bin", str(programs)), shell=True, check=True)
    parts = ("REDIS_URL", "TRITON_URLS", "ACS_URL", "LLM_URL")
    away = dict(zip(parts, ("redis://127.0.0.1:9", "127.0.0.1:9", *["http://127.0.0.1:9"] * 2), strict=True))
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    environment |= {"IMGEN_DATA_DIR": str(tmp_path / "data")}
    environment |= {f"IMGEN_{name}": value for name, value in away.items()}
    done = subprocess.run(
        ["imgen", "doctor"], cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    installed = done.stdout.split("What is installed")[1].split("What is set")[0]
    assert "API server and commands" in installed and "! " not in installed and "✗" not in installed, (
        installed
    )
    assert re.search(r"commands: [1-9]\d+ packages, as locked", installed), installed
    assert "✗ stores: IMGEN_REDIS_URL: Redis does not answer" in done.stdout


@pytest.mark.system
def test_reviewer_starts_from_what_its_image_holds(tmp_path: Path) -> None:
    python = Path(sys.prefix) / "parts" / "acs" / "bin" / "python"
    if not python.exists():
        pytest.skip("the acs environment is not installed")
    done = run_in(image("acs", tmp_path), python, "-m", "acs", "--port", "0", "--fetch-allow", "not a prefix")
    assert done.stderr.startswith("acs: ")
