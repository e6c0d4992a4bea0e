import weakref
from pathlib import Path
from typing import Any

from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.networks.networks import Network, network_of
from export.networks.precision import LIMITS
from export.parity.comparison import compare

PARTS = ("text-encoder", "denoiser", "decoder")


def test_one_network_at_a_time_is_held(tiny_folder: Path, repository: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    networks: list[weakref.ref[Any]] = []

    def reference(part: str) -> Network:
        assert [one() for one in networks] == [None] * len(networks)
        network = network_of(open_checkpoint(tiny_folder, as_stored=True), part)
        asked.append(part)
        networks.append(weakref.ref(network.module))
        return network

    checkpoint = open_checkpoint(tiny_folder)
    tokenizers = open_tokenizers(checkpoint)
    parts = {part: repository / f"eros-{part}" for part in PARTS}
    report = compare(parts, checkpoint, tokenizers, LIMITS["fp32", "fp32"], tmp_path, reference)
    assert asked == list(PARTS)
    assert report.failure is None
    assert report.parts.keys() == set(PARTS) and len(report.pictures) == 4
