"""A data folder that was copied while nothing ran is the whole system, elsewhere and later."""

import base64
import shutil
import subprocess
from pathlib import Path

import requests

from tests.system.customer import links
from tests.system.running import running

NO_LLM = {"IMGEN_LLM_URL": "http://127.0.0.1:9/v1"}


def test_restored_folder_has_keys_jobs_pictures_and_its_mark(tmp_path: Path) -> None:
    folder, backup = tmp_path / "imgen", tmp_path / "backup"
    with running(folder, **NO_LLM) as system:
        job = system.post({"action": "generate", "prompt": "a red car on the beach", "seed": 7})["id"]
        picture = requests.get(links(system.until_final(job))[0], timeout=30).content
        exported = system.imgen("audit", "export", str(tmp_path / "audit"))
        assert exported.returncode == 0, exported.stderr
    subprocess.run(("cp", "-a", str(folder), str(backup)), check=True)
    shutil.rmtree(folder)
    subprocess.run(("cp", "-a", str(backup), str(folder)), check=True)
    with running(folder, **NO_LLM) as restored:
        assert restored.key == system.key
        again = restored.post({"action": "status", "id": job})
        assert requests.get(links(again)[0], timeout=30).content == picture
        image = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        assert restored.post({"action": "verify", "image": image})["result"] == "made_here"
        verified = restored.imgen("audit", "verify", str(tmp_path / "audit"))
        assert verified.returncode == 0, verified.stderr
