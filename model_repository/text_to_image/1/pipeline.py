"""From an order to pixels: encode the prompts, denoise step by step, decode.

Knows nothing of Triton. Tensors are opaque here, so that on a GPU the latents of Euler steps never leave it:
what one step puts out goes into the next as it is. What other samplers do between two steps is done here, in
NumPy (docs/decisions/samplers.md).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from kept_texts import KeptTexts
from noise import standard_noise
from order import BadOrder, Order
from repositories import BaseModel
from tokens import TokenRows, rows_of
from weighing import weigh

from contract.bank import MAX_ADAPTERS, SLOTS, STRENGTHS
from contract.families import MASKED_STEP, Family
from contract.limits import MAX_BATCH
from contract.names import DECODER, DENOISER, network_name, split_network_name
from contract.samplers import Mixture, Walk, walk_of

ROWS_AT_ONCE = 8 * MAX_BATCH  # windows of one order in a small text encoder; in a large one MAX_BATCH
Tell = Callable[[float], Awaitable[None]]
T = TypeVar("T")  # a tensor of the engine: it has a name and its axis 0 is the batch
E = TypeVar("E")
Array = npt.NDArray[Any]


class Engine(Protocol[T]):
    """What runs the networks."""

    def tensor(self, name: str, array: Array) -> T: ...

    def rename(self, name: str, tensor: T) -> T: ...

    def array(self, tensor: T) -> Array: ...

    async def run(
        self, network: str, inputs: Sequence[T], outputs: Sequence[str], *, stay: bool = False
    ) -> list[T]:
        """The outputs in the order of their names, where they can be read; with `stay` where they are made.

        Raises what text_to_image reports as an internal error.
        """
        ...


def _go_on() -> None:
    """For those who never take an order back."""


@dataclass(frozen=True)
class EncodedText:
    """What one text part makes of one text. None: it makes none."""

    embeddings: Array | None  # [tokens, width]
    pooled: Array | None  # [width]
    mask: Array  # int64 [tokens]; 0: padding


@dataclass(frozen=True)
class Painting:
    pixels: Array  # uint8 [height, width, 3]
    timings: tuple[float, float, float]  # ms: encode, denoise, decode
    sampling: str  # what drew it, in words


@dataclass(frozen=True)
class Pipeline(Generic[T]):
    engine: Engine[T]
    base: BaseModel
    networks: tuple[str, ...]  # of the family's parts, in their order
    adapters: Sequence[tuple[int, float]] = ()  # slots of the model's bank, and how much of what is in them
    kept: KeptTexts = field(default_factory=KeptTexts)

    async def paint(self, order: Order, step_done: Tell, look: Callable[[], None] = _go_on) -> Painting:
        """`step_done` is told the share of the work done (0 to 1) after each step, while the next one runs.

        `look` is called between them: what it raises ends the order before any other network runs.
        Raises BadOrder where the model cannot make a picture of that size or so.
        """
        started = time.monotonic()
        sampling, walk = self._walk(order)
        # Milliseconds of arithmetic: beside the encoder, and not in the way of other orders.
        noise = asyncio.to_thread(self._first_latents, order, walk)
        latents, conditions = await asyncio.gather(noise, self._encode(order, look))
        look()
        encoded = time.monotonic()
        made = await self._denoise(order.seed, walk, latents, conditions, step_done, look)
        denoised = time.monotonic()
        done = order.steps / (order.steps + 1)  # the decoder is the last part
        image = await self._run_and_tell(self._network(DECODER), [made], "image", step_done, done)
        pixels = self.engine.array(image)[0]
        if pixels.shape != (order.height, order.width, 3) or pixels.dtype != np.uint8:
            raise RuntimeError(f"{self._network(DECODER)} made {pixels.dtype} {list(pixels.shape)}")
        decoded = time.monotonic()
        times = ((encoded - started) * 1e3, (denoised - encoded) * 1e3, (decoded - denoised) * 1e3)
        return Painting(pixels, times, sampling)

    async def _encode(self, order: Order, look: Callable[[], None]) -> list[T]:
        """The denoiser's inputs that stay the same from step to step.

        Through NumPy: the windows of a long prompt must be laid end to end, and it happens once a picture.
        """
        family, guiding = self._family, self._family.guiding
        parts = await asyncio.gather(*(self._embed(part, order, look) for part in family.text_parts))
        arrays = {
            f"{text}{name}": value
            for number, text in enumerate(family.texts)
            for name, value in self._join([texts[number] for texts in parts]).items()
        }
        if family.is_masked:
            arrays = _cut(arrays)
        if guiding == "negative":
            # Up to 1 there is none; below, the network's step would turn away from the prompt.
            arrays["guidance"] = np.array([[max(order.guidance, 1.0)]], np.float32)
        elif guiding == "number":
            arrays["guidance"] = np.array([[order.guidance]], np.float32)
        if self._family.time_ids:
            size = [order.height, order.width]
            arrays["time_ids"] = np.array([[*size, 0, 0, *size]], np.float32)
        arrays |= self._slots(DENOISER, 1)
        return [self.engine.tensor(name, array) for name, array in arrays.items()]

    def _join(self, parts: Sequence[EncodedText]) -> dict[str, Array]:
        """What the text parts made of one text, as the denoiser takes it; all with a batch of one."""
        embeddings = [part.embeddings for part in parts if part.embeddings is not None]
        width = self.base.description.text_width or max(each.shape[-1] for each in embeddings)
        blank = np.zeros((self._family.blank_tokens, width), np.float32)
        wide = [np.pad(each, ((0, 0), (0, width - each.shape[-1]))) for each in embeddings]
        found = {"embeddings": np.concatenate([*wide, blank])}
        if self._family.has_pooled:
            found["pooled"] = np.concatenate([part.pooled for part in parts if part.pooled is not None])
        if self._family.is_masked:
            found["mask"] = np.concatenate([part.mask for part in parts if part.embeddings is not None])
        return {name: value[np.newaxis] for name, value in found.items()}

    def _slots(self, part: str, rows: int) -> dict[str, Array]:
        """What a network with a bank takes beside its own inputs: the same for all rows."""
        if part not in {network.part for name in self.base.banks if (network := split_network_name(name))}:
            return {}
        slots, strengths = (
            np.zeros((rows, MAX_ADAPTERS), np.int64),
            np.zeros((rows, MAX_ADAPTERS), np.float32),
        )
        for place, (slot, strength) in enumerate(self.adapters):
            slots[:, place], strengths[:, place] = slot, strength
        return {SLOTS: slots, STRENGTHS: strengths}

    @property
    def _family(self) -> Family:
        return self.base.description.family

    def _network(self, part: str) -> str:
        return self.networks[self._family.part_names.index(part)]

    async def _embed(self, part: str, order: Order, look: Callable[[], None]) -> list[EncodedText]:
        """What a text part makes of the prompt and, if the denoiser takes it, of the negative one.

        However long a prompt is, no more than a few windows of what the encoder made are held at a time.
        """
        description, encoders = self.base.description, self._family.text_parts[part]
        most = min(description.max_windows, encoders[0].windows)
        negative = order.negative if description.has_negative else None
        rows = rows_of(self._of_part(part, self.base.tokenizers), order.prompt, negative, most)
        widths = self._of_part(part, description.embedding_widths)
        names = self._family.encoded(part)
        embeddings, pooled = np.zeros(0, np.float32), list[Array]()
        firsts = np.searchsorted(rows.places, [rows.count * text for text in range(rows.texts)])
        at_once = MAX_BATCH if encoders[0].kept else ROWS_AT_ONCE
        for start in range(0, len(rows.places), at_once):
            look()
            some = slice(start, start + at_once)
            made = dict(zip(names, await self._encode_rows(part, rows, some), strict=True))
            if "embeddings" in made and not start:
                embeddings = np.zeros((rows.texts * rows.count, *made["embeddings"].shape[1:]), np.float32)
            for number, row in enumerate(made.get("embeddings", ()), start):
                weighed = weigh(row, [weights[number] for weights in rows.weights], widths)
                embeddings[rows.places[number]] += rows.shares[number] * weighed
            if "pooled" in made:
                end = start + len(made["pooled"])
                pooled += [made["pooled"][first - start] for first in firsts if start <= first < end]
        width, texts = embeddings.shape[-1], []
        for text in range(rows.texts):
            at = text * rows.count
            own = embeddings[at : at + rows.count].reshape(-1, width) if embeddings.size else None
            texts.append(EncodedText(own, pooled[text] if pooled else None, _mask(rows, at)))
        return texts

    def _of_part(self, part: str, each: Sequence[E]) -> Sequence[E]:
        """Of what there is one of for each of the family's text encoders, those of one part."""
        pairs = zip(self._family.text_encoders, each, strict=True) if each else ()
        return [one for encoder, one in pairs if encoder.part == part]

    async def _encode_rows(self, part: str, rows: TokenRows, some: slice) -> list[Array]:
        """The encoder's outputs for some rows, in batches that run side by side."""
        encoders = self._family.text_parts[part]
        given = {one.tokens: tokens for one, tokens in zip(encoders, rows.tokens, strict=True)}
        given |= {one.mask: mask for one, mask in zip(encoders, rows.masks, strict=True) if one.masked}
        given = {name: each[some] for name, each in given.items()}
        if not encoders[0].kept or self.adapters or not self._is_own(part):
            return await self._encode_batches(part, given)
        count = len(next(iter(given.values())))
        keys = [
            (self._network(part), self.base.stamp, *(each[row].tobytes() for each in given.values()))
            for row in range(count)
        ]
        made = {key: found for key in keys if (found := self.kept.find(key)) is not None}
        fresh = [row for row, key in enumerate(keys) if key not in made and key not in keys[:row]]
        if fresh:
            outputs = await self._encode_batches(part, {name: each[fresh] for name, each in given.items()})
            for place, row in enumerate(fresh):
                # Copies: a row of a batch would keep the whole of it in memory.
                made[keys[row]] = tuple(output[place].copy() for output in outputs)
                self.kept.keep(keys[row], made[keys[row]])
        return [np.stack(outputs) for outputs in zip(*(made[key] for key in keys), strict=True)]

    def _is_own(self, part: str) -> bool:
        """Whether the part's network is the model's and no character's."""
        return self._network(part) == network_name(self.base.name, part)

    async def _encode_batches(self, part: str, given: Mapping[str, Array]) -> list[Array]:
        count = len(next(iter(given.values())))
        chunks = [slice(at, at + MAX_BATCH) for at in range(0, count, MAX_BATCH)]
        batches = (
            self._encode_batch(part, {name: each[chunk] for name, each in given.items()}) for chunk in chunks
        )
        return [np.concatenate(outputs) for outputs in zip(*await asyncio.gather(*batches), strict=True)]

    async def _encode_batch(self, part: str, given: Mapping[str, Array]) -> list[Array]:
        count = len(next(iter(given.values())))
        arrays = {**given, **self._slots(part, count)}
        inputs = [self.engine.tensor(*each) for each in arrays.items()]
        outputs = await self.engine.run(self._network(part), inputs, self._family.encoded(part))
        return [self.engine.array(tensor) for tensor in outputs]

    def _walk(self, order: Order) -> tuple[str, Walk]:
        description = self.base.description
        try:
            sampling = description.sampling.instead(order.sampler, order.spacing)
            size = order.height // description.downscale, order.width // description.downscale
            walk = walk_of(description.diffusion.of_size(*size), sampling, order.steps)
            return sampling.told_of(description.diffusion.schedule), walk
        except ValueError as error:
            raise BadOrder(str(error)) from None

    async def _denoise(
        self,
        seed: int,
        walk: Walk,
        noise: Array,
        conditions: list[T],
        step_done: Tell,
        look: Callable[[], None],
    ) -> T:
        latents, steps = self.engine.tensor("latents", noise), len(walk.sigmas) - 1
        given = before = noise
        for step in range(steps):
            mixture = walk.mixtures[step] if walk.mixtures else None
            after = np.zeros(1, np.float32) if mixture else walk.sigmas[step + 1 : step + 2]
            levels = [
                self.engine.tensor("sigma", walk.sigmas[step : step + 1].reshape(1, 1)),
                self.engine.tensor("sigma_next", after.reshape(1, 1)),
            ]
            inputs, stay = [latents, *levels, *conditions], mixture is None
            fresh = asyncio.ensure_future(_fresh_noise(mixture, seed, noise.shape, step + 1))
            done = step / (steps + 1)
            made = await self._run_and_tell(
                self._network(DENOISER), inputs, "next_latents", step_done, done, stay=stay
            )
            look()
            if mixture is None:
                latents = self.engine.rename("latents", made)
            else:
                picture = self.engine.array(made)
                given, before = _mixed(mixture, given, picture, before, await fresh), picture
                latents = self.engine.tensor("latents", given)
        return latents

    async def _run_and_tell(
        self, network: str, inputs: list[T], output: str, step_done: Tell, done: float, *, stay: bool = False
    ) -> T:
        """The network has begun before anybody is told: telling takes as long as starting it."""
        running = asyncio.ensure_future(self.engine.run(network, inputs, [output], stay=stay))
        if done:
            await asyncio.gather(running, step_done(done))
        (made,) = await running
        return made

    def _first_latents(self, order: Order, walk: Walk) -> npt.NDArray[np.float32]:
        description = self.base.description
        for side, size in (("width", order.width), ("height", order.height)):
            if size % (unit := description.downscale * description.family.patch):
                raise BadOrder(f"{side} is {size}, expected a multiple of {unit}")
        height, width = order.height // description.downscale, order.width // description.downscale
        noise = standard_noise(order.seed, (1, description.latent_channels, height, width))
        scaled: npt.NDArray[np.float32] = noise * np.float32(walk.first_scale)
        return scaled


