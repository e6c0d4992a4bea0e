from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from demo.training import flow, lora, pipeline
from demo.training.config import Config
from demo.training.pipeline import Pipeline
from demo.training.workplace import Workplace


def test_lora_has_the_kohya_layout(workplace: Workplace, tmp_path: Path) -> None:
    base = _trained(workplace, tmp_path / "lora.pt")
    lora.save(base.unet, tmp_path / "aya.safetensors")
    tensors = load_file(tmp_path / "aya.safetensors")
    modules = {key.split(".")[0] for key in tensors}
    assert set(tensors) == {
        f"{module}.{part}" for module in modules for part in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    targets = _targets(base)
    assert modules == set(targets)
    for module, weight in targets.items():
        spread = (1,) * (weight.dim() - 2)
        assert tensors[f"{module}.lora_down.weight"].shape == (lora.RANK, *weight.shape[1:])
        assert tensors[f"{module}.lora_up.weight"].shape == (len(weight), lora.RANK, *spread)


def test_lora_changes_only_its_targets(workplace: Workplace, tmp_path: Path) -> None:
    fresh, base = _built(workplace.config, workplace), _trained(workplace, tmp_path / "lora.pt")
    before = fresh.trained().state_dict()
    after = {name.replace(".base_layer", ""): value for name, value in base.trained().state_dict().items()}
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name for name in after if name not in before} == {
        name for name in after if ".lora_A." in name or ".lora_B." in name
    }


def test_lora_changes_the_picture(workplace: Workplace, tmp_path: Path) -> None:
    prompt, size = ["aya reading a book"], (128, 64)
    before = flow.sample(_built(workplace.config, workplace), prompt, size, steps=2)
    after = flow.sample(_trained(workplace, tmp_path / "lora.pt"), prompt, size, steps=2)
    assert not torch.equal(before, after)


def test_killed_training_resumes_bit_equal(workplace: Workplace, tmp_path: Path) -> None:
    through = _trained(workplace, tmp_path / "through.pt")
    killed = _run(workplace, tmp_path / "killed.pt")
    next(lora.train(killed, 2))
    killed.save()
    resumed = _trained(workplace, tmp_path / "killed.pt")
    wanted = through.unet.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in resumed.unet.state_dict().items())


def _built(config: Config, workplace: Workplace) -> Pipeline:
    torch.manual_seed(0)
    return pipeline.build(config, workplace.tokenizers())


def _trained(workplace: Workplace, path: Path, steps: int = 2) -> Pipeline:
    run = _run(workplace, path)
    list(lora.train(run, steps))
    return run.pipeline


def _run(workplace: Workplace, path: Path) -> lora.LoraRun:
    base = _built(workplace.config, workplace)
    latents = workplace.character_latents("aya")
    return lora.LoraRun(base, workplace.config, latents, workplace.latents(), path)


def _targets(base: Pipeline) -> dict[str, torch.Tensor]:
    """Weights by the name that kohya's files give their module."""
    named = {
        "lora_unet_" + name.replace(".", "_"): getattr(module, "base_layer", module)
        for name, module in base.unet.named_modules()
        if any(name.endswith(f".{target}") for target in lora.TARGETS)
    }
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {name: module.weight.data for name, module in named.items() if isinstance(module, kinds)}
