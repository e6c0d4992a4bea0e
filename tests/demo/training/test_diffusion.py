from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from demo.training import diffusion, flow, pipeline
from demo.training.workplace import Workplace


def test_killed_training_resumes_bit_equal(workplace: Workplace, tmp_path: Path) -> None:
    through = _run(workplace, tmp_path / "through.pt")
    list(diffusion.train(through, 2))

    killed = _run(workplace, tmp_path / "killed.pt")
    list(diffusion.train(killed, 1))
    killed.save()
    (tmp_path / "killed.tmp").write_bytes(b"half a checkpoint")
    resumed = _run(workplace, tmp_path / "killed.pt")
    list(diffusion.train(resumed, 2))

    assert resumed.step == through.step == 2
    for one, other in (
        (_weights(through), _weights(resumed)),
        (through.averages.values, resumed.averages.values),
    ):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_learning_rate_ends_at_zero(workplace: Workplace) -> None:
    assert diffusion.rate(workplace.config.steps, workplace.config) == 0.0


def test_saved_folder_draws_what_the_training_model_draws(workplace: Workplace, tmp_path: Path) -> None:
    from diffusers import StableDiffusionXLPipeline

    run = _run(workplace, tmp_path / "none.pt")
    folder = pipeline.save(run.pipeline, pipeline.build_autoencoder(workplace.config), tmp_path / "tiny")
    loaded = StableDiffusionXLPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    again = pipeline.Pipeline(
        loaded.tokenizer, loaded.tokenizer_2, loaded.text_encoder, loaded.text_encoder_2, loaded.unet
    )
    one, other = (flow.sample(part, ["a red car"], (128, 64), steps=2) for part in (run.pipeline, again))
    assert torch.allclose(one, other, atol=0.05)


def _run(workplace: Workplace, path: Path) -> diffusion.Run:
    torch.manual_seed(0)
    parts = pipeline.build(workplace.config, workplace.tokenizers())
    return diffusion.Run(parts, replace(workplace.config), workplace.latents(), path)


def _weights(run: diffusion.Run) -> dict[str, torch.Tensor]:
    return dict(run.pipeline.trained().state_dict())
