"""The README's commands, pasted as they stand; only port and data folder are this test's own."""

import re
import shlex
import subprocess
from pathlib import Path

from frontend.settings import ROOT
from tests.system.running import System

README = (ROOT / "README.md").read_text()
PROVENANCE = (ROOT / "docs" / "provenance.md").read_text()


def listing(after: str) -> str:
    """The indented lines that follow this text."""
    _, _, rest = README.partition(after)
    found = re.search(r"(?:^ {4}.*\n|^\n)+", rest, re.MULTILINE)
    assert found, after
    return re.sub(r"^ {4}", "", found[0], flags=re.MULTILINE)


def test_first_command_writes_a_picture(system: System, tmp_path: Path) -> None:
    imgen, *arguments = shlex.split(listing("and, in another terminal:\n\n"))
    assert imgen == ".venv/bin/imgen" and arguments[-1] == "picture.jpg"
    arguments[-1] = str(tmp_path / "picture.jpg")
    done = system.imgen(*arguments)
    assert done.returncode == 0, done.stderr
    assert Path(arguments[-1]).read_bytes()[:2] == b"\xff\xd8"


def test_curl_steps_download_a_picture(system: System, tmp_path: Path) -> None:
    script = listing("`.imgen/key` holds the key that it prints:\n\n")
    ours = {"localhost:8080": system.url.removeprefix("http://"), ".imgen/key": f"{system.folder}/key"}
    for theirs, own in ours.items():
        assert theirs in script
        script = script.replace(theirs, own)
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert '"status":"COMPLETED"' in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "picture.webp").read_bytes()[8:12] == b"WEBP"


def test_curl_verifies_a_picture(system: System, tmp_path: Path) -> None:
    made = system.imgen(
        "generate", "a blue house", "-o", str(tmp_path / "picture.jpg"), "--size", "1024x1024"
    )
    assert made.returncode == 0, made.stderr
    script = next(line for line in PROVENANCE.splitlines() if "| curl " in line)
    script = script.replace("localhost:8080", system.url.removeprefix("http://"))
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert '"result":"made_here"' in done.stdout, done.stdout + done.stderr


def test_characters_commands_work_on_a_running_system(system: System, tmp_path: Path) -> None:
    imgen, *add = shlex.split(listing("credentials of its pictures:\n\n"))
    assert imgen == "imgen" and "nova.safetensors" in add
    add[add.index("nova.safetensors")] = str(ROOT / "demo" / "loras" / "aya.safetensors")
    for arguments in (add, ["character", "list"], ["character", "remove", "nova", "--purge"]):
        done = system.imgen(*arguments)
        assert done.returncode == 0, done.stderr
        assert "nova" in done.stdout + done.stderr
