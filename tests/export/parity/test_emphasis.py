"""Weights of a prompt as AUTOMATIC1111's web UI applies them, computed again in torch.

Its formula (modules/sd_emphasis.py, "Original"), for each text encoder and each window of 77 tokens:

    z = z * multipliers;  z = z * (mean of z before / mean of z now)

The mean is over the whole tensor of the window, frame and padding included; pooled vectors have no weights.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from order import Order
from pipeline import Pipeline
from repositories import Repositories
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from export.model import ExportOptions, export_checkpoint
from tests.export.session import OnnxEngine
from tests.export.tiny import BEGIN, END, PAD, VOCABULARY, save_tiny, save_tiny_sd15

Array = npt.NDArray[Any]
Windows = list[list[tuple[str, float]]]
PROMPT = "a (warm fox:1.3) under [rain] BREAK ((warm lake):0.7) hill"
WINDOWS: Windows = [
    [("a", 1.0), ("warm fox", 1.3), ("under", 1.0), ("rain", 1 / 1.1)],
    [("warm lake", 1.1 * 0.7), ("hill", 1.0)],
]
PLAIN = "a warm fox under rain"


@dataclass(frozen=True)
class EncoderCase:
    save: Callable[[Path], Path]
    encoders: tuple[tuple[type, str, str, int], ...]  # class, folder, pad, which of its layers


def save_sd15(folder: Path) -> Path:
    """With a last norm as trained ones are: a new one's mean is 0, and there would be none to restore."""
    path = save_tiny_sd15(folder) / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    (name,) = (name for name in weights if name.endswith("final_layer_norm.bias"))
    save_file({**weights, name: weights[name] + 0.3}, path, {"format": "pt"})
    return folder


CASES = {
    "sdxl": EncoderCase(
        save_tiny,
        (
            (CLIPTextModel, "text_encoder", END, -2),
            (CLIPTextModelWithProjection, "text_encoder_2", PAD, -2),
        ),
    ),
    "sd15": EncoderCase(save_sd15, ((CLIPTextModel, "text_encoder", END, -1),)),
}


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EncoderCase, Path, Path]:
    chosen = CASES[request.param]
    folder = tmp_path_factory.mktemp("emphasis")
    checkpoint = chosen.save(folder / "checkpoint")
    export_checkpoint(checkpoint, "eros", folder / "models", ExportOptions(storage="fp32"))
    return chosen, checkpoint, folder / "models"


def conditions(models: Path, prompt: str, negative: str = "rain") -> OnnxEngine:
    order = Order(
        prompt=prompt, negative=negative, model="eros", character="",
        width=96, height=64, steps=1, guidance=3.0, seed=7,
    )  # fmt: skip

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    repositories = Repositories([models])
    engine = OnnxEngine(models)
    pipeline = Pipeline(engine, repositories.base("eros"), repositories.networks(order, None))
    asyncio.run(pipeline.paint(order, step_done))
    return engine


def tokens_and_multipliers(window: list[tuple[str, float]], pad: str) -> tuple[list[int], torch.Tensor]:
    words = [(word, weight) for text, weight in window for word in text.split()]
    row = [BEGIN, *(word for word, _ in words), END]
    row += [pad] * (77 - len(row))
    weights = [1.0, *(weight for _, weight in words)]
    return [VOCABULARY[word] for word in row], torch.tensor(weights + [1.0] * (77 - len(weights)))


def emphasised(z: torch.Tensor, multipliers: torch.Tensor) -> torch.Tensor:
    original_mean = z.mean()
    z = z * multipliers[:, None]
    return z * (original_mean / z.mean())


def test_weights_are_those_of_the_web_ui_over_torchs_own_encoders(
    case: tuple[EncoderCase, Path, Path],
) -> None:
    chosen, checkpoint, models = case
    wanted = []
    for window in WINDOWS:
        columns = []
        for kind, folder, pad, layer in chosen.encoders:
            network = kind.from_pretrained(checkpoint / folder)  # type: ignore[attr-defined]
            tokens, multipliers = tokens_and_multipliers(window, pad)
            with torch.no_grad():
                found = network(torch.tensor([tokens]), output_hidden_states=True)
            z = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
            columns.append(emphasised(z[0], multipliers))
        wanted.append(torch.cat(columns, dim=-1))
    given = conditions(models, PROMPT).given["eros-denoiser"]["embeddings"][0]
    np.testing.assert_allclose(given, torch.cat(wanted).numpy(), atol=2e-4)


def test_weights_are_those_of_the_web_ui_over_the_same_embeddings(
    case: tuple[EncoderCase, Path, Path],
) -> None:
    chosen, _, models = case
    engine = conditions(models, PROMPT)
    unweighted = torch.from_numpy(engine.made["eros-text-encoder"]["embeddings"])
    widths = [32, 64][: len(chosen.encoders)]
    for number, window in enumerate(WINDOWS):
        _, multipliers = tokens_and_multipliers(window, PAD)
        columns = unweighted[number].split(widths, dim=-1)
        wanted = torch.cat([emphasised(z, multipliers) for z in columns], dim=-1)
        given = engine.given["eros-denoiser"]["embeddings"][0][number * 77 : (number + 1) * 77]
        np.testing.assert_allclose(given, wanted.numpy(), rtol=2e-4, atol=1e-5)
        assert not np.allclose(given, unweighted[number].numpy(), atol=1e-3)


def test_negative_prompt_is_weighed_and_pooled_vectors_are_not(case: tuple[EncoderCase, Path, Path]) -> None:
    _, _, models = case
    weighed = conditions(models, "a (fox:1.5)", "(rain:1.5)").given["eros-denoiser"]
    plain = conditions(models, "a fox", "rain").given["eros-denoiser"]
    for name in ("embeddings", "negative_embeddings"):
        assert not np.allclose(weighed[name], plain[name], atol=1e-3)
    for name in {"pooled", "negative_pooled"} & plain.keys():
        np.testing.assert_array_equal(weighed[name], plain[name])


def test_prompt_without_weights_is_encoded_as_the_encoder_answers_to_the_bit(
    case: tuple[EncoderCase, Path, Path],
) -> None:
    _, _, models = case
    engine = conditions(models, PLAIN)
    given, made = engine.given["eros-denoiser"], engine.made["eros-text-encoder"]["embeddings"]
    np.testing.assert_array_equal(given["embeddings"][0], made[0])
    np.testing.assert_array_equal(given["negative_embeddings"][0], made[1])
    explicit = conditions(models, "a (warm fox:1) under rain").given["eros-denoiser"]
    np.testing.assert_array_equal(explicit["embeddings"], given["embeddings"])
