"""What people should know of a LoRA that was merged: what of it was left out, and what it may not be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

MAX_NAMES = 5  # of embeddings, in a note
B_LORA = ("unet.up_blocks.0.attentions.0", "unet.up_blocks.0.attentions.1")
"""The two blocks of SDXL that a B-LoRA changes, and nothing else: content and style."""


class Merged(Protocol):
    """Of one network; see export.lora.merge.Merge."""

    @property
    def changed(self) -> set[str]: ...

    @property
    def paths(self) -> list[str]: ...


def embedding_notes(
    embeddings: Mapping[str, Sequence[str]], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, ...]:
    """`embeddings`: keys by the embedding's name."""
    if not embeddings:
        return ()
    tokens = {name: (shapes[key] or (1,))[0] for name, (key, *_) in embeddings.items()}
    shown = [f"{name[:40]} ({count:,} tokens)" for name, count in list(tokens.items())[:MAX_NAMES]]
    more = f" and {len(tokens) - MAX_NAMES:,} more" if len(tokens) > MAX_NAMES else ""
    return (
        f"left out the trained embeddings {', '.join(shown)}{more}: the trigger draws with the LoRA alone,"
        " and their words are plain words",
    )


def merge_notes(merges: Sequence[Merged]) -> Iterator[str]:
    if not any(merge.changed for merge in merges):
        yield "the LoRA changes nothing: every change in it is zero, or too small for the base's weights"
    paths = [path for merge in merges for path in merge.paths]
    if paths and all(path.startswith(B_LORA) for path in paths):
        yield (
            f"a B-LoRA: {B_LORA[0]} is what it shows and {B_LORA[1]} how it looks; "
            f"--block {B_LORA[0]}=0 leaves one out"
        )
