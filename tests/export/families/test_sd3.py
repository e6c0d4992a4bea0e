"""SD 3.5 at tiny size: what diffusers' pipeline draws of a folder, Triton's pipeline draws of its export."""

import asyncio
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel, StableDiffusion3Pipeline
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from kept_texts import KeptTexts
from noise import standard_noise
from order import BadOrder, Order
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from pipeline import Array, Pipeline
from repositories import Repositories
from safetensors.torch import save_file
from transformers import CLIPTextModelWithProjection, T5EncoderModel

from export.character import merge_character
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint
from export.errors import ExportError
from export.families.sd3 import FAMILY
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from export.model import ExportOptions, export_checkpoint
from export.networks.networks import network_of, networks_of
from export.networks.trace import example_inputs
from tests.export.families.tiny_sd3 import (
    CHANNELS,
    T5_WIDTH,
    save_tiny_sd3,
    stability_state,
    t5_tokenizer,
)
from tests.export.session import OnnxEngine, largest_error, run
from tests.export.tiny import END, PAD, scheduler, tokenizer

SIZE = 192, 128  # width, height; a patch is 64 pixels
PROMPT, NEGATIVE = "a red fox under a tree, warm lighting", "rain"


@dataclass(frozen=True)
class Exported:
    folder: Path
    models: Path


