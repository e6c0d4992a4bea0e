"""What no merge can take is refused in one line of few keys, with advice; what is left out is told."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from contract.families import SD15, SDXL
from contract.peft_files import settings_of_copy
from export.character import main, merge_character
from export.errors import ExportError, describe_error
from export.lora.lora_file import MAX_LAYER_VALUES, read_lora
from export.merge_origin import MergeReport
from tests.export.lora.bases import base_of, merged_weights
from tests.export.lora.layouts import AB, ATTENTION, LAYOUTS, OWN, LoraDraft, Tensors, dotted

OTHER = {SDXL: SD15, SD15: SDXL}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of SDXL."""
    return base_of(SDXL).save(tmp_path_factory.mktemp("base"))


def saved(tensors: Tensors, folder: Path, metadata: dict[str, str] | None = None) -> Path:
    path = folder / "lora.safetensors"
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, metadata)
    return path


def merged(repository: Path, lora: Path) -> MergeReport:
    return merge_character(repository, lora, lora.parent / "eros-denoiser--aya")


def refusal(repository: Path, lora: Path) -> str:
    """The line; nothing was written."""
    with pytest.raises(ExportError) as caught:
        merged(repository, lora)
    assert [path.name for path in lora.parent.iterdir() if path.is_dir()] == []
    line = describe_error(caught.value)
    assert line == str(caught.value) and line.isprintable() and len(line) < 1_000
    return line


def drafted(name: str, family: Any = SDXL) -> LoraDraft:
    draft = LoraDraft(base_of(family))
    LAYOUTS[name](draft)
    return draft


def keys_of(*ends: str, count: int = 40) -> Tensors:
    return {
        f"lora_unet_down_blocks_1_attentions_{number}_proj_in{end}": torch.ones(2, 2)
        for number in range(count)
        for end in ends
    }


