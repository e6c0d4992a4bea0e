"""The real command lines with bad input: one line that says what to do, exit code 2, nothing changed."""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from embedded.part import python_of
from frontend.settings import ROOT

DEMO_LORA = ROOT / "demo" / "loras" / "aya.safetensors"
Tensors = Mapping[str, npt.NDArray[np.float32]]
Write = Callable[[Path], None]
NAME = "lora_unet_down_blocks_0_resnets_0_conv1"
STAGES = ("Export ", "merge into ", "make the engine ", "compare with ")  # of a command


def safetensors(tensors: Tensors) -> bytes:
    header, data = {}, b""
    for key, value in tensors.items():
        header[key] = {
            "dtype": "F32",
            "shape": value.shape,
            "data_offsets": [len(data), len(data) + value.nbytes],
        }
        data += value.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def writes(tensors: Tensors) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(safetensors(tensors))

    return write


def pair(name: str, rank_up: int = 2, value: float = 1.0) -> Tensors:
    return {
        f"{name}.lora_down.weight": np.full((2, 8, 3, 3), value, np.float32),
        f"{name}.lora_up.weight": np.ones((8, rank_up, 1, 1), np.float32),
    }


def damaged(change: Callable[[bytes], bytes]) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(change(DEMO_LORA.read_bytes()))

    return write


def good(path: Path) -> None:
    shutil.copy(DEMO_LORA, path)


@dataclass(frozen=True)
class Case:
    message: str
    write: Write = good
    name: str = "nova"
    file_limit: int | None = None  # bytes that one file may have, as if the disk were full
    restored: bool = False  # whether it starts from the demo model's checkpoint

    def __str__(self) -> str:
        return self.message


LORAS = (
    Case("have no target in the model", writes(pair("lora_unet_joint_blocks_0_attn"))),
    Case("do not fit", writes(pair(NAME, rank_up=3))),
    Case("its target is", writes(pair(NAME))),
    Case("not a finite number", writes(pair(NAME, value=np.nan))),
    Case("Cannot read nova.safetensors", damaged(lambda data: data[:-100])),
    Case("Cannot read nova.safetensors: ", damaged(lambda data: (1 << 40).to_bytes(8, "little") + data[8:])),
    Case("Cannot read nova.safetensors:", damaged(lambda data: b"<html>not found</html>")),
    Case("make room", file_limit=100_000),
    Case("name '../nova'", name="../nova"),
    Case("name 'a/b'", name="a/b"),
)


pytestmark = pytest.mark.slow  # each mistake is made before the real exporter


def run(
    command: list[str], environment: Mapping[str, str], limit: int | None
) -> "subprocess.CompletedProcess[str]":
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit or resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    return subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        preexec_fn=limited if limit else None,
    )


def contents(folder: Path) -> dict[str, str]:
    """Of everything below, hidden files too: path → SHA-256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A catalogue, the repository of its models, and that of characters with one in service."""
    folder = tmp_path / "served"
    shutil.copytree(ROOT / "demo" / "catalogue", folder / "catalogue")
    shutil.copytree(ROOT / "demo" / "models", folder / "base")
    old = folder / "data" / "models" / "eros-denoiser--nova"
    old.mkdir(parents=True)
    (old / "config.pbtxt").write_text("old")
    return folder


def add_character(name: str, lora: Path, served: Path) -> tuple[list[str], dict[str, str]]:
    options = ["--lora", str(lora), "--model", "eros", "--trigger", "nova woman"]
    options += ["--rights", "fictional", "--depicts", "adult"]
    environment = {
        "IMGEN_CATALOGUE_DIR": str(served / "catalogue"),
        "IMGEN_MODELS_DIR": str(served / "base"),
        "IMGEN_DATA_DIR": str(served / "data"),
    }
    return [sys.executable, "-m", "cli.main", "character", "add", name, *options], environment


def merge_character(name: str, lora: Path, served: Path) -> tuple[list[str], dict[str, str]]:
    options = ["--name", name, "--model", "eros", "--repository", str(served / "base")]
    output = ["--output", str(served / "data" / "models")]
    return [python_of("triton"), "-m", "export.character", str(lora), *options, *output], {}


@pytest.mark.parametrize("case", LORAS, ids=str)
@pytest.mark.parametrize("command", [add_character, merge_character])
def test_bad_lora_changes_nothing(
    command: Callable[[str, Path, Path], tuple[list[str], dict[str, str]]],
    case: Case,
    served: Path,
    tmp_path: Path,
) -> None:
    lora = tmp_path / "nova.safetensors"
    case.write(lora)
    before = contents(served)
    done = run(*command(case.name, lora, served), case.file_limit)
    refused(done, case.message)
    assert contents(served) == before


def refused(done: "subprocess.CompletedProcess[str]", message: str) -> None:
    lines = [line for line in done.stderr.splitlines() if not line.startswith(STAGES)]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert message in lines[0]


def folder_of(write: Write) -> Write:
    """A diffusers folder whose only fault is in its weights."""

    def make(path: Path) -> None:
        path.mkdir()
        write(path)

    return make


