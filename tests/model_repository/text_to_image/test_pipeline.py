import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noise import standard_noise
from order import BadOrder, Order
from pipeline import Array, Painting, Pipeline
from repositories import Repositories
from weighing import weigh

from contract.limits import MAX_WINDOWS
from contract.samplers import Sampling, walk_of
from contract.schedules import Diffusion, FlowSchedule

ORDER = Order(
    prompt="a quiet lake",
    negative="rain",
    model="tiny",
    character="",
    width=32,
    height=16,
    steps=3,
    guidance=2.5,
    seed=5,
)


@dataclass
class Named:
    name: str
    values: Array


@dataclass
class RecordingEngine:
    """Networks that are functions; the denoiser adds sigma - sigma_next to the latents."""

    calls: list[tuple[str, dict[str, Named]]] = field(default_factory=list)
    image_height: int = 16

    def tensor(self, name: str, array: Array) -> Named:
        return Named(name, array)

    def rename(self, name: str, tensor: Named) -> Named:
        return Named(name, tensor.values)

    def array(self, tensor: Named) -> Array:
        return tensor.values

    async def run(
        self, network: str, inputs: Sequence[Named], outputs: Sequence[str], *, stay: bool = False
    ) -> list[Named]:
        given = {tensor.name: tensor for tensor in inputs}
        self.calls.append((network, given))
        if network == "encoder":
            tokens = given["tokens"].values.astype(np.float32)
            made = {"embeddings": np.repeat(tokens[:, :, None], 8, axis=2), "pooled": tokens[:, :8]}
        elif network == "denoiser":
            change = given["sigma"].values - given["sigma_next"].values
            made = {"next_latents": given["latents"].values + change[:, :, None, None]}
        else:
            made = {"image": np.zeros((1, self.image_height, 32, 3), np.uint8)}
        return [Named(name, made[name]) for name in outputs]

    def of(self, network: str) -> list[dict[str, Named]]:
        return [given for name, given in self.calls if name == network]


async def paint(engine: RecordingEngine, repository: Path, order: Order) -> tuple[Painting, list[float]]:
    shares: list[float] = []

    async def step_done(share: float) -> None:
        shares.append(share)

    base = Repositories([repository]).base("tiny")
    pipeline = Pipeline(engine, base, ("encoder", "denoiser", "decoder"))
    return await pipeline.paint(order, step_done), shares


async def test_each_step_takes_the_latents_of_the_one_before(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    painting, shares = await paint(engine, tiny_repository, ORDER)
    steps = engine.of("denoiser")
    assert len(steps) == 3 and shares == [0.25, 0.5, 0.75]
    assert steps[0]["sigma"].values.tolist() == [[1.0]] and steps[2]["sigma_next"].values.tolist() == [[0.0]]
    first, last = steps[0]["latents"].values, engine.of("decoder")[0]["latents"].values
    assert first.shape == (1, 4, 2, 4)
    assert np.allclose(last, first + 1.0, atol=1e-6)
    assert painting.pixels.shape == (16, 32, 3) and len(painting.timings) == 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "euler"),  # a flow's own levels have no name
        ({"spacing": "karras"}, "euler karras"),
        ({"sampler": "dpmpp_2m", "spacing": "beta"}, "dpmpp_2m beta"),
        ({"sampler": "lcm"}, "lcm"),
    ],
)
async def test_picture_tells_what_drew_it(tiny_repository: Path, asked: dict[str, Any], told: str) -> None:
    painting, _ = await paint(RecordingEngine(), tiny_repository, replace(ORDER, **asked))
    assert painting.sampling == told


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "lcm"])
async def test_sampler_asks_for_the_picture_and_mixes_what_the_next_step_begins_with(
    tiny_repository: Path, sampler: str
) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, replace(ORDER, sampler=sampler))
    steps, (decoded,) = engine.of("denoiser"), engine.of("decoder")
    levels = [step["sigma_next"].values.item() for step in steps]
    assert (sampler == "euler") == any(levels)
    # Of the tiny model, a flow's, whose denoiser takes sigma from the latents.
    walk = walk_of(Diffusion("flow", FlowSchedule(3.0)), Sampling(sampler), ORDER.steps)
    latents = steps[0]["latents"].values
    before = latents
    for number, mixture in enumerate(walk.mixtures or ()):
        noise = standard_noise(ORDER.seed, latents.shape, number + 1)
        picture = latents + walk.sigmas[number]
        mixed = mixture.latents * latents + mixture.picture * picture + mixture.before * before
        latents, before = mixed + mixture.noise * noise, picture
        then = steps[number + 1] if number + 1 < len(steps) else decoded
        assert np.allclose(then["latents"].values, latents, atol=1e-5)
    again = RecordingEngine()
    await paint(again, tiny_repository, replace(ORDER, sampler=sampler))
    assert np.array_equal(again.of("decoder")[0]["latents"].values, decoded["latents"].values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampler": "heun"}, "sampler is 'heun', expected euler"),
        ({"spacing": "odd"}, "spacing is 'odd', expected leading"),
        ({"sampler": "euler_ancestral"}, "no sampler of a flow model"),
        ({"sampler": "lcm", "steps": 51}, "at most 50 steps, not 51"),
    ],
)
async def test_sampler_that_does_not_go_with_the_model_is_refused_before_any_network_runs(
    tiny_repository: Path, change: dict[str, Any], words: str
) -> None:
    engine = RecordingEngine()
    with pytest.raises(BadOrder, match=words):
        await paint(engine, tiny_repository, replace(ORDER, **change))
    assert not engine.calls


