from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from demo.training import diffusion, flow, pipeline, text_start, unet_start
from demo.training.rounding import round_weights
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


def test_unet_starts_as_half_its_input(workplace: Workplace, tmp_path: Path) -> None:
    run = _run(workplace, tmp_path / "none.pt")
    latents = torch.randn(2, workplace.config.latent_channels, 8, 12)
    with torch.no_grad():
        text = flow.encode_text(run.pipeline, ["a red car", ""])
        drawn = flow.velocity(run.pipeline, latents, torch.tensor([0.9, 0.4]), text, (384, 256))
    assert torch.allclose(drawn, latents / 2, atol=0.2)


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
    for module in (run.pipeline.text_encoder, run.pipeline.text_encoder_2, run.pipeline.unet):
        round_weights(module.half().float())
    one, other = (flow.sample(part, ["a red car"], (128, 64), steps=2) for part in (run.pipeline, again))
    assert torch.allclose(one, other, atol=1e-3)


def test_redrawn_latents_are_near_where_little_is_left_and_far_where_all_is(
    workplace: Workplace, tmp_path: Path
) -> None:
    parts = _run(workplace, tmp_path / "none.pt").pipeline
    clean = torch.randn(workplace.config.latent_channels, 2, 4)

    def distance(left: int) -> float:
        found = flow.redraw(parts, clean, "a red car", (128, 64), left, torch.Generator().manual_seed(0))
        return float((found - clean).square().mean())

    assert distance(1) < distance(10)


def _run(workplace: Workplace, path: Path) -> diffusion.Run:
    torch.manual_seed(0)
    parts = pipeline.build(workplace.config, workplace.tokenizers())
    text_start.start(parts)
    unet_start.start(parts.unet)
    return diffusion.Run(parts, replace(workplace.config), workplace.latents(), workplace.twins(), path)


def _weights(run: diffusion.Run) -> dict[str, torch.Tensor]:
    return dict(run.pipeline.trained().state_dict())