def pickled(path: Path) -> None:
    index = {
        "text_encoder": ["transformers", "CLIPTextModel"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    path.mkdir()
    (path / "model_index.json").write_text(json.dumps(index))
    (path / "vae").mkdir()
    (path / "text_encoder").mkdir()
    (path / "text_encoder" / "config.json").write_text("{}")
    (path / "text_encoder" / "pytorch_model.bin").write_bytes(b"\x80\x04")


def gguf(path: Path) -> None:
    path.write_bytes(b"GGUF" + bytes(99))


def whole(path: Path) -> None:
    """As it is."""


def not_a_number(path: Path) -> None:
    weights = path / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    weights.write_bytes(data)


@pytest.fixture(scope="module")
def demo_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "checkpoint"
    command = [python_of("export"), "-m", "export.checkpoints.restore", "demo/models", "--name", "eros"]
    subprocess.run([*command, "--output", str(folder)], cwd=ROOT, check=True, capture_output=True)
    return folder


SINGLE_FILE = {
    "model.diffusion_model.input_blocks.0.0.weight": np.zeros((8, 4, 3, 3), np.float32),
    "conditioner.embedders.1.model.ln_final.weight": np.zeros(8, np.float32),
    "conditioner.embedders.1.model.text_projection": np.zeros((8, 8), np.float32),
    "first_stage_model.decoder.conv_in.bias": np.zeros(8, np.float32),
}
"""As much of SDXL in Stability's layout as is looked at before anything is loaded."""


def without(begin: str) -> Tensors:
    return {key: value for key, value in SINGLE_FILE.items() if not key.startswith(begin)}


CHECKPOINTS = (
    Case("a LoRA; `imgen character add` takes it", writes(pair(NAME))),
    Case("Cannot read", damaged(lambda data: data[:-100])),
    Case("Cannot read ", damaged(lambda data: (1 << 40).to_bytes(8, "little") + data[8:])),
    Case("convert it to safetensors first", pickled),
    Case("it is GGUF, whose weights are quantised", gguf),
    Case("has no VAE; name the file of one, of the same family: --vae FILE", writes(without("first_stage"))),
    Case("lacks its second text encoder's projection", writes(without("conditioner.embedders.1.model.text"))),
    Case("no diffusers checkpoint", folder_of(lambda path: None)),
    Case("not finite numbers, in ", not_a_number, restored=True),
    Case("make room", whole, file_limit=100_000, restored=True),
    Case("Invalid name '../nova'", name="../nova"),
    Case("Invalid name 'a/b'", name="a/b"),
)


@pytest.mark.parametrize("case", CHECKPOINTS, ids=str)
def test_bad_checkpoint_changes_nothing(
    case: Case, served: Path, demo_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    if case.restored:
        shutil.copytree(demo_checkpoint, checkpoint)
    case.write(checkpoint)
    before = contents(served)
    command = [sys.executable, "-m", "cli.main", "export", str(checkpoint), "--name", case.name]
    done = run([*command, "--output", str(served / "base")], {}, case.file_limit)
    refused(done, case.message)
    after = {name: digest for name, digest in contents(served).items() if ".work/" not in name}
    assert after == before  # finished stages are kept for the next run, where nothing serves them


def test_schedule_that_was_said_is_told_before_the_work(served: Path, tmp_path: Path) -> None:
    """By the options of `imgen export`; the file is then refused for its sizes, which leaves nothing."""
    checkpoint = tmp_path / "turbo.safetensors"
    writes(SINGLE_FILE)(checkpoint)
    before = contents(served)
    options = ["--prediction", "v_prediction", "--spacing", "linspace", "--zero-snr"]
    command = [sys.executable, "-m", "cli.main", "export", str(checkpoint), "--name", "nova", *options]
    done = run([*command, "--output", str(served / "base")], {}, None)
    refused(done, "name a folder in diffusers' layout that has its configs: --like FOLDER")
    line = "predicts v_prediction (--prediction), linspace spacing (--spacing), zero SNR (--zero-snr)"
    assert done.stderr.splitlines()[0] == f"Export nova: {line}"
    assert contents(served) == before and not list((served / "base").glob(".*"))


def test_plan_of_another_gpu_gets_no_character_here(served: Path) -> None:
    """By an interpreter that has a builder: TensorRT for RTX, on a machine that is not the plan's."""
    model = served / "base" / "eros-denoiser"
    (model / "1" / "model.plan").write_bytes(b"a plan")
    machine = {"builder": "tensorrt", "version": "10.13.3.9", "gpu": "NVIDIA H100 80GB HBM3, 9.0"}
    (model / "plan.json").write_text(json.dumps({**machine, "recipe": {}}))
    before = contents(served)
    command, environment = merge_character("zoe", DEMO_LORA, served)
    done = run([python_of("export"), *command[1:]], environment, None)
    refused(done, "was built by tensorrt 10.13.3.9 and the GPU NVIDIA H100 80GB HBM3, 9.0")
    assert contents(served) == before


def test_missing_builder_is_told_at_once(served: Path, demo_checkpoint: Path) -> None:
    """In an interpreter that cannot import one."""
    before = contents(served)
    program = (
        "import sys, runpy; sys.modules.update(tensorrt=None, tensorrt_rtx_bindings=None);"
        "runpy.run_module('export', run_name='__main__')"
    )
    options = ["--name", "eros", "--output", str(served / "base"), "--engine", "tensorrt"]
    command = [python_of("export"), "-c", program, str(demo_checkpoint), *options]
    refused(run(command, {}, None), "no TensorRT builder is installed")
    assert contents(served) == before