@pytest.mark.parametrize("guidance", [0.0, 0.5, 1.0])
async def test_guidance_up_to_one_is_none_and_never_turns_from_the_prompt(
    tiny_repository: Path, guidance: float
) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, replace(ORDER, guidance=guidance))
    assert engine.of("denoiser")[0]["guidance"].values.tolist() == [[1.0]]


async def test_prompt_and_negative_are_told_apart(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, ORDER)
    step = engine.of("denoiser")[0]
    assert step["embeddings"].values[0, 1, 0] == ord("a") - 29
    assert step["negative_embeddings"].values[0, 1, 0] == ord("r") - 29
    assert step["pooled"].values[0, 1] == ord("a") - 29 and step["pooled"].values.shape == (1, 8)
    assert step["negative_pooled"].values[0, 1] == ord("r") - 29
    assert step["guidance"].values.tolist() == [[2.5]]
    assert step["time_ids"].values.tolist() == [[16, 32, 0, 0, 16, 32]]


async def test_the_encoder_is_given_the_prompt_and_the_negative_and_nothing_more(
    tiny_repository: Path,
) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, ORDER)
    (rows,) = (given["tokens"].values for given in engine.of("encoder"))
    start, end = rows[0, 0], rows[0, len(ORDER.prompt) + 1]
    for row, text in zip(rows, (ORDER.prompt, ORDER.negative), strict=True):
        assert row[: len(text) + 2].tolist() == [start, *(ord(letter) - 29 for letter in text), end]
        assert len(set(row[len(text) + 2 :].tolist())) == 1  # padding


async def test_weights_multiply_embeddings_and_keep_their_mean(tiny_repository: Path) -> None:
    """As AUTOMATIC1111's web UI does it; the comparison with torch is in tests/export/parity."""
    engine = RecordingEngine()
    await paint(engine, tiny_repository, replace(ORDER, prompt="ab(cd:1.5)", negative="abcd"))
    step = engine.of("denoiser")[0]
    plain, weighted = (step[name].values[0] for name in ("negative_embeddings", "embeddings"))
    multipliers = np.ones(77)
    multipliers[3:5] = 1.5
    expected = plain * multipliers[:, None]
    np.testing.assert_allclose(weighted, expected * plain.mean() / expected.mean(), rtol=1e-6)
    np.testing.assert_array_equal(step["pooled"].values, step["negative_pooled"].values)


async def test_each_encoders_columns_keep_their_own_mean() -> None:
    window = np.concatenate([np.full((77, 2), 1.0), np.full((77, 3), 5.0)], axis=1).astype(np.float32)
    weights = [np.ones(77, np.float32), np.linspace(0, 2, 77, dtype=np.float32)]
    made = weigh(window, weights, (2, 3))
    np.testing.assert_array_equal(made[:, :2], window[:, :2])
    np.testing.assert_allclose(made[:, 2:].mean(), 5.0, rtol=1e-6)
    np.testing.assert_allclose(made[:, 2], 5 * weights[1], rtol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1.5])
