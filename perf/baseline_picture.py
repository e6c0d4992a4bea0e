"""A picture without a server: the same three graphs in one process and a plain loop.

What runs them is chosen as Triton's backend chooses it (IMGEN_CPU_RUNTIME). Reads one PictureOrder a line on
standard input, writes a line of JSON: the runtime, and times: encode, denoise, decode, jpeg (ms).

python -m perf.baseline_picture REPOSITORY MODEL [PIXELS_FILE]
"""

import io
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "model_repository" / "text_to_image" / "1"))
sys.path.insert(0, str(Path(__file__).parent.parent / "backends" / "shared"))

from noise import standard_noise
from runtimes import NetworkSession, open_network
from tokens import TextTokenizer, rows_of

from contract.description import Description, read_description
from contract.names import COMMON_PARTS, network_name

JPEG_QUALITY = 95
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Networks:
    encoder: NetworkSession
    denoiser: NetworkSession
    decoder: NetworkSession
    tokenizers: list[TextTokenizer]
    description: Description

    @property
    def runtime(self) -> str:
        """As the server tells it of a picture."""
        return ", ".join(dict.fromkeys(one.runtime for one in (self.encoder, self.denoiser, self.decoder)))


def load(repository: Path, model: str) -> Networks:
    encoder, denoiser, decoder = (
        open_network(repository / network_name(model, part) / "1" / "model.onnx", {}, os.environ, _log)
        for part in COMMON_PARTS
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


def _log(line: str) -> None:
    print(line, file=sys.stderr)


def encode(networks: Networks, order: dict[str, Any]) -> dict[str, Array]:
    """The denoiser's inputs that stay the same; short prompts only (one window)."""
    rows = rows_of(networks.tokenizers, order["prompt"], order["negative"], networks.description.max_windows)
    encoded = networks.encoder.run(dict(zip(("tokens", "tokens_2"), rows.tokens, strict=True)))
    embeddings, pooled = encoded["embeddings"], encoded["pooled"]
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
    noise = standard_noise(order["seed"], (1, description.latent_channels, height, width))
    latents: Array = noise * np.float32(description.diffusion.schedule.init_noise_sigma(sigmas))
    for step in range(order["steps"]):
        levels = {"sigma": sigmas[None, step : step + 1], "sigma_next": sigmas[None, step + 1 : step + 2]}
        latents = networks.denoiser.run({"latents": latents, **levels, **conditions})["next_latents"]
    return latents


def draw(networks: Networks, order: dict[str, Any]) -> tuple[Array, dict[str, float]]:
    times = [time.perf_counter()]
    conditions = encode(networks, order)
    times.append(time.perf_counter())
    latents = denoise(networks, order, conditions)
    times.append(time.perf_counter())
    pixels: Array = networks.decoder.run({"latents": latents})["image"][0]
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
        print(json.dumps({"runtime": networks.runtime, "ms": times}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if len(sys.argv) > 3 else None)