def _cut(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Embeddings and masks without the padding that all texts have, but for what makes a multiple."""
    masks = [value for name, value in arrays.items() if name.endswith("mask")]
    longest = max(int(np.flatnonzero(mask.any(axis=0)).max(initial=0)) + 1 for mask in masks)
    length = -(-longest // MASKED_STEP) * MASKED_STEP
    cut = {name: value[:, :length] for name, value in arrays.items() if name.endswith(("mask", "embeddings"))}
    return {**arrays, **cut}


def _mask(rows: TokenRows, at: int) -> Array:
    """Of the windows of one text, the first of which has the place `at`. Where several have one place, a
    token that is text in any of them is."""
    found = np.zeros((rows.count, rows.masks[0].shape[1]), np.int64)
    for row, place in enumerate(rows.places):
        if at <= place < at + rows.count:
            found[place - at] |= rows.masks[0][row]
    return found.reshape(-1)


async def _fresh_noise(mixture: Mixture | None, seed: int, shape: tuple[int, ...], draw: int) -> Array | None:
    """For the end of a step, made while the network runs."""
    if mixture is None or not mixture.noise:
        return None
    return await asyncio.to_thread(standard_noise, seed, shape, draw)


def _mixed(
    mixture: Mixture, latents: Array, picture: Array, before: Array, noise: Array | None
) -> npt.NDArray[np.float32]:
    mixed: npt.NDArray[np.float32] = np.float32(mixture.latents) * latents
    mixed += np.float32(mixture.picture) * picture
    if mixture.before:
        mixed += np.float32(mixture.before) * before
    if noise is not None:
        mixed += np.float32(mixture.noise) * noise
    return mixed
