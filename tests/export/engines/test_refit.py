"""A character's plan out of its model's. Without a GPU here, `tensorrt` is a fake, held to the real names."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract.families import SD15, Sizes
from export.engines.builder import Builder, load_builder
from export.engines.plan import TIMING_CACHE, add_character_plan, add_plan
from export.engines.recipe import EngineOptions, Recipe
from export.errors import ExportError
from export.repository.triton_config import config_of, rename_config
from tests.export import fake_tensorrt
from tests.export.fake_tensorrt import FakeTensorRT, plan_of, weights_of

PART = SD15.parts(Sizes(width=8, pooled=0, window=77, channels=2))["decoder"]
CHANGED = ["unet.one"]


def graph(one: float, two: float = 2.0) -> onnx.ModelProto:
    """latents → two layers; only their names and weights matter here."""
    nodes = [
        helper.make_node("MatMul", ["latents", "unet.one.weight.T"], ["middle"]),
        helper.make_node("MatMul", ["middle", "unet.two.weight.T"], ["image"]),
    ]
    weights = [
        numpy_helper.from_array(np.full((2, 2), value, np.float32), f"unet.{name}.weight.T")
        for name, value in (("one", one), ("two", two))
    ]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in ("latents", "image")]
    return helper.make_model(helper.make_graph(nodes, "net", shapes[:1], shapes[1:], weights))


def model(folder: Path, one: float) -> Path:
    (folder / "1").mkdir(parents=True)
    onnx.save_model(graph(one), str(folder / "1" / "model.onnx"))
    (folder / "config.pbtxt").write_text(config_of(folder.name, PART))
    return folder


def planned(folder: Path, builder: Builder, one: float = 1.0) -> Path:
    base = model(folder, one)
    recipe = Recipe.of(PART, EngineOptions(batch=2, workspace_mb=512), 8, refittable=builder.can_refit)
    add_plan(base, recipe, folder.parent / TIMING_CACHE, builder)
    return base


def character(base: Path, name: str, one: float, builder: Builder) -> Path:
    made = model(base.with_name(f"{base.name}--{name}"), one)
    made.joinpath("config.pbtxt").write_text(rename_config((base / "config.pbtxt").read_text(), made.name))
    add_character_plan(made, base, CHANGED, base.parent / TIMING_CACHE, builder)
    return made


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "plan.json").read_text())
    return found


def test_character_is_refitted_and_holds_exactly_its_graphs_weights(tmp_path: Path) -> None:
    builder = fake_tensorrt.builder()
    base = planned(tmp_path / "eros-denoiser", builder)
    before = (base / "1" / "model.plan").read_bytes()
    aya = character(base, "aya", 5.0, builder)
    assert record(base)["made"] == "built" and record(aya)["made"] == "refitted"
    assert plan_of(aya)["weights"] == weights_of(str(aya / "1" / "model.onnx"))
    assert (base / "1" / "model.plan").read_bytes() == before
    assert 'backend: "tensorrt"' in (aya / "config.pbtxt").read_text()
    assert len(builder.trt.built) == 1


def test_one_character_after_another_leaves_no_trace(tmp_path: Path) -> None:
    builder = fake_tensorrt.builder()
    base = planned(tmp_path / "eros-denoiser", builder)
    first, _, again = (
        character(base, name, one, builder) for name, one in (("a", 5.0), ("b", 7.0), ("c", 5.0))
    )
    assert plan_of(first) == plan_of(again)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"forgets": "unet.two.weight.T"}, "1 weights of the plan are not in"),
        ({"unknown": "unet.one.weight.T"}, "1 changed weights cannot be refitted, such as unet.one.weight.T"),
    ],
    ids=["an unchanged weight is not set", "a changed weight is folded away"],
)
def test_what_cannot_be_refitted_whole_is_built_and_the_record_says_why(
    tmp_path: Path, options: dict[str, str], reason: str
) -> None:
    builder = fake_tensorrt.builder(FakeTensorRT(**options))
    base = planned(tmp_path / "eros-denoiser", builder)
    aya = character(base, "aya", 5.0, builder)
    assert record(aya)["made"] == "built" and record(aya)["not_refitted"].startswith(reason)
    assert len(builder.trt.built) == 2


def test_plan_that_the_library_cannot_read_is_built_anew(tmp_path: Path) -> None:
    builder = fake_tensorrt.builder()
    base = planned(tmp_path / "eros-denoiser", builder)
    (base / "1" / "model.plan").write_bytes(b"torn")
    aya = character(base, "aya", 5.0, builder)
    assert "magic tag does not match" in record(aya)["not_refitted"]
    assert plan_of(aya)["weights"] == weights_of(str(aya / "1" / "model.onnx"))


@pytest.mark.parametrize(
    ("here", "told"),
    [
        (
            fake_tensorrt.builder(gpu="NVIDIA L40S, 8.9"),
            "this machine has tensorrt 10.13.0 and the GPU NVIDIA L40S",
        ),
        (fake_tensorrt.builder(gpu="none"), "this machine has tensorrt 10.13.0 and no GPU"),
        (fake_tensorrt.builder(version="10.14.1"), "this machine has tensorrt 10.14.1"),
    ],
    ids=["another GPU", "no GPU", "another version"],
)
def test_machine_unlike_the_plans_is_refused_and_told_what_to_do(
    tmp_path: Path, here: Builder, told: str
) -> None:
    base = planned(tmp_path / "eros-denoiser", fake_tensorrt.builder())
    with pytest.raises(ExportError, match=told) as refusal:
        character(base, "aya", 5.0, here)
    assert "export the model here again" in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "eros-denoiser--aya" / "1" / "model.plan").exists()


def test_character_of_a_model_without_plan_gets_none(tmp_path: Path) -> None:
    base = model(tmp_path / "eros-denoiser", 1.0)
    aya = character(base, "aya", 5.0, fake_tensorrt.builder())
    assert not (aya / "plan.json").exists()


def test_recipe_reaches_the_builder(tmp_path: Path) -> None:
    builder = fake_tensorrt.builder()
    base = planned(tmp_path / "eros-decoder", builder)
    (config,) = builder.trt.built
    assert config.pools == {"workspace": 512 << 20}
    assert config.flags == [FakeTensorRT.BuilderFlag.REFIT]
    assert len(config.profiles) == 7
    assert "max_batch_size: 2\n" in (base / "config.pbtxt").read_text()
    assert record(base)["recipe"]["refittable"] is True
    assert (base / "build.log").read_text() == "INFO building\n"


def test_timings_are_kept_for_the_next_build_and_those_of_another_version_are_dropped(tmp_path: Path) -> None:
    cache = tmp_path / TIMING_CACHE
    builder = fake_tensorrt.builder()
    planned(tmp_path / "one", builder)
    assert cache.read_bytes() == b"t"
    planned(tmp_path / "two", builder)
    assert cache.read_bytes() == b"tt"
    cache.write_bytes(b"of another version")
    planned(tmp_path / "three", builder)
    assert cache.read_bytes() == b"t"


def test_base_that_was_built_without_a_gpu_is_not_refittable(tmp_path: Path) -> None:
    builder = fake_tensorrt.builder(gpu="none")
    base = planned(tmp_path / "eros-denoiser", builder)
    assert record(base)["recipe"]["refittable"] is False
    assert record(character(base, "aya", 5.0, builder))["made"] == "built"


def test_torn_record_is_refused(tmp_path: Path) -> None:
    base = planned(tmp_path / "eros-denoiser", fake_tensorrt.builder())
    shutil.copy(base / "config.pbtxt", base / "plan.json")
    with pytest.raises(ExportError, match=r"plan.json cannot be read: export the model again"):
        character(base, "aya", 5.0, fake_tensorrt.builder())


def test_fake_has_no_name_that_nvidias_library_lacks() -> None:
    real, fake = load_builder().trt, FakeTensorRT()
    for name in ("Builder", "OnnxParser", "Runtime", "Refitter", "OnnxParserRefitter", "ILogger"):
        methods = {one for one in vars(getattr(fake, name)) if not one.startswith("_")}
        assert not methods - set(dir(getattr(real, name))), name
    for kind in (fake_tensorrt.Config, fake_tensorrt.Profile, fake_tensorrt.Engine):
        theirs = {"Config": "IBuilderConfig", "Profile": "IOptimizationProfile", "Engine": "ICudaEngine"}
        methods = {one for one in vars(kind) if not one.startswith("_")}
        assert not methods - set(dir(getattr(real, theirs[kind.__name__]))), kind
    assert hasattr(real.BuilderFlag, "REFIT") and hasattr(real.MemoryPoolType, "WORKSPACE")
    assert hasattr(real.Weights, "size")