@pytest.fixture(scope="module", params=["with T5", "without T5"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("sd3")
    folder = save_tiny_sd3(place / "checkpoint", with_t5=request.param == "with T5")
    export_checkpoint(folder, "eros", place / "models", ExportOptions(storage="fp32"))
    return Exported(folder, place / "models")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    place = tmp_path_factory.mktemp("sd3-whole")
    folder = save_tiny_sd3(place / "checkpoint")
    export_checkpoint(folder, "eros", place / "models", ExportOptions(storage="fp32"))
    return Exported(folder, place / "models")


def draw(
    models: Path,
    prompt: str = PROMPT,
    negative: str = NEGATIVE,
    kept: KeptTexts | None = None,
    size: tuple[int, int] = SIZE,
) -> tuple[Array, OnnxEngine]:
    order = Order(
        prompt=prompt, negative=negative, model="eros", character="",
        width=size[0], height=size[1], steps=3, guidance=3.0, seed=7,
    )  # fmt: skip

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    repositories, engine = Repositories([models]), OnnxEngine(models)
    networks = repositories.networks(order, None)
    pipeline = Pipeline(engine, repositories.base("eros"), networks, (), kept or KeptTexts())
    return asyncio.run(pipeline.paint(order, step_done)).pixels, engine


def theirs(folder: Path) -> StableDiffusion3Pipeline:
    def words(pad: str) -> Any:
        found = tokenizer(pad)
        found.model_max_length = 77
        return found

    has_t5 = (folder / "text_encoder_3").is_dir()
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel.from_pretrained(folder / "transformer"),
        scheduler=scheduler("flow"),
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder"),
        tokenizer=words(END),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"),
        tokenizer_2=words(PAD),
        text_encoder_3=T5EncoderModel.from_pretrained(folder / "text_encoder_3") if has_t5 else None,
        tokenizer_3=t5_tokenizer() if has_t5 else None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_diffusers_pipeline_draws_the_same_picture_of_the_same_noise(exported: Exported) -> None:
    found, _ = draw(exported.models)
    width, height = SIZE
    noise = torch.from_numpy(standard_noise(7, (1, CHANNELS, height // 32, width // 32)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array_", DeprecationWarning)
        wanted = theirs(exported.folder)(
            PROMPT,
            negative_prompt=NEGATIVE,
            width=width,
            height=height,
            num_inference_steps=3,
            guidance_scale=3.0,
            latents=noise,
            output_type="np",
        ).images[0]
    difference = np.abs(found.astype(np.float64) - np.round(wanted * 255))
    assert found.shape == (height, width, 3) and found.std() > 1
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_torch_draws_the_same_part_by_part_and_as_pictures(exported: Exported) -> None:
    report = json.loads((exported.models / ".reports" / "eros" / "report.json").read_text())
    texts = {"text-encoder", "text-encoder-t5"}
    texts -= set() if (exported.folder / "text_encoder_3").is_dir() else {"text-encoder-t5"}
    assert report["passed"] and set(report["parts"]) == {*texts, "denoiser", "decoder"}
    assert len(report["pictures"]) == 4


def test_clips_stand_before_t5_and_are_padded_to_its_width(whole: Exported) -> None:
    _, engine = draw(whole.models)
    given = engine.given["eros-denoiser"]
    assert given["embeddings"].shape == given["negative_embeddings"].shape == (1, 77 + 256, T5_WIDTH)
    assert not given["embeddings"][0, :77, 96:].any() and given["embeddings"][0, :77, :96].any()
    assert np.array_equal(given["embeddings"][0, 77:], engine.made["eros-text-encoder-t5"]["embeddings"][0])
    assert "time_ids" not in given and given["pooled"].shape == (1, 96)


def test_long_prompt_takes_windows_of_each_text_part(whole: Exported) -> None:
    _, engine = draw(whole.models, ", ".join(["a red fox"] * 30))
    assert engine.given["eros-denoiser"]["embeddings"].shape[1] == 2 * 77 + 256
    _, engine = draw(whole.models, ", ".join(["a red fox"] * 90))
    assert engine.given["eros-denoiser"]["embeddings"].shape[1] == 5 * 77 + 2 * 256


def test_weights_count_in_t5_too(whole: Exported) -> None:
    plain, weighed = (
        draw(whole.models, prompt)[1].given["eros-denoiser"]["embeddings"][0, 77:]
        for prompt in ("a fox", "a (fox:1.5)")
    )
    changed = np.abs(weighed - plain).max(axis=1)
    assert changed.argmax() == 1 and changed[1] > 10 * changed[0]


def test_t5_runs_once_for_a_text_and_again_for_a_model_exported_anew(whole: Exported) -> None:
    kept = KeptTexts()
    first, engine = draw(whole.models, kept=kept)
    assert "eros-text-encoder-t5" in engine.given
    again, engine = draw(whole.models, kept=kept)
    assert "eros-text-encoder-t5" not in engine.given and "eros-text-encoder" in engine.given
    assert np.array_equal(first, again)
    _, engine = draw(whole.models, negative="lake", kept=kept)
    assert engine.given["eros-text-encoder-t5"]["tokens_3"].shape == (1, 256)
    (whole.models / "eros-text-encoder-t5" / "1").touch()
    _, engine = draw(whole.models, kept=kept)
    assert engine.given["eros-text-encoder-t5"]["tokens_3"].shape == (2, 256)


def test_sizes_are_multiples_of_a_patch(whole: Exported) -> None:
    with pytest.raises(BadOrder, match="width is 96, expected a multiple of 64"):
        draw(whole.models, size=(96, 128))


def test_restored_checkpoint_is_exported_again_the_same(exported: Exported, tmp_path: Path) -> None:
    restored = restore_checkpoint(exported.models, "eros", tmp_path / "restored")
    made = export_checkpoint(restored, "eros", tmp_path / "again", ExportOptions(storage="fp32"))
    for folder in made:
        for file in ("1/model.onnx", "config.pbtxt"):
            assert (folder / file).read_bytes() == (exported.models / folder.name / file).read_bytes()
    described = (tmp_path / "again" / "eros-denoiser" / "pipeline.json").read_bytes()
    assert described == (exported.models / "eros-denoiser" / "pipeline.json").read_bytes()


def test_folder_whose_transformer_takes_other_text_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_sd3(tmp_path / "checkpoint")
    config = folder / "text_encoder_3" / "config.json"
    config.write_text(config.read_text().replace(f'"d_model": {T5_WIDTH}', '"d_model": 64'))
    with pytest.raises(ExportError, match="text_encoder_3"):
        open_checkpoint(folder)


LORA = LoraConfig(
    r=4,
    lora_alpha=6,
    target_modules=["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "ff.net.2", "context_embedder"],
    init_lora_weights=False,
)


def wanted_of(folder: Path, transformer: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs of a step, and what it makes with that transformer."""
    checkpoint = open_checkpoint(folder)
    networks = {**checkpoint.networks, "transformer": transformer}
    network = network_of(type(checkpoint)(
        folder=folder, family=checkpoint.family, networks=networks, diffusion=checkpoint.diffusion
    ), "denoiser")  # fmt: skip
    inputs = example_inputs(network.part, {"batch": 2, "height": 6, "width": 10, "tokens": 333})
    with torch.no_grad():
        return inputs, network.module(**inputs)


@pytest.mark.parametrize("style", ["diffusers", "peft", "kohya"])
def test_lora_of_peft_is_merged_as_peft_applies_it(whole: Exported, tmp_path: Path, style: str) -> None:
    torch.manual_seed(1)
    transformer = SD3Transformer2DModel.from_pretrained(whole.folder / "transformer")
    adapted = inject_adapter_in_model(LORA, transformer).eval()
    state = {key: value.contiguous() for key, value in get_peft_model_state_dict(adapted).items()}
    path = tmp_path / "lora.safetensors"
    settings = {"r": LORA.r, "lora_alpha": LORA.lora_alpha}
    if style == "diffusers":
        StableDiffusion3Pipeline.save_lora_weights(
            tmp_path, transformer_lora_layers=state, weight_name=path.name,
            transformer_lora_adapter_metadata=settings,
        )  # fmt: skip
    elif style == "peft":
        save_file({f"base_model.model.{key}": value for key, value in state.items()}, path)
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    else:
        tensors = {}
        for key, value in state.items():
            module, side = key.removesuffix(".weight").rsplit(".", 1)
            name = f"lora_unet_{module.replace('.', '_')}"
            tensors[f"{name}.lora_{'down' if side == 'lora_A' else 'up'}.weight"] = value
            tensors[f"{name}.alpha"] = torch.tensor(float(LORA.lora_alpha))
        save_file(tensors, path)
    report = merge_character(whole.models / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")
    inputs, wanted = wanted_of(whole.folder, adapted)
    assert report.layers == len(state) // 2
    assert largest_error(run(tmp_path / "eros-denoiser--aya", inputs)[0], wanted) < 1e-4
    assert largest_error(run(whole.models / "eros-denoiser", inputs)[0], wanted) > 0.01


def test_stabilitys_names_are_those_that_diffusers_converts(whole: Exported) -> None:
    transformer = SD3Transformer2DModel.from_pretrained(whole.folder / "transformer")
    theirs = stability_state(transformer)
    back = convert_sd3_transformer_checkpoint_to_diffusers(dict(theirs))
    wanted = transformer.state_dict()
    assert back.keys() == wanted.keys()
    assert all(torch.equal(back[key], wanted[key]) for key in wanted)


def test_lora_over_stabilitys_fused_layers_changes_what_diffusers_converts(
    whole: Exported, tmp_path: Path
) -> None:
    """kohya's names, of every layer; what they change is told by diffusers' conversion."""
    torch.manual_seed(2)
    transformer = SD3Transformer2DModel.from_pretrained(whole.folder / "transformer")
    state = stability_state(transformer)
    tensors: dict[str, torch.Tensor] = {}
    for key in [key for key, value in state.items() if key.endswith(".weight") and value.ndim == 2]:
        outputs, inputs = state[key].shape
        down, up = torch.randn(4, inputs) * 0.2, torch.randn(outputs, 4) * 0.2
        state[key] += up @ down * (2.0 / 4)
        name = f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}"
        tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    path = tmp_path / "lora.safetensors"
    save_file(tensors, path)
    report = merge_character(whole.models / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")
    transformer.load_state_dict(convert_sd3_transformer_checkpoint_to_diffusers(dict(state)))
    inputs, wanted = wanted_of(whole.folder, transformer.eval())
    assert report.layers > len(tensors) // 3
    assert largest_error(run(tmp_path / "eros-denoiser--aya", inputs)[0], wanted) < 1e-4
    checkpoint = open_checkpoint(whole.folder)
    assert apply_lora(path, Strength(), checkpoint) == []
    changed = checkpoint.denoiser.state_dict()
    for key, value in transformer.state_dict().items():
        torch.testing.assert_close(changed[key], value, rtol=1e-5, atol=1e-5)


def test_lora_of_t5_is_refused_by_name(whole: Exported, tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    name = "lora_te3_encoder_block_0_layer_0_SelfAttention_q"
    save_file(
        {f"{name}.lora_down.weight": torch.ones(4, 4), f"{name}.lora_up.weight": torch.ones(4, 4)}, path
    )
    with pytest.raises(ExportError, match="1 layers for text_encoder_3, such as lora_te3_encoder"):
        merge_character(whole.models / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")


def test_parts_are_those_of_the_row(whole: Exported) -> None:
    checkpoint = open_checkpoint(whole.folder)
    names = [network.part.name for network in networks_of(checkpoint)]
    assert names == list(FAMILY.row.part_names)
