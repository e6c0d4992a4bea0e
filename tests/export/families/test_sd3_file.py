"""SD 3.5 in the files that it is published in: all in one, or text encoders beside it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel
from safetensors.torch import load_file, save_file

from contract.families import SD3, SD3_CLIP
from contract.memory import memory_of_graphs
from contract.names import DENOISER, TEXT_ENCODER, TEXT_ENCODER_T5
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.early_check import check_early
from export.checkpoints.single_file import unpack
from export.errors import ExportError
from export.families.family import torch_family
from export.families.published import PUBLISHED
from export.forecast import forecast
from export.model import ExportOptions, export_checkpoint
from tests.export.families.tiny_sd3 import save_tiny_sd3, stability_state
from tests.export.single import vae_state

ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published, the first CLIP's projection changes nothing."""
    place = save_tiny_sd3(tmp_path_factory.mktemp("sd3") / "checkpoint")
    file = place / "text_encoder" / "model.safetensors"
    weights = load_file(file)
    weights["text_projection.weight"] = torch.eye(len(weights["text_projection.weight"]))
    save_file(weights, file, {"format": "pt"})
    return place


def encoder_state(folder: Path, name: str) -> dict[str, torch.Tensor]:
    state = load_file(folder / name / "model.safetensors")
    if name == "text_encoder":
        del state["text_projection.weight"]
    return {key: value.half() for key, value in state.items()}


def bare_state(folder: Path) -> dict[str, torch.Tensor]:
    transformer = SD3Transformer2DModel.from_pretrained(folder / "transformer")
    found = {f"model.diffusion_model.{key}": value for key, value in stability_state(transformer).items()}
    found |= vae_state(load_file(folder / "vae" / "diffusion_pytorch_model.safetensors"))
    return {key: value.half().contiguous() for key, value in found.items()}


@pytest.fixture(scope="module")
def bare(folder: Path) -> Path:
    """Transformer and VAE alone."""
    path = folder.parent / "sd3.5_medium.safetensors"
    save_file(bare_state(folder), path)
    return path


@pytest.fixture(scope="module")
def beside(folder: Path) -> Mapping[str, Path]:
    found = {}
    for name, kind in ENCODERS.items():
        found[kind] = folder.parent / f"{kind}.safetensors"
        save_file(encoder_state(folder, name), found[kind])
    return found


def same_weights(found: Path, wanted: Path) -> None:
    one, other = open_checkpoint(found), open_checkpoint(wanted)
    assert one.family.row is other.family.row and one.diffusion == other.diffusion
    for name, network in other.networks.items():
        state = one.networks[name].state_dict()
        for key, value in network.state_dict().items():
            rounded = value.half().float() if key == "pos_embed.pos_embed" else value
            assert torch.equal(state[key], rounded), key


def test_file_with_its_encoders_beside_it_is_the_folder(
    folder: Path, bare: Path, beside: Mapping[str, Path], tmp_path: Path
) -> None:
    files = [beside[kind] for kind in ("t5xxl", "clip_g", "clip_l")]  # in any order
    unpack(bare, tmp_path / "unpacked", like=folder, text_encoders=files)
    same_weights(tmp_path / "unpacked", folder)


def test_file_with_its_encoders_in_it_is_the_folder(folder: Path, bare: Path, tmp_path: Path) -> None:
    whole = bare_state(folder)
    for name, kind in ENCODERS.items():
        state = encoder_state(folder, name)
        whole |= {f"text_encoders.{kind}.transformer.{key}": value for key, value in state.items()}
    save_file(whole, tmp_path / "incl_clips_t5xxl.safetensors")
    unpack(tmp_path / "incl_clips_t5xxl.safetensors", tmp_path / "unpacked", like=folder)
    same_weights(tmp_path / "unpacked", folder)


