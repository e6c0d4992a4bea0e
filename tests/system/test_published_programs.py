"""The client programs of the published documentation, unchanged but for base URL, token and prompt."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import c2pa
import requests
from PIL import Image

from tests.programs import needs
from tests.system.running import System

PROGRAMS = Path(__file__).with_name("programs")
PROMPT = "@aya reading a book under a tree, warm lighting, -rain"


def program(name: str, system: System, folder: Path) -> Path:
    text = (PROGRAMS / name).read_text()
    text = text.replace("@URL@", f"{system.url}/api/v2").replace("@TOKEN@", system.key)
    path = folder / name
    path.write_text(text.replace("@PROMPT@", PROMPT))
    return path


def output_of(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_picture(url: str) -> None:
    """What the URL leads to is a JPEG of the default size with valid content credentials."""
    response = requests.get(url, timeout=30)
    assert response.headers["Content-Type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(response.content))
    assert (picture.format, picture.size) == ("JPEG", (1344, 768))
    low, high = zip(*picture.convert("RGB").getextrema(), strict=True)
    assert max(high) - min(low) > 32, "a picture of one colour"
    with c2pa.Reader("image/jpeg", io.BytesIO(response.content)) as reader:
        assert reader.get_validation_state() in ("Valid", "Trusted")


def url_in(text: str) -> str:
    found = re.search(r"https?://\S+", text)
    assert found, text
    return found[0]


def test_javascript_program(system: System, tmp_path: Path) -> None:
    check_picture(url_in(output_of(needs("node"), program("client.mjs", system, tmp_path))))


def test_python_program(system: System, tmp_path: Path) -> None:
    check_picture(url_in(output_of(sys.executable, program("client.py.txt", system, tmp_path))))


def test_php_program(system: System, tmp_path: Path) -> None:
    check_picture(url_in(output_of(needs("php"), program("client.php", system, tmp_path))))


def test_curl_program(system: System, tmp_path: Path) -> None:
    """The published commands one after the other; the poll gets the job's id, as its reader would do."""
    needs("curl")
    script = program("client.sh", system, tmp_path)
    head, poll = script.read_text().split("# Poll status (replace JOB_ID)\n")
    script.write_text(head)
    models, job = output_of("bash", script).replace("}{", "}\n{").splitlines()
    assert '"eros"' in models
    job_id = re.search(r'"id":"(\w+)"', job)
    assert job_id, job
    assignments = "".join(line + "\n" for line in head.splitlines() if re.match(r"[A-Z]+=", line))
    script.write_text(assignments + poll.replace("JOB_ID", job_id[1]))
    system.until_final(job_id[1])
    state = output_of("bash", script)
    assert '"status":"COMPLETED"' in state
    found = re.search(r'"url":"([^"]+)"', state)
    assert found, state
    check_picture(found[1])


def test_a_picture_names_its_weights_and_its_characters_rights_and_what_it_depicts(system: System) -> None:
    job = system.post({"action": "generate", "prompt": "@aya waving on the beach"})
    meta = system.until_final(job["id"])["meta"]
    assert set(meta["weights"]) == {"engine", "base", "lora"}
    data = requests.get(meta["images"][0]["url"], timeout=30).content
    with c2pa.Reader("image/jpeg", io.BytesIO(data)) as reader:
        report = json.loads(reader.json())
    assertions = report["manifests"][report["active_manifest"]]["assertions"]
    (facts,) = [one["data"] for one in assertions if one["label"] == "org.imgen.generation"]
    recorded = (facts["rights"], facts["depicts"], facts["weights"])
    assert recorded == ("fictional", "nonhuman", meta["weights"])