GLORA = (".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight", ".alpha")
CONTROL = {
    "lora_controlnet": torch.zeros(0),
    "input_blocks.4.1.transformer_blocks.0.attn1.to_q.down": torch.ones(4, 4),
    "input_blocks.4.1.transformer_blocks.0.attn1.to_q.up": torch.ones(4, 4),
}
TEXT_READER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
KINDS: Mapping[str, tuple[Tensors, str]] = {
    "GLoRA": (keys_of(*GLORA), "GLoRA is not supported (40 keys, such as"),
    "control-LoRA": (
        CONTROL,
        "A control-LoRA is not supported (1 keys, such as lora_controlnet): it is no LoRA",
    ),
    "control-LoRA without its mark": (
        {key: value for key, value in CONTROL.items() if "." in key},
        "A control-LoRA is not supported",
    ),
    "OFT": (keys_of(".oft_blocks", ".alpha"), "OFT is not supported (40 keys"),
    "BOFT": (keys_of(".boft_R", ".boft_s"), "BOFT is not supported"),
    "IA3": (keys_of(".weight", ".on_input"), "IA3 is not supported"),
    "VeRA": (keys_of(".vera_lambda_b", ".vera_lambda_d"), "VeRA is not supported"),
    "AdaLoRA": (keys_of(".lora_A", ".lora_B", ".lora_E"), "AdaLoRA is not supported"),
    "biases of up": (keys_of(".lora_up.bias", ".lora_up.weight"), "LoRA with biases is not supported"),
    "scaled fp8": (keys_of(".lora_up.weight", ".lora_up.scale_weight"), "Scaled fp8 is not supported"),
    "ControlNet-LLLite": (
        {"lllite_unet_input_blocks_4.down.0.weight": torch.ones(1)},
        "ControlNet-LLLite is not supported",
    ),
    "Custom Diffusion": (
        {"down_blocks.1.attentions.0.attn2.processor.to_k_custom_diffusion.weight": torch.ones(2, 2)},
        "Custom Diffusion is not supported",
    ),
    "IP-Adapter": ({"ip_adapter.1.to_k_ip.weight": torch.ones(2, 2)}, "IP-Adapter is not supported"),
    "whole checkpoint": (
        {"first_stage_model.x": torch.ones(1), "model.diffusion_model.out.0.weight": torch.ones(1)},
        "A whole checkpoint is not supported (1 keys, such as first_stage_model.x): `imgen export` takes it",
    ),
    "textual inversion": (
        {"clip_l": torch.ones(2, 32), "clip_g": torch.ones(2, 64)},
        "lora.safetensors is an embedding (textual inversion), no LoRA: clip_g, clip_l",
    ),
    "whole weights": (
        {f"model.diffusion_model.input_blocks.{number}.0.weight": torch.ones(1) for number in range(9)},
        "9 keys are no part of a LoRA layer: ",
    ),
    "half of each pair": (
        keys_of(".lora_down.weight", ".alpha"),
        "80 keys are no part of a LoRA layer: ",
    ),
    "half of a pair": (
        {**keys_of(".lora_down.weight", ".lora_up.weight"), **keys_of(".diff", ".lora_mid.weight", count=1)},
        "4 keys are no part of a LoRA layer: ",
    ),
    "two adapters in one file": (
        {
            f"unet.conv_in.lora_{side}.{name}.weight": torch.ones(1)
            for side in "AB"
            for name in ("one", "two")
        },
        "2 keys are no part of a LoRA layer: unet.conv_in.lora_A.two.weight, unet.conv_in.lora_B.two.weight;",
    ),
    "magnitude without factors": (keys_of(".dora_scale"), "40 keys are no part of a LoRA layer: "),
    "integers": (
        {key: value.to(torch.int8) for key, value in keys_of(".lora_down.weight", ".lora_up.weight").items()},
        "has the type I8; known: F64, F32, F16, BF16, F8_E4M3, F8_E5M2",
    ),
    "alpha of text": (
        {
            **keys_of(".lora_down.weight", ".lora_up.weight"),
            **{k: v.bool() for k, v in keys_of(".alpha").items()},
        },
        "has the type BOOL",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_file_of_another_kind_is_refused_by_name(name: str, repository: Path, tmp_path: Path) -> None:
    tensors, words = KINDS[name]
    line = refusal(repository, saved(tensors, tmp_path))
    assert words in line
    assert sum(line.count(key) for key in tensors if f"{key}," in line or f"{key};" in line) <= 5


@pytest.mark.parametrize("family", [SDXL, SD15], ids=lambda family: family.name)
@pytest.mark.parametrize("name", ["kohya", "diffusers", "ComfyUI, Stability's names with dots", "PEFT"])
def test_lora_of_another_base_is_refused_by_its_name(name: str, family: Any, tmp_path: Path) -> None:
    other = OTHER[family]
    base = base_of(family).save(tmp_path / "base")
    (tmp_path / "lora").mkdir()
    line = refusal(base, drafted(name, other).save(tmp_path / "lora" / "lora.safetensors"))
    assert f"it was made for {other.title}, and this model is {family.title}" in line or (
        name == "PEFT" and other is SDXL and "have no target" in line  # its names do not tell
    )
    assert line.count("blocks_") + line.count("blocks.") <= 10  # two in a name


def renamed(prefix: str, count: int = 40) -> Tensors:
    return {f"{prefix}{number}.attn.to_q{end}": torch.ones(4, 4) for number in range(count) for end in AB}


@pytest.mark.parametrize(
    ("tensors", "made_for"),
    [
        (renamed("transformer.single_transformer_blocks."), "FLUX"),
        (renamed("diffusion_model.double_blocks."), "FLUX"),
        (renamed("lora_unet_single_blocks_"), "FLUX"),
        (renamed("transformer.transformer_blocks."), "SD 3 or FLUX"),
        (renamed("base_model.model.transformer_blocks."), "SD 3 or FLUX"),
        (renamed("diffusion_model.joint_blocks."), "SD 3"),
        ({f"lora_te3_x{end}": torch.ones(4, 4) for end in AB}, "SD 3 or FLUX"),
        ({f"lora_prior_unet_x{end}": torch.ones(4, 4) for end in AB}, "Stable Cascade"),
        (
            {
                f"{TEXT_READER}.lora_down.weight": torch.ones(4, 1024),
                f"{TEXT_READER}.lora_up.weight": torch.ones(320, 4),
            },
            "SD 2",
        ),
    ],
)
def test_lora_of_another_kind_of_model_is_refused_by_its_name(
    tensors: Tensors, made_for: str, repository: Path, tmp_path: Path
) -> None:
    path = saved(tensors, tmp_path)
    if any(key.startswith("base_model.") for key in tensors):
        path.with_name("adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 4}))
    assert f"it was made for {made_for}, and this model is SDXL" in refusal(repository, path)


def test_text_encoder_that_is_not_named_is_asked_for(repository: Path, tmp_path: Path) -> None:
    """PEFT names no network, and SDXL has two; SD 1.5 has one."""
    name = "base_model.model.text_model.encoder.layers.0.self_attn.q_proj"
    tensors = {f"{name}.lora_A.weight": torch.ones(4, 32), f"{name}.lora_B.weight": torch.ones(32, 4)}
    path = saved(tensors, tmp_path)
    path.with_name("adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 4}))
    assert "put text_encoder. or text_encoder_2. in front of the keys" in refusal(repository, path)
    base = base_of(SD15).save(tmp_path / "other")
    assert merge_character(base, path, tmp_path / "eros-denoiser--aya").layers == 1


def test_sizes_of_another_checkpoint_are_refused(repository: Path, tmp_path: Path) -> None:
    name = "unet.down_blocks.1.attentions.0.proj_in"
    tensors = {f"{name}.lora_A.weight": torch.ones(4, 17), f"{name}.lora_B.weight": torch.ones(16, 4)}
    line = refusal(repository, saved(tensors, tmp_path))
    assert "makes [16, 17], its target is [16, 16]; it was made for another model than this SDXL" in line


def alphas_that_differ() -> LoraDraft:
    draft = drafted("diffusers' training script, alpha in metadata")
    first = next(iter(draft.tensors)).removesuffix(".lora.down.weight")
    draft.tensors[f"{first}.alpha"] = torch.tensor(3.0)
    return draft


def peft_without_its_file() -> LoraDraft:
    draft = drafted("PEFT")
    draft.beside = None
    return draft


def peft_with(**options: Any) -> Callable[[], LoraDraft]:
    def make() -> LoraDraft:
        draft = drafted("PEFT")
        draft.beside = {**(draft.beside or {}), **options}
        return draft

    return make


def twice() -> LoraDraft:
    draft = drafted("diffusers")
    draft.tensors |= drafted("kohya, no alpha").tensors
    return draft


def without_magnitudes() -> LoraDraft:
    draft = drafted("diffusers' training script, UNet")
    draft.metadata = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 4, "unet.use_dora": True})}
    return draft


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (alphas_that_differ, "has the alpha 3 in a key and 8 in its settings: remove the wrong one"),
        (peft_without_its_file, "needs the adapter_config.json that PEFT wrote beside it"),
        (peft_with(init_lora_weights="pissa_niter_4"), "save it with PEFT's path_initial_model"),
        (peft_with(peft_type="VERA"), "PEFT's VERA is not supported"),
        (peft_with(lora_bias=True), "option lora_bias is not supported"),
        (twice, "The LoRA changes a layer of the model under two names: "),
        (without_magnitudes, "is DoRA's by its settings, and has no magnitude"),
    ],
)
def test_file_that_contradicts_itself_is_refused(
    make: Callable[[], LoraDraft], words: str, repository: Path, tmp_path: Path
) -> None:
    assert words in refusal(repository, make().save(tmp_path / "lora.safetensors"))


