"""Prompts as vectors, from memory where they were asked for before: the encoder takes milliseconds."""

import asyncio
import sys
from typing import Any

from cachetools import LRUCache

from frontend.cache.index.item import Vector
from frontend.cache.normal_form import embedded_text
from frontend.cache.replica import EncodesPrompts

MAX_BYTES = 32 << 20  # of prompts, normal forms and vectors: more than ten thousand
ENTRY_BYTES = 300  # that the memory itself takes for each


class PromptVectors:
    """Nothing in it grows old: an encoder has one identity for life, and a normal form is our own code's."""

    def __init__(self, encoder: EncodesPrompts, max_bytes: int = MAX_BYTES) -> None:
        self._encoder = encoder
        # The keys stand in the values once more, so that their size is counted.
        self._texts: LRUCache[str, tuple[str, str]] = LRUCache(max_bytes // 4, _size)
        self._vectors: LRUCache[str, tuple[str, Vector]] = LRUCache(max_bytes - max_bytes // 4, _size)

    async def vector_of(self, positive: str) -> Vector:
        """Of what `PromptIntent.positive` is; all of one normal form have the same. Raises EncoderError."""
        text = await self._text_of(positive)
        if found := self._vectors.get(text):
            return found[1]
        vector = (await self._encoder.encode(text)).copy()  # without the answer that it came in
        vector.setflags(write=False)
        self._vectors[text] = text, vector
        return vector

    async def _text_of(self, positive: str) -> str:
        if found := self._texts.get(positive):
            return found[1]
        # The longest prompts take the rules some 20 ms each: not on the event loop.
        text = await asyncio.to_thread(embedded_text, positive)
        self._texts[positive] = positive, text
        return text


def _size(entry: tuple[Any, ...]) -> int:
    """An array tells its own bytes, too."""
    return ENTRY_BYTES + sum(map(sys.getsizeof, entry))