def test_file_without_t5_is_exported_without_it(
    folder: Path, bare: Path, beside: Mapping[str, Path], tmp_path: Path
) -> None:
    options = ExportOptions(like=folder, text_encoders=(beside["clip_l"], beside["clip_g"]))
    made = export_checkpoint(bare, "eros", tmp_path / "models", options)
    assert [path.name for path in made] == ["eros-decoder", "eros-denoiser", "eros-text-encoder"]
    described = json.loads((tmp_path / "models" / "eros-denoiser" / "pipeline.json").read_text())
    assert described["family"] == SD3_CLIP.name


def test_what_is_missing_is_told_with_what_to_do(
    folder: Path, bare: Path, beside: Mapping[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="lacks the text encoder clip_l; name the files"):
        check_early(bare)
    twice = tmp_path / "t5xxl_fp16.safetensors"
    shutil.copy(beside["t5xxl"], twice)
    with pytest.raises(ExportError, match=r"t5xxl_fp16.* is a text encoder that is there already"):
        check_early(bare, None, [*beside.values(), twice])
    with pytest.raises(ExportError, match="is no text encoder that is published"):
        check_early(bare, None, [bare])
    with pytest.raises(ExportError, match=r"weights of its text_encoder are missing, .*: --like FOLDER"):
        unpack(bare, tmp_path / "unpacked", text_encoders=list(beside.values()))
    with pytest.raises(ExportError, match="--text-encoder is for single files"):
        check_early(folder, None, [beside["clip_l"]])


def test_forecast_counts_each_part(folder: Path, bare: Path, beside: Mapping[str, Path]) -> None:
    of_folder = forecast(folder)
    of_files = forecast(bare, like=folder, text_encoders=list(beside.values()))
    assert of_folder.family is of_files.family is SD3
    for part in (TEXT_ENCODER_T5, DENOISER):
        assert abs(of_folder.values[part] - of_files.values[part]) <= 64 * 128  # T5's second name
    assert of_files.values[TEXT_ENCODER] > 0 and of_files.disk > 0
    told = memory_of_graphs(of_files.configs, of_files.downscale, of_files.stored, {})
    assert told is not None and told.pictures[1024, 1024] > 0


def test_tokenizers_alone_are_enough_of_a_folder_that_published_files_are_like(
    folder: Path, bare: Path, beside: Mapping[str, Path], tmp_path: Path
) -> None:
    like = tmp_path / "like"
    for one in ("tokenizer", "tokenizer_2", "tokenizer_3"):
        shutil.copytree(folder / one, like / one)
    with pytest.raises(ExportError, match="not of the sizes of"):
        unpack(bare, tmp_path / "unpacked", like=like, text_encoders=list(beside.values()))


@pytest.mark.parametrize(
    ("network", "values", "shape"),
    [
        ("transformer", 2_243_171_520, ("transformer_blocks.12.attn2.to_q.weight", (1536, 1536))),
        ("text_encoder", 123_650_304, ("text_projection.weight", (768, 768))),
        ("text_encoder_2", 694_659_840, ("text_projection.weight", (1280, 1280))),
        ("text_encoder_3", 4_762_310_656, ("shared.weight", (32128, 4096))),
        ("vae", 83_819_683, ("decoder.conv_in.weight", (512, 16, 3, 3))),
    ],
)
def test_published_networks_have_their_sizes(
    network: str, values: int, shape: tuple[str, tuple[int, ...]]
) -> None:
    empty = torch_family(SD3).empty_network(network, PUBLISHED[SD3.name][network])
    assert sum(weight.numel() for weight in empty.parameters()) == values
    assert tuple(empty.state_dict()[shape[0]].shape) == shape[1]


def test_published_sizes_go_together() -> None:
    configs = PUBLISHED[SD3.name]
    transformer, clips = configs["transformer"], (configs["text_encoder"], configs["text_encoder_2"])
    assert transformer["pooled_projection_dim"] == sum(one["projection_dim"] for one in clips) == 2048
    assert transformer["joint_attention_dim"] == configs["text_encoder_3"]["d_model"] == 4096
    heads = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    assert transformer["caption_projection_dim"] == heads == 1536
