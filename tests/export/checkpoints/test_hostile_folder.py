"""What a stranger's folder may not make the loaders do; nothing but a config's known keys reaches them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.errors import ExportError, describe_error
from tests.export.checkpoints.test_checkpoint import UNET, edit
from tests.export.tiny import save_tiny

DEEP = b'{"in_channels": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
JSON_FILES = (
    "model_index.json",
    "unet/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
)


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "hostile"))


def opened(folder: Path) -> Checkpoint:
    checkpoint = open_checkpoint(folder)
    open_tokenizers(checkpoint)
    return checkpoint


KERNELS = """
class Anything:
    def __init__(self, *given, **more): pass
    CUDA = INFERENCE = TRAINING = TORCH_COMPILE = 1

Device = LayerRepository = Mode = Anything

def get_kernel(name, *given, **more):
    print("loads", name)
    raise OSError

def use_kernel_forward_from_hub(name): return lambda kind: kind

register_kernel_mapping = replace_kernel_forward_from_hub = Anything
"""
OPEN = "import sys; from export.checkpoints.checkpoint import *; open_checkpoint(Path(sys.argv[1]))"


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_attention_of_a_hub_kernel_is_never_looked_for(folder: Path, key: str, tmp_path: Path) -> None:
    """With a loader of kernels, which would be found if it were asked."""
    edit(folder / "text_encoder" / "config.json", **{key: "stranger/kernel"})
    (tmp_path / "kernels.py").write_text(KERNELS)
    (tmp_path / "kernels-0.12.0.dist-info").mkdir()
    (tmp_path / "kernels-0.12.0.dist-info" / "METADATA").write_text("Name: kernels\nVersion: 0.12.0\n")
    path = os.pathsep.join([str(tmp_path), os.getcwd()])
    command = [sys.executable, "-P", "-c", OPEN, str(folder)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_attention_is_torchs_own(folder: Path) -> None:
    edit(folder / "text_encoder" / "config.json", attn_implementation="eager")
    assert opened(folder).networks["text_encoder"].config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("network", "keys"),
    [
        ("unet", {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
        ("unet", {"_class_name": "AutoencoderTiny", "_use_default_values": ["in_channels"]}),
        ("text_encoder", {"quantization_config": {"quant_method": "gptq", "bits": 4}}),
        ("text_encoder", {"model_type": "clip", "text_config": {"hidden_size": 8}}),
        ("text_encoder", {"gguf_file": "x", "tie_word_embeddings": True, "torchscript": True, "name": 7}),
        ("vae", {"a key that nobody knows": [1, {"deep": []}]}),
    ],
)
def test_unknown_key_changes_nothing(folder: Path, network: str, keys: dict[str, object]) -> None:
    edit(folder / network / "config.json", **keys)
    config = opened(folder).networks[network].config
    known = dict(config) if network != "text_encoder" else config.to_dict()
    assert {key: known.get(key) for key in keys} != keys


def test_adapter_beside_the_weights_leads_to_no_other_folder(folder: Path, tmp_path: Path) -> None:
    """transformers would take the weights from wherever such a file says."""
    other = save_tiny(tmp_path / "other", seed=1) / "text_encoder"
    adapter = {"peft_type": "LORA", "base_model_name_or_path": str(other), "r": 1, "target_modules": ["x"]}
    (folder / "text_encoder" / "adapter_config.json").write_text(json.dumps(adapter))
    found = opened(folder).networks["text_encoder"].state_dict()
    wanted = load_file(folder / "text_encoder" / "model.safetensors")
    assert all(torch.equal(found[key], value) for key, value in wanted.items())


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize(
    "content", [DEEP, b"[]", b"\xff{", b'{"a": ' + b"1" * 10_000 + b"}", b" " * (65 << 20)]
)
def test_json_that_no_library_writes_is_one_line(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ExportError) as caught:
        opened(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("unet", {"in_channels": "four"}),
        ("unet", {"block_out_channels": 10**15}),
        ("unet", {"layers_per_block": 10**6}),
        ("unet", {"transformer_layers_per_block": [[10**9]]}),
        ("text_encoder", {"num_hidden_layers": 10**8}),
        ("text_encoder", {"hidden_size": -1}),
        ("vae", {"scaling_factor": []}),
    ],
)
def test_value_that_no_network_has_is_refused_by_its_key(
    folder: Path, network: str, changes: dict[str, object]
) -> None:
    edit(folder / network / "config.json", **changes)
    with pytest.raises(ExportError, match=rf"{network}/config\.json: .*{next(iter(changes))}"):
        opened(folder)


def test_network_far_larger_than_its_files_is_refused_before_it_takes_memory(folder: Path) -> None:
    edit(
        folder / "unet" / "config.json",
        cross_attention_dim=100_000,
        projection_class_embeddings_input_dim=100_000,
    )
    with pytest.raises(ExportError, match=r"unet: its config asks for .* values, its files hold"):
        opened(folder)


def shard(folder: Path, name: str) -> None:
    """One shard, which the index calls so."""
    weights = load_file(folder / "unet" / UNET)
    (folder / "unet" / UNET).rename(folder / "unet" / "diffusion_pytorch_model-00001-of-00001.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(weights, name)}
    (folder / "unet" / f"{UNET}.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "name",
    ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "weights.bin", "\x1b[2J.safetensors", "."],
)
def test_shard_that_is_no_file_of_the_folder_is_refused(folder: Path, name: str) -> None:
    shard(folder, name)
    with pytest.raises(ExportError, match=r"index\.json names .* as a shard"):
        opened(folder)


def test_shards_of_the_folder_are_loaded(folder: Path) -> None:
    shard(folder, "diffusion_pytorch_model-00001-of-00001.safetensors")
    assert opened(folder).denoiser.config.in_channels == 4


def test_links_to_files_are_followed_as_in_a_hub_cache(folder: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, path in enumerate([path for path in folder.rglob("*") if path.is_file()]):
        path.rename(blobs / str(number))
        path.symlink_to(os.path.relpath(blobs / str(number), path.parent))
    assert opened(folder).denoiser.config.in_channels == 4


@pytest.mark.parametrize("name", ["unet/config.json", f"unet/{UNET}", "tokenizer/tokenizer.json"])
def test_what_is_no_file_is_never_waited_for(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ExportError):
        opened(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(ExportError):
        opened(folder)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(\p{L}+\s?)*!"])
def test_pattern_that_is_not_clips_is_refused(folder: Path, pattern: str) -> None:
    """It would be run on every prompt."""
    path = folder / "tokenizer" / "tokenizer.json"
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    edit(path, pre_tokenizer={"type": "Sequence", "pretokenizers": [split]})
    with pytest.raises(ExportError, match=r"tokenizer\.json has a pattern that is not expected"):
        opened(folder)


def test_key_with_a_terminals_commands_is_one_harmless_line(folder: Path) -> None:
    weights = load_file(folder / "text_encoder" / "model.safetensors")
    evil = "\x1b]0;owned\x07\x1b[2J\n" + "x" * 10_000
    save_file({**weights, evil: torch.ones(1)}, folder / "text_encoder" / "model.safetensors")
    command = [sys.executable, "-c", OPEN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "\x1b" not in done.stderr + done.stdout  # neither ours nor a library's words
    with pytest.raises(ExportError, match="a name that cannot be printed") as caught:
        opened(folder)
    assert describe_error(caught.value).isprintable() and len(describe_error(caught.value)) < 3_000


def test_libraries_are_offline_whatever_the_environment_says() -> None:
    program = (
        "import export, huggingface_hub.constants as hub, transformers.utils.hub as other;"
        "print(hub.HF_HUB_OFFLINE, other.is_offline_mode(), hub.HF_HUB_DISABLE_TELEMETRY)"
    )
    online = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **online},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "True", "True"]
