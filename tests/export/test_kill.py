"""SIGKILL at many moments of an export: what is published is the old model or the new one, part by part."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from export.model import ExportOptions, export_checkpoint
from export.repository.finished_stages import KEY_FILE

PARTS = ("decoder", "denoiser", "text-encoder")
# One process loads torch; each of its children exports, and kills itself at a later change of the output
# folder than the one before, until one gets to the end. Prints what is then published: part → digest.
DRIVER = """
import hashlib, json, os, signal, sys
from pathlib import Path
from export.model import export_checkpoint

checkpoint, output = map(Path, sys.argv[1:])

def digest(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return whole.hexdigest()

def killed_at(number):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event in ("os.rename", "os.mkdir", "shutil.rmtree") and str(output) in str(arguments[0]):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        export_checkpoint(checkpoint, "eros", output)
        os._exit(0)
    return os.waitpid(child, 0)[1]

number = 1
while True:
    status = killed_at(number)
    print(json.dumps([status, {path.name: digest(path) for path in output.glob("eros-*")}]), flush=True)
    if status == 0:
        break
    number = number + 1 if number < 4 else number * 3 // 2
"""


def test_killed_export_leaves_each_part_old_or_new_and_the_next_run_completes(
    tiny_folder: Path, repository: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(repository, tmp_path / "served"))
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(tiny_folder), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(states) > 5 and [status for status, _ in states[:-1]] == [9] * (len(states) - 1), done.stderr
    old, new = states[0][1], states[-1][1]
    assert states[-1][0] == 0 and set(new) == {f"eros-{part}" for part in PARTS}
    assert all(old[part] != new[part] for part in new)
    for _, published in states:
        assert set(published) == set(new)
        assert all(digest in (old[part], new[part]) for part, digest in published.items())
    left = {path.name for path in output.iterdir()}
    assert left == {*new, ".reports"}, "something half-made was left"
    export_checkpoint(tiny_folder, "eros", tmp_path / "elsewhere", ExportOptions())
    for part in new:
        keys = [(folder / part / KEY_FILE).read_text() for folder in (output, tmp_path / "elsewhere")]
        assert keys[0] == keys[1]