def test_embeddings_that_have_no_mean_are_weighed_and_stay_finite(weight: float) -> None:
    """The mean before would be divided by rounding errors, or by 0."""
    window = np.tile(np.array([[1.0, -1.0]], np.float32), (77, 1))
    weights = np.full(77, weight, np.float32)
    np.testing.assert_array_equal(weigh(window, [weights], ()), window * weight)


async def test_a_window_without_weights_is_the_encoders_own_to_the_bit(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, replace(ORDER, prompt="ab BREAK (cd:1.5)"))
    embeddings = engine.of("denoiser")[0]["embeddings"].values[0]
    tokens = engine.of("encoder")[0]["tokens"].values
    np.testing.assert_array_equal(embeddings[:77, 0], tokens[0])
    assert (embeddings[77:, 0] != tokens[1]).any()


async def test_a_long_prompt_is_encoded_in_batches_and_joined(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    await paint(engine, tiny_repository, replace(ORDER, prompt="a" * 75 + "b" * 75 * 4 + "c"))
    sizes = [len(given["tokens"].values) for given in engine.of("encoder")]
    assert sizes == [8, 4]  # six windows of each prompt, never more than a batch of eight
    embeddings = engine.of("denoiser")[0]["embeddings"].values
    assert embeddings.shape == (1, 6 * 77, 8)
    starts = [embeddings[0, window * 77 + 1, 0] + 29 for window in range(6)]
    assert starts == [ord(letter) for letter in "abbbbc"]


async def test_windows_beyond_the_models_most_are_averaged(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    text = "".join(letter * 75 for letter in "abcdefgh" * 16)  # 128 windows, four at a place
    await paint(engine, tiny_repository, replace(ORDER, prompt=text))
    assert sum(len(given["tokens"].values) for given in engine.of("encoder")) == 128 + MAX_WINDOWS
    step = engine.of("denoiser")[0]
    embeddings = step["embeddings"].values
    assert embeddings.shape == step["negative_embeddings"].values.shape == (1, MAX_WINDOWS * 77, 8)
    firsts = embeddings[0, 1::77, 0] + 29
    assert firsts.tolist() == [sum(map(ord, "abcd")) / 4, sum(map(ord, "efgh")) / 4] * 16
    assert step["pooled"].values[0, 1] == ord("a") - 29
    assert step["negative_pooled"].values[0, 1] == ord("r") - 29


async def test_a_size_that_the_model_cannot_make_is_refused(tiny_repository: Path) -> None:
    with pytest.raises(BadOrder, match="width is 30, expected a multiple of 8"):
        await paint(RecordingEngine(), tiny_repository, replace(ORDER, width=30))


async def test_a_decoder_of_another_size_is_no_picture(tiny_repository: Path) -> None:
    with pytest.raises(RuntimeError, match="decoder made uint8"):
        await paint(RecordingEngine(image_height=8), tiny_repository, ORDER)


@pytest.mark.parametrize(("looks", "texts", "steps"), [(1, 0, 0), (2, 1, 0), (3, 1, 1)])
async def test_nothing_follows_a_cancellation(
    tiny_repository: Path, looks: int, texts: int, steps: int
) -> None:
    """Found at the first look, before the prompt is encoded, or at one of the next."""
    engine, seen = RecordingEngine(), count(1)

    async def step_done(share: float) -> None:
        raise AssertionError

    def leave() -> None:
        if next(seen) == looks:
            raise asyncio.CancelledError

    base = Repositories([tiny_repository]).base("tiny")
    with pytest.raises(asyncio.CancelledError):
        await Pipeline(engine, base, ("encoder", "denoiser", "decoder")).paint(ORDER, step_done, leave)
    assert (len(engine.of("encoder")), len(engine.of("denoiser"))) == (texts, steps)


async def test_a_step_is_told_while_the_next_network_runs(tiny_repository: Path) -> None:
    engine = RecordingEngine()
    begun: list[tuple[float, int]] = []

    async def step_done(share: float) -> None:
        begun.append((share, len(engine.calls)))

    base = Repositories([tiny_repository]).base("tiny")
    await Pipeline(engine, base, ("encoder", "denoiser", "decoder")).paint(ORDER, step_done)
    # The encoder and that step have run, and one more has begun; the last one is the decoder.
    assert begun == [(0.25, 3), (0.5, 4), (0.75, 5)]
