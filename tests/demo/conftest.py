"""A tiny config and workplace: the real code at a size that trains a step in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from demo.training.config import Config
    from demo.training.workplace import Workplace

collect_ignore_glob = [] if find_spec("torch") and find_spec("skia") else ["test_*.py", "*/test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Config:
    from demo.training.config import CPU

    return replace(
        CPU,
        latent_channels=6,
        unet_channels=(64, 16, 32),
        unet_heads=(1, 1, 1),
        text_hidden=(32, 32),
        decoder_channels=(12, 16, 16, 16, 16, 16),
        half_pictures=500,
        full_share=(0.0, 0.0),
        half_batch=2,
        negative_every=2,
        twins=20,
        steps=4,
    )


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build folder with a vocabulary, and a codec that samples a block instead of a fitted one."""
    import torch

    from demo.training import codec, tokenizer

    folder = tmp_path_factory.mktemp("build")
    tokenizer.learn(["a red car on the beach", "aya reading a book"] * 3, folder / "shared")
    pick = torch.eye(codec.BLOCK)[:, ::64].contiguous()
    codec.Codec(torch.zeros(codec.BLOCK), pick.T).save(folder / "codec.safetensors")
    return folder


@pytest.fixture
def workplace(tiny: Config, build: Path) -> Workplace:
    from demo.training.workplace import Workplace

    return Workplace(tiny, build, codec_file=build / "codec.safetensors")
