import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from diffusers import UNet2DConditionModel
from onnx import numpy_helper
from safetensors.torch import load_file, save_file

from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint
from export.errors import ExportError
from export.graphs.storage import graph_digest, load_model, save_model, store_fp16
from export.lora.stability_names import sgm_names
from export.lora.strength import Strength
from export.lora.targets import targets_of
from export.networks.networks import network_of, networks_of
from export.networks.trace import example_inputs
from tests.export.loras import peft_state, save_diffusers, save_kohya, with_lora
from tests.export.session import largest_error, run
from tests.export.tiny import unet

SIZES = {"batch": 2, "height": 6, "width": 10, "tokens": 77}
LAYERS = 82


@pytest.fixture(scope="module")
def adapted(tiny: Checkpoint, tiny_folder: Path) -> UNet2DConditionModel:
    """The tiny UNet with a LoRA on nearly every layer, run by PEFT."""
    return with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)


@pytest.fixture(scope="module")
def wanted(tiny: Checkpoint, adapted: UNet2DConditionModel) -> torch.Tensor:
    with torch.no_grad():
        checkpoint = replace(tiny, networks={**tiny.networks, "unet": adapted})
        result: torch.Tensor = network_of(checkpoint, "denoiser").module(**inputs_of(tiny))
    return result


def inputs_of(tiny: Checkpoint) -> dict[str, torch.Tensor]:
    return example_inputs(list(networks_of(tiny))[1].part, SIZES)


@pytest.fixture
def lora(adapted: UNet2DConditionModel, tmp_path: Path) -> Path:
    return save_kohya(peft_state(adapted), tmp_path / "lora.safetensors")


@pytest.mark.parametrize("style", ["kohya", "diffusers", "peft", "stability"])
def test_merged_denoiser_steps_as_peft_does(
    tiny: Checkpoint,
    repository: Path,
    adapted: UNet2DConditionModel,
    wanted: torch.Tensor,
    tmp_path: Path,
    style: str,
) -> None:
    base, path = repository / "eros-denoiser", tmp_path / "lora.safetensors"
    write_in_style(style, peft_state(adapted), path)
    report = merge_character(base, path, tmp_path / "eros-denoiser--aya")
    assert (report.layers, report.written) == (LAYERS, True)
    found = run(tmp_path / "eros-denoiser--aya", inputs_of(tiny))[0]
    assert largest_error(found, wanted) < 1e-4
    assert largest_error(run(base, inputs_of(tiny))[0], wanted) > 0.05


def write_in_style(style: str, state: dict[str, torch.Tensor], path: Path) -> None:
    if style == "diffusers":
        save_diffusers(state, path)
    elif style == "peft":
        save_file({f"base_model.model.{key}": value for key, value in state.items()}, path)
        (path.parent / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 6}))
    else:
        save_kohya(state, path)
    if style == "stability":
        ours = {name.partition(".lora_")[0] for name in state}
        theirs = {path.replace(".", "_"): name.replace(".", "_") for path, name in sgm_names(ours).items()}
        renamed = {}
        for key, value in load_file(path).items():
            layer, _, rest = key.removeprefix("lora_unet_").partition(".")
            renamed[f"lora_unet_{theirs[layer]}.{rest}"] = value
        save_file(renamed, path)


def test_every_linear_layer_and_convolution_is_a_target(repository: Path) -> None:
    network = unet()
    weights = {name: weight for name, weight in network.named_parameters() if weight.ndim > 1}
    targets = targets_of(load_model(repository / "eros-denoiser" / "1" / "model.onnx"))
    assert {f"{path}.weight" for path in targets} == set(weights)
    for path, target in targets.items():
        shape = target.shape[::-1] if target.transposed else target.shape
        assert shape == tuple(weights[f"{path}.weight"].shape)


def named(base: Path, repository: Path) -> None:
    """Gives a folder with a graph of eros' denoiser what else a merge reads."""
    (base / "config.pbtxt").write_text(f'name: "{base.name}"\n')
    shutil.copy(repository / "eros-denoiser" / "pipeline.json", base)


def test_fp16_base_is_merged_in_fp32_and_stays_fp16(
    tiny: Checkpoint, repository: Path, lora: Path, wanted: torch.Tensor, tmp_path: Path
) -> None:
    base = tmp_path / "half-denoiser"
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    store_fp16(model)
    save_model(model, base / "1")
    named(base, repository)
    merge_character(base, lora, tmp_path / "eros-denoiser--aya")
    assert (tmp_path / "eros-denoiser--aya" / "1" / "model.onnx").stat().st_size == (
        base / "1" / "model.onnx"
    ).stat().st_size
    assert (tmp_path / "eros-denoiser--aya" / "config.pbtxt").read_text() == 'name: "eros-denoiser--aya"\n'
    # One rounding of each weight to fp16, and no more.
    exact = weights(repository / "eros-denoiser", lora, tmp_path / "exact-denoiser")
    for name, value in weights(base, lora, tmp_path / "eros-denoiser--aya").items():
        if value.dtype == np.float16:
            np.testing.assert_array_equal(value, exact[name].astype(np.float16))
    assert largest_error(run(tmp_path / "eros-denoiser--aya", inputs_of(tiny))[0], wanted) < 5e-3


