"""SIGKILL at many moments of a merge: what stands is the old character or the new one, whole."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from diffusers import UNet2DConditionModel

from export.character import merge_character
from export.graphs.storage import load_model, save_model, write_hashes
from export.lora.strength import Strength
from tests.export.loras import peft_state, save_kohya, with_lora

# One process loads the libraries; each of its children merges, and kills itself at a later moment than the
# one before, until one gets to the end: when it opens, makes or renames something in the folder, or has
# changed another weight. Prints what is then there: network → digest.
DRIVER = """
import hashlib, json, os, signal, sys
from pathlib import Path
from export.character import merge_character
from export.lora.strength import Strength

base, lora, target = map(Path, sys.argv[1:])
merged = str(target.parent)

def digest(folder):
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return whole.hexdigest()

def killed_at(number):
    count = 0
    def moment(*_):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, arguments):
        if event in ("open", "os.rename", "os.mkdir", "shutil.rmtree") and merged in str(arguments[0]):
            moment()
    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        merge_character(base, lora, target, Strength(0.5), on_progress=moment)
        os._exit(0)
    return os.waitpid(child, 0)[1]

number = 1
while True:
    status = killed_at(number)
    found = {path.name: digest(path) for path in target.parent.glob("eros-*")}
    print(json.dumps([status, found]), flush=True)
    if status == 0:
        break
    number = number + 1 if number < 12 else number * 5 // 4
"""


def test_killed_merge_leaves_the_old_character_or_the_new_one(
    repository: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    base = tmp_path / "models" / "eros-denoiser"
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    shutil.copytree(repository, tmp_path / "models")
    shutil.rmtree(base / "1")
    save_model(model, base / "1", one_file_bytes=0)
    write_hashes(base)
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    adapted = with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)
    lora = save_kohya(peft_state(adapted), tmp_path / "lora.safetensors")
    target = tmp_path / "merged" / "eros-denoiser--aya"
    merge_character(base, lora, target)
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, str(base), str(lora), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(states) > 12 and [status for status, _ in states] == [9] * (len(states) - 1) + [0], done.stderr
    old, new = states[0][1], states[-1][1]
    assert old.keys() == new.keys() and all(old[name] != new[name] for name in new)
    for _, found in states:
        assert found.keys() == new.keys()
        assert all(digest in (old[name], new[name]) for name, digest in found.items())
    assert not list(target.parent.glob(".eros-*.tmp")), "something half-made was left"
    assert before == {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    assert not merge_character(base, lora, target, Strength(0.5)).written
