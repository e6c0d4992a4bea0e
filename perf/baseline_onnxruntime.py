"""A picture without a server: the same three graphs in one process, a plain loop, onnxruntime's defaults.

Reads one PictureOrder a line on standard input, writes its times as JSON: encode, denoise, decode, jpeg (ms).

python -m perf.baseline_onnxruntime REPOSITORY MODEL [PIXELS_FILE]
"""

import io
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "model_repository" / "text_to_image" / "1"))

from noise import first_noise
from tokens import TextTokenizer, rows_of

from contract.description import Description, read_description
from contract.names import PARTS, network_name

JPEG_QUALITY = 95
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Networks:
    encoder: onnxruntime.InferenceSession
    denoiser: onnxruntime.InferenceSession
    decoder: onnxruntime.InferenceSession
    tokenizers: list[TextTokenizer]
    description: Description


def load(repository: Path, model: str) -> Networks:
    encoder, denoiser, decoder = (
        onnxruntime.InferenceSession(
            str(repository / network_name(model, part) / "1" / "model.onnx"),
            providers=["CPUExecutionProvider"],
        )
        for part in PARTS
    )
    description = read_description(repository / f"{model}-denoiser" / "pipeline.json")
    folders = [
        repository / f"{model}-text-encoder" / one.tokenizer for one in description.family.text_encoders
    ]
    tokenizers = [
        TextTokenizer(folder / "tokenizer.json", pad=pad, window=description.token_window)
        for folder, pad in zip(folders, description.pad_tokens, strict=True)
    ]
    return Networks(encoder, denoiser, decoder, tokenizers, description)


def encode(networks: Networks, order: dict[str, Any]) -> dict[str, Array]:
    """The denoiser's inputs that stay the same; short prompts only (one window)."""
    rows = rows_of(networks.tokenizers, order["prompt"], order["negative"], networks.description.max_windows)
    embeddings, pooled = networks.encoder.run(
        ["embeddings", "pooled"], dict(zip(("tokens", "tokens_2"), rows.tokens, strict=True))
    )
    count, width = rows.count, embeddings.shape[-1]
    height, long_side = order["height"], order["width"]
    return {
        "guidance": np.array([[order["guidance"]]], np.float32),
        "embeddings": embeddings[:count].reshape(1, -1, width),
        "negative_embeddings": embeddings[count:].reshape(1, -1, width),
        "pooled": pooled[:1],
        "negative_pooled": pooled[count : count + 1],
        "time_ids": np.array([[height, long_side, 0, 0, height, long_side]], np.float32),
    }


def denoise(networks: Networks, order: dict[str, Any], conditions: dict[str, Array]) -> Array:
    description = networks.description
    sigmas = description.diffusion.schedule.sigmas(order["steps"])
    height, width = order["height"] // description.downscale, order["width"] // description.downscale
    noise = first_noise(order["seed"], (1, description.latent_channels, height, width))
    latents: Array = noise * np.float32(description.diffusion.schedule.init_noise_sigma(sigmas))
    for step in range(order["steps"]):
        levels = {"sigma": sigmas[None, step : step + 1], "sigma_next": sigmas[None, step + 1 : step + 2]}
        (latents,) = networks.denoiser.run(["next_latents"], {"latents": latents, **levels, **conditions})
    return latents


def draw(networks: Networks, order: dict[str, Any]) -> tuple[Array, dict[str, float]]:
    times = [time.perf_counter()]
    conditions = encode(networks, order)
    times.append(time.perf_counter())
    latents = denoise(networks, order, conditions)
    times.append(time.perf_counter())
    pixels: Array = networks.decoder.run(["image"], {"latents": latents})[0][0]
    times.append(time.perf_counter())
    Image.fromarray(pixels).save(io.BytesIO(), "JPEG", quality=JPEG_QUALITY)
    times.append(time.perf_counter())
    names = ("encode", "denoise", "decode", "jpeg")
    return pixels, {name: (b - a) * 1e3 for name, a, b in zip(names, times, times[1:], strict=False)}


def main(repository: Path, model: str, pixels_file: Path | None) -> None:
    networks = load(repository, model)
    for line in sys.stdin:
        pixels, times = draw(networks, json.loads(line))
        if pixels_file:
            np.save(pixels_file, pixels)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else None)