def weights(base: Path, lora: Path, target: Path) -> dict[str, "np.typing.NDArray[np.generic]"]:
    merge_character(base, lora, target)
    graph = onnx.load(target / "1" / "model.onnx").graph
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def test_weights_in_a_second_file_are_changed_where_they_are(
    tiny: Checkpoint, repository: Path, lora: Path, wanted: torch.Tensor, tmp_path: Path
) -> None:
    base = tmp_path / "large-denoiser"
    save_model(load_model(repository / "eros-denoiser" / "1" / "model.onnx"), base / "1", one_file_bytes=0)
    named(base, repository)
    before = (base / "1" / "model.onnx.data").read_bytes()
    made = merge_character(base, lora, tmp_path / "large-denoiser--aya").folder
    assert (base / "1" / "model.onnx.data").read_bytes() == before
    assert (made / "1" / "model.onnx.data").stat().st_size == len(before)
    assert largest_error(run(made, inputs_of(tiny))[0], wanted) < 1e-4
    hashes = json.loads((made / "weights.json").read_text())
    assert hashes["engine"] != hashes["base"]
    whole = weights(repository / "eros-denoiser", lora, tmp_path / "whole-denoiser--aya")
    apart = onnx.load(made / "1" / "model.onnx").graph.initializer
    assert whole.keys() == {tensor.name for tensor in apart}
    for tensor in apart:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), whole[tensor.name])


def test_base_that_is_not_what_was_exported_is_refused(repository: Path, lora: Path, tmp_path: Path) -> None:
    """A graph that was changed by hand, or copied only in part, and the hash that its export noted."""
    base = Path(shutil.copytree(repository / "eros-denoiser", tmp_path / "base" / "eros-denoiser"))
    model = onnx.load(base / "1" / "model.onnx")
    model.graph.doc_string = "changed"
    onnx.save(model, base / "1" / "model.onnx")
    with pytest.raises(ExportError, match="is not what it was exported as"):
        merge_character(base, lora, tmp_path / "eros-denoiser--aya")
    assert not (tmp_path / "eros-denoiser--aya").exists()


def test_character_stays_as_it_is_when_its_base_is_overwritten_and_removed(
    repository: Path, lora: Path, tmp_path: Path
) -> None:
    """It has no file in common with its base, even where the file system lets both share what is the same."""
    base = tmp_path / "large-denoiser"
    save_model(load_model(repository / "eros-denoiser" / "1" / "model.onnx"), base / "1", one_file_bytes=0)
    named(base, repository)
    made = merge_character(base, lora, tmp_path / "large-denoiser--aya").folder
    before = graph_digest(made)
    assert json.loads((made / "weights.json").read_text())["engine"] == before
    for path in (base / "1").iterdir():
        with path.open("r+b") as file:  # in place, as no export does it
            file.write(bytes(path.stat().st_size))
    assert graph_digest(made) == before
    shutil.rmtree(base)
    assert graph_digest(made) == before


def test_strength_scales_the_change(repository: Path, lora: Path, tmp_path: Path) -> None:
    base, name = repository / "eros-denoiser", "unet.conv_in.weight"
    plain = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in onnx.load(base / "1" / "model.onnx").graph.initializer
    }[name]
    changes = []
    for strength in (1.0, -0.5):
        merge_character(base, lora, tmp_path / "eros-denoiser--aya", Strength(strength))
        graph = onnx.load(tmp_path / "eros-denoiser--aya" / "1" / "model.onnx").graph
        merged = next(tensor for tensor in graph.initializer if tensor.name == name)
        changes.append(numpy_helper.to_array(merged) - plain)
    np.testing.assert_allclose(changes[1], -0.5 * changes[0], atol=1e-6)


def test_merge_records_what_it_is_made_of(repository: Path, lora: Path, tmp_path: Path) -> None:
    target = merge_character(repository / "eros-denoiser", lora, tmp_path / "eros-denoiser--aya").folder
    of_base = json.loads((repository / "eros-denoiser" / "weights.json").read_text())
    assert json.loads((target / "weights.json").read_text()) == {
        "engine": hashlib.sha256((target / "1" / "model.onnx").read_bytes()).hexdigest(),
        "base": of_base["engine"],
        "lora": hashlib.sha256(lora.read_bytes()).hexdigest(),
    }


def test_second_merge_of_the_same_files_does_nothing(repository: Path, lora: Path, tmp_path: Path) -> None:
    base, target = repository / "eros-denoiser", tmp_path / "eros-denoiser--aya"
    assert merge_character(base, lora, target).written
    made = (target / "1" / "model.onnx").stat()
    again = merge_character(base, lora, target)
    assert (again.written, again.layers) == (False, LAYERS)
    assert (target / "1" / "model.onnx").stat() == made
    assert merge_character(base, lora, target, Strength(0.5)).written
    (target / "merge.json").write_text("{")
    assert merge_character(base, lora, target).written


