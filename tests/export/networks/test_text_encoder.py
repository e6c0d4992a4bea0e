from pathlib import Path

import torch

from export.checkpoints.checkpoint import Checkpoint
from export.networks.networks import network_of
from tests.export.session import largest_error, run
from tests.export.tiny import BEGIN, END, PAD, VOCABULARY


def windows(*texts: str, pad: str) -> torch.Tensor:
    rows = []
    for text in texts:
        words = [BEGIN, *text.split(), END]
        rows.append([VOCABULARY[word] for word in words + [pad] * (77 - len(words))])
    return torch.tensor(rows)


TEXTS = ("a fox reading a book under a tree", "", " ".join(["warm", "lake", "hill"] * 25))


def test_encoder_answers_as_torch_does(tiny: Checkpoint, repository: Path) -> None:
    tokens, tokens_2 = windows(*TEXTS, pad=END), windows(*TEXTS, pad=PAD)
    with torch.no_grad():
        wanted = network_of(tiny, "text-encoder").module(tokens, tokens_2)
    found = run(repository / "eros-text-encoder", {"tokens": tokens, "tokens_2": tokens_2})
    assert largest_error(found[0], wanted[0]) < 1e-4
    assert largest_error(found[1], wanted[1]) < 1e-4


def test_pooled_is_taken_at_the_end_of_text(repository: Path) -> None:
    """What follows the end of text cannot reach it, so it must not change the pooled vector."""
    tokens, tokens_2 = windows(TEXTS[0], pad=END), windows(TEXTS[0], pad=PAD)
    other = tokens_2.clone()
    other[0, 40:] = VOCABULARY["rain"]
    one = run(repository / "eros-text-encoder", {"tokens": tokens, "tokens_2": tokens_2})
    two = run(repository / "eros-text-encoder", {"tokens": tokens, "tokens_2": other})
    assert largest_error(one[1], torch.from_numpy(two[1])) < 1e-6
    assert largest_error(one[0], torch.from_numpy(two[0])) > 1e-3
