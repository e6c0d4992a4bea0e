"""From an order to pixels: encode the prompts, denoise step by step, decode.

Knows nothing of Triton. Tensors are opaque here, so that on a GPU the latents of Euler steps never leave it:
what one step puts out goes into the next as it is. What other samplers do between two steps is done here, in
NumPy (docs/decisions/samplers.md).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from noise import standard_noise
from order import BadOrder, Order
from repositories import BaseModel
from tokens import TokenRows, rows_of
from weighing import weigh

from contract.bank import MAX_ADAPTERS, SLOTS, STRENGTHS
from contract.families import Family
from contract.limits import MAX_BATCH
from contract.names import DENOISER, TEXT_ENCODER, split_network_name
from contract.samplers import Mixture, Walk, walk_of

ROWS_AT_ONCE = 8 * MAX_BATCH  # windows of one order in the text encoder
Tell = Callable[[float], Awaitable[None]]
T = TypeVar("T")  # a tensor of the engine: it has a name and its axis 0 is the batch
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
class Painting:
    pixels: Array  # uint8 [height, width, 3]
    timings: tuple[float, float, float]  # ms: encode, denoise, decode
    sampling: str  # what drew it, in words


@dataclass(frozen=True)
class Pipeline(Generic[T]):
    engine: Engine[T]
    base: BaseModel
    networks: tuple[str, str, str]  # text encoder, denoiser, decoder
    adapters: Sequence[tuple[int, float]] = ()  # slots of the model's bank, and how much of what is in them

    async def paint(self, order: Order, step_done: Tell, look: Callable[[], None] = _go_on) -> Painting:
        """`step_done` is told the share of the work done (0 to 1) after each step, while the next one runs.

        `look` is called between them: what it raises ends the order before any other network runs.
        Raises BadOrder where the model cannot make a picture of that size or so.
        """
        started = time.monotonic()
        sampling, walk = self._walk(order)
        # Milliseconds of arithmetic: beside the encoder, and not in the way of other orders.
        noise = asyncio.to_thread(self._first_latents, order, walk)
        latents, conditions = await asyncio.gather(noise, self._encode(order))
        encoded = time.monotonic()
        made = await self._denoise(order.seed, walk, latents, conditions, step_done, look)
        denoised = time.monotonic()
        done = order.steps / (order.steps + 1)  # the decoder is the last part
        image = await self._run_and_tell(self.networks[2], [made], "image", step_done, done)
        pixels = self.engine.array(image)[0]
        if pixels.shape != (order.height, order.width, 3) or pixels.dtype != np.uint8:
            raise RuntimeError(f"{self.networks[2]} made {pixels.dtype} {list(pixels.shape)}")
        decoded = time.monotonic()
        times = ((encoded - started) * 1e3, (denoised - encoded) * 1e3, (decoded - denoised) * 1e3)
        return Painting(pixels, times, sampling)

    async def _encode(self, order: Order) -> list[T]:
        """The denoiser's inputs that stay the same from step to step.

        Through NumPy: the windows of a long prompt must be laid end to end, and it happens once a picture.
        """
        most = self.base.description.max_windows
        rows = rows_of(self.base.tokenizers, order.prompt, order.negative, most)
        embeddings, pooled = await self._embed(rows)
        width = embeddings.shape[-1]
        arrays = {
            # Up to 1 there is none; below, the network's step would turn away from the prompt.
            "guidance": np.array([[max(order.guidance, 1.0)]], np.float32),
            "embeddings": embeddings[: rows.count].reshape(1, -1, width),
            "negative_embeddings": embeddings[rows.count :].reshape(1, -1, width),
        }
        if self._family.has_pooled:
            arrays |= {"pooled": pooled[0][np.newaxis], "negative_pooled": pooled[1][np.newaxis]}
        if self._family.time_ids:
            size = [order.height, order.width]
            arrays["time_ids"] = np.array([[*size, 0, 0, *size]], np.float32)
        arrays |= self._slots(DENOISER, 1)
        return [self.engine.tensor(name, array) for name, array in arrays.items()]

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

    async def _embed(self, rows: TokenRows) -> tuple[Array, list[Array]]:
        """Embeddings [2 count, window, D], and the pooled vectors [P] of the first window of both texts.

        However long a prompt is, no more than ROWS_AT_ONCE of what the encoder made are held at a time.
        """
        embeddings, pooled = np.zeros(0, np.float32), []
        widths = self.base.description.embedding_widths
        firsts = np.searchsorted(rows.places, [0, rows.count])
        for start in range(0, len(rows.places), ROWS_AT_ONCE):
            made = await self._encode_rows([tokens[start : start + ROWS_AT_ONCE] for tokens in rows.tokens])
            if not start:
                embeddings = np.zeros((2 * rows.count, *made[0].shape[1:]), np.float32)
            for number, row in enumerate(made[0], start):
                weighed = weigh(row, [weights[number] for weights in rows.weights], widths)
                embeddings[rows.places[number]] += rows.shares[number] * weighed
            here = [first - start for first in firsts if 0 <= first - start < len(made[0])]
            pooled += [outputs[row] for outputs in made[1:] for row in here]
        return embeddings, pooled

    async def _encode_rows(self, rows: list[npt.NDArray[np.int64]]) -> list[Array]:
        """The encoder's outputs for at most ROWS_AT_ONCE rows, in batches that run side by side."""
        chunks = [slice(at, at + MAX_BATCH) for at in range(0, len(rows[0]), MAX_BATCH)]
        parts = await asyncio.gather(*(self._encode_batch([row[chunk] for row in rows]) for chunk in chunks))
        return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]

    async def _encode_batch(self, rows: list[npt.NDArray[np.int64]]) -> list[Array]:
        encoders = zip(self._family.text_encoders, rows, strict=True)
        inputs = [self.engine.tensor(encoder.tokens, row) for encoder, row in encoders]
        inputs += [self.engine.tensor(*each) for each in self._slots(TEXT_ENCODER, len(rows[0])).items()]
        outputs = await self.engine.run(self.networks[0], inputs, self._family.encoded)
        return [self.engine.array(tensor) for tensor in outputs]

    def _walk(self, order: Order) -> tuple[str, Walk]:
        description = self.base.description
        try:
            sampling = description.sampling.instead(order.sampler, order.spacing)
            walk = walk_of(description.diffusion, sampling, order.steps)
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
                self.networks[1], inputs, "next_latents", step_done, done, stay=stay
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
            if size % description.downscale:
                raise BadOrder(f"{side} is {size}, expected a multiple of {description.downscale}")
        height, width = order.height // description.downscale, order.width // description.downscale
        noise = standard_noise(order.seed, (1, description.latent_channels, height, width))
        scaled: npt.NDArray[np.float32] = noise * np.float32(walk.first_scale)
        return scaled


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
