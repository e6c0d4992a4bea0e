"""A data folder that was copied while nothing ran is the whole system, elsewhere and later."""

import base64
import re
import subprocess
from pathlib import Path

import requests

from tests.docs.shown_commands import ROOT, commands
from tests.system.customer import links
from tests.system.running import running

NO_LLM = {"IMGEN_LLM_URL": "http://127.0.0.1:9/v1"}


def copy(folder: Path, *beginnings: str) -> None:
    """By the commands of docs/operations.md that begin so, with a backup of one day."""
    shown = commands((ROOT / "docs" / "operations.md").read_text())
    found = [command for command in shown if command.startswith(beginnings)]
    script = re.sub(r"/mnt/backup/imgen-\S+( \S+\))?", str(folder / "backup"), "\n".join(found))
    subprocess.run(["sh", "-ec", script], cwd=folder, check=True)


def test_restored_folder_has_keys_jobs_pictures_and_its_mark(tmp_path: Path) -> None:
    folder = tmp_path / ".imgen"
    with running(folder, **NO_LLM) as system:
        job = system.post({"action": "generate", "prompt": "a red car on the beach", "seed": 7})["id"]
        picture = requests.get(links(system.until_final(job))[0], timeout=30).content
        exported = system.imgen("audit", "export", str(tmp_path / "audit"))
        assert exported.returncode == 0, exported.stderr
    copy(tmp_path, "cp -a .imgen")
    copy(tmp_path, "mv", "cp -a /mnt")
    with running(folder, **NO_LLM) as restored:
        assert restored.key == system.key
        again = restored.post({"action": "status", "id": job})
        assert requests.get(links(again)[0], timeout=30).content == picture
        image = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        assert restored.post({"action": "verify", "image": image})["result"] == "made_here"
        verified = restored.imgen("audit", "verify", str(tmp_path / "audit"))
        assert verified.returncode == 0, verified.stderr
