from __future__ import annotations

from pathlib import Path

from demo.training import pipeline, released
from demo.training.config import CPU


def test_training_goes_on_from_what_is_released(tmp_path: Path) -> None:
    """Its weights have the shapes of the config, and its folder stays while they do."""
    folder = released.restore(tmp_path)
    released.start(pipeline.build(CPU, tmp_path / "shared"), folder)
    released.start_decoder(pipeline.build_autoencoder(CPU), folder)
    assert released.restore(tmp_path) == folder