def changed(lora: Path, **changes: torch.Tensor | None) -> Path:
    """The file with one tensor added, replaced or (None) dropped; __ stands for a dot."""
    tensors = load_file(lora)
    for key, value in changes.items():
        name = key.replace("__", ".")
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    save_file(tensors, lora)
    return lora


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {
                "lora_unet_conv_from_elsewhere__lora_down__weight": torch.ones(4, 8),
                "lora_unet_conv_from_elsewhere__lora_up__weight": torch.ones(8, 4),
            },
            "1 LoRA layers have no target in the model: lora_unet_conv_from_elsewhere",
        ),
        ({"lora_unet_conv_in__lora_up__weight": torch.ones(32, 5, 1, 1)}, "do not fit"),
        (
            {"lora_unet_conv_in__lora_up__weight": torch.ones(31, 4, 1, 1)},
            r"makes \[31, 4, 3, 3\], its target is",
        ),
        (
            {"lora_unet_conv_in__lora_down__weight": torch.full((4, 4, 3, 3), torch.nan)},
            "not a finite number",
        ),
        (
            {"lora_unet_conv_in__lora_down__weight": None},
            r"2 keys are no part of a LoRA layer: lora_unet_conv_in\.",
        ),
        (
            {
                "lora_te1_other__lora_down__weight": torch.ones(4, 8),
                "lora_te1_other__lora_up__weight": torch.ones(8, 4),
            },
            "1 LoRA layers have no target in the model: lora_te1_other",
        ),
        (
            {
                "unet__conv_in__lora_A__weight": torch.ones(4, 4, 3, 3),
                "unet__conv_in__lora_B__weight": torch.ones(32, 4, 1, 1),
            },
            "a layer of the model under two names",
        ),
    ],
)
def test_lora_that_does_not_fit_is_refused_and_nothing_written(
    repository: Path, lora: Path, tmp_path: Path, changes: dict[str, torch.Tensor | None], reason: str
) -> None:
    path = changed(lora, **changes)
    with pytest.raises(ExportError, match=reason) as caught:
        merge_character(repository / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")
    assert "\n" not in str(caught.value)
    # One of these is found out after the denoiser was merged, and its base found whole.
    assert {entry.name for entry in tmp_path.iterdir()} - {".found"} == {"lora.safetensors"}


def test_value_beyond_fp16_is_refused(repository: Path, lora: Path, tmp_path: Path) -> None:
    model = load_model(repository / "eros-denoiser" / "1" / "model.onnx")
    store_fp16(model)
    save_model(model, tmp_path / "half-denoiser" / "1")
    named(tmp_path / "half-denoiser", repository)
    changed(lora, lora_unet_conv_in__alpha=torch.tensor(1e9))
    with pytest.raises(ExportError, match="makes values that float16 cannot hold"):
        merge_character(tmp_path / "half-denoiser", lora, tmp_path / "eros-denoiser--aya")


@pytest.mark.parametrize("strength", [0.0, float("nan"), float("inf"), 11.0])
def test_strength_out_of_range_is_refused(
    repository: Path, lora: Path, tmp_path: Path, strength: float
) -> None:
    with pytest.raises(ExportError, match="strength"):
        merge_character(
            repository / "eros-denoiser", lora, tmp_path / "eros-denoiser--aya", Strength(strength)
        )


def test_base_that_is_not_there_is_refused(lora: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="There is no "):
        merge_character(tmp_path / "eros-denoiser", lora, tmp_path / "eros-denoiser--aya")


def test_command_merges_without_torch(repository: Path, lora: Path, tmp_path: Path) -> None:
    """In Triton's environment there is none: importing it here is made to fail."""
    program = (
        "import sys, runpy; sys.modules.update(torch=None, transformers=None, diffusers=None, rich=None);"
        "runpy.run_module('export.character', run_name='__main__')"
    )
    options = f"--name aya --model eros --repository {repository} --output {tmp_path / 'out'}"
    command = [sys.executable, "-c", program, str(lora), *options.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == f"{tmp_path / 'out' / 'eros-denoiser--aya'}: {LAYERS} layers, merged\n"
    assert (tmp_path / "out" / "eros-denoiser--aya" / "1" / "model.onnx").is_file()


def test_merge_tells_how_far_it_is(repository: Path, lora: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []

    def tell(stage: str, done: float) -> None:
        told.append((stage, done))

    target = tmp_path / "eros-denoiser--aya"
    merge_character(repository / "eros-denoiser", lora, target, check=lambda _: None, on_progress=tell)
    merging = [done for stage, done in told if stage == "merge into eros-denoiser"]
    assert merging[0] == 0 and merging[-1] == 1 and len(merging) > 20
    assert told[-2:] == [("compare with torch", 0.0), ("compare with torch", 1.0)]