def test_layer_of_more_values_than_any_model_has_is_never_read(tmp_path: Path) -> None:
    """The file has holes where its values are."""
    side = MAX_LAYER_VALUES // 4
    entries, start = {}, 0
    for key, shape in (("unet.conv_in.lora_A.weight", [4, side]), ("unet.conv_in.lora_B.weight", [1, 4])):
        end = start + shape[0] * shape[1] * 2
        entries[key] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
        start = end
    header = json.dumps(entries).encode()
    path = tmp_path / "lora.safetensors"
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + start)
    with pytest.raises(ExportError, match="has 134,217,732 values; expected at most 134,217,728"):
        read_lora(path)


def test_trained_embedding_is_left_out_and_told(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draft = drafted("kohya")
    for number in range(7):
        draft.tensors[f"bundle_emb.word{number}.clip_l"] = torch.ones(2, 32)
    path = draft.save(tmp_path / "lora.safetensors")
    report = merged(repository, path)
    (note,) = report.notes
    assert note.startswith("left out the trained embeddings word0 (2 tokens), ")
    assert "word4" in note and "word5" not in note and " and 2 more: the trigger" in note
    again = merged(repository, path)
    assert (again.written, again.notes) == (False, report.notes)
    options = ["--name", "aya", "--model", "eros", "--repository", str(repository.parent)]
    assert main([str(path), *options, "--output", str(tmp_path / "out"), "--progress"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {"note": note} in map(json.loads, lines)


@pytest.mark.parametrize("how", ["up is zero", "alpha is zero"])
def test_lora_that_changes_nothing_is_merged_and_told(how: str, repository: Path, tmp_path: Path) -> None:
    draft = drafted("kohya, alpha is zero" if how == "alpha is zero" else "kohya")
    if how == "up is zero":
        draft.tensors = {k: v * 0 if "lora_up" in k else v for k, v in draft.tensors.items()}
    report = merged(repository, draft.save(tmp_path / "lora.safetensors"))
    assert report.notes == (
        "the LoRA changes nothing: every change in it is zero, or too small for the base's weights",
    )
    assert report.written


def test_b_lora_is_merged_and_named(repository: Path, tmp_path: Path) -> None:
    draft = LoraDraft(base_of(SDXL))
    dotted(draft, OWN, AB, layers=ATTENTION, text=False)
    blocks = ("unet.up_blocks.0.attentions.0.", "unet.up_blocks.0.attentions.1.")
    draft.tensors = {key: value for key, value in draft.tensors.items() if key.startswith(blocks)}
    report = merged(repository, draft.save(tmp_path / "lora.safetensors"))
    assert report.notes[0].startswith("a B-LoRA: unet.up_blocks.0.attentions.0 is what it shows")


def test_copy_keeps_the_settings_that_lie_beside_it(repository: Path, tmp_path: Path) -> None:
    """In a folder of many copies, each has its own; the merge is the same to the byte, and known as such."""
    draft = drafted("PEFT")
    path = draft.save(tmp_path / "lora.safetensors")
    assert merged(repository, path).written
    before = merged_weights(tmp_path / "eros-denoiser--aya")
    copies = tmp_path / "loras"
    copies.mkdir()
    copy = path.rename(copies / "nova-0123.safetensors")
    path.with_name("adapter_config.json").rename(settings_of_copy(copy))
    (copies / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 400}))
    target = tmp_path / "eros-denoiser--aya"
    assert not merge_character(repository, copy, target).written
    after = merged_weights(tmp_path / "eros-denoiser--aya")
    assert all((before[name] == after[name]).all() for name in before)


def test_unused_parts_of_a_text_encoder_are_left_out(repository: Path, tmp_path: Path) -> None:
    """OneTrainer and LyCORIS write them; SDXL runs neither the first one's last block nor a projection."""
    draft = drafted("kohya")
    for name, out in (("text_projection", 32), ("text_model_encoder_layers_2_mlp_fc2", 32)):
        draft.tensors |= {
            f"lora_te1_{name}.lora_down.weight": torch.ones(4, 64 if "fc2" in name else 32),
            f"lora_te1_{name}.lora_up.weight": torch.ones(out, 4),
        }
    draft.tensors["lora_te1_text_model_final_layer_norm.w_norm"] = torch.ones(32)
    assert merged(repository, draft.save(tmp_path / "lora.safetensors")).notes == ()


def test_second_text_encoders_projection_is_changed(repository: Path, tmp_path: Path) -> None:
    draft = LoraDraft(base_of(SDXL))
    down, up = draft.pair("text_encoder_2", "text_projection")
    draft.tensors = {
        "lora_te2_text_projection.lora_down.weight": down,
        "lora_te2_text_projection.lora_up.weight": up,
    }
    merged(repository, draft.save(tmp_path / "lora.safetensors"))
    found = merged_weights(tmp_path / "eros-denoiser--aya")["text_encoder_2.text_projection.weight"]
    wanted = draft.wanted["text_encoder_2.text_projection.weight"]
    torch.testing.assert_close(torch.from_numpy(found.copy()), wanted)


def test_names_of_one_layer_may_differ_in_dots(tmp_path: Path) -> None:
    path = drafted("diffusers' conversion to kohya, DoRA with both kinds of dots").save(
        tmp_path / "x.safetensors"
    )
    assert all(layer.magnitude is not None for layer in read_lora(path))
    assert len(read_lora(path).names) * 4 == len(load_file(path))
