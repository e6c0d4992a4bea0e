"""A LoRA as low-rank factors for a network's bank: exactly where its rank allows it, else as near as it goes.

Needs numpy only. What a layer makes, W' = W + scale · change, becomes up · down of the bank's rank at most:

- LoRA and LoCon, with and without a middle matrix, are such products: exact.
- LoHa's change is the product, entry by entry, of two such, so one of the product of their ranks
  (Khatri-Rao): exact where that is small enough, else cut to its largest singular values.
- LoKr's, DoRA's and whole differences have any rank: their largest singular values, found by projecting on
  random vectors (Halko, Martinsson and Tropp, 2011).

What was lost is told, and limited.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.errors import ExportError
from export.lora.adapters import Array, Layer

MAX_ERROR = 0.05
"""Of all changes together, beside their size (Frobenius): what may be lost where a rank is cut."""
EXACT = 1e-5  # below, nothing was lost but rounding
OVERSAMPLED, POWERS = 12, 2  # of the random projection
Weight = npt.NDArray[np.generic]
INSTEAD = "--merge makes networks of its own of it, of any rank"


@dataclass(frozen=True)
class Factors:
    """Of one layer: change = up @ down, [out, in] or [out, in · kh · kw]."""

    down: Array  # [rank, in · kh · kw]
    up: Array  # [out, rank]
    size: float  # Frobenius norm of the change
    lost: float  # of what is left out of it


def factors_of(layer: Layer, shape: Sequence[int], read: Callable[[], Weight], rank: int) -> Factors:
    """`shape` of the weight, and what `read` gives: as of Layer.change. It is read only where it counts, as
    all weights of a model are gigabytes. Raises ExportError for what no bank can hold."""
    tensors = layer.tensors
    if "bias" in tensors or len(shape) not in (2, 4):
        raise ExportError(f"LoRA layer {layer.name} changes a bias or a norm, which no bank holds: {INSTEAD}")
    if layer.magnitude is None and "down" in tensors:
        down, up = _pair(tensors)
        if len(down) > rank:
            raise ExportError(
                f"LoRA layer {layer.name} has the rank {len(down)}, the model's bank {rank}: {INSTEAD}, or "
                f"`imgen export` the model with --adapters SLOTSx{len(down)}"
            )
        up = up * np.float32(layer.scale)
        return Factors(down, up, _norm_of_product(up, down), 0.0)
    if layer.magnitude is None and "hada_w1_a" in tensors and "hada_t1" not in tensors:
        up, down = _khatri_rao(tensors)
        return _cut(up * np.float32(layer.scale), down, rank)
    change = layer.change(read())
    return _nearest(change.reshape(len(change), -1), rank)


def balance(factors: Factors) -> Factors:
    """The same product of factors whose largest values are alike, so that fp16 holds both well. By powers of
    two, which change no digit."""
    largest = [float(np.abs(one).max(initial=0)) for one in (factors.down, factors.up)]
    if not all(largest):
        return Factors(np.zeros_like(factors.down), np.zeros_like(factors.up), factors.size, factors.lost)
    power = np.float32(2.0 ** round(math.log2(largest[1] / largest[0]) / 2))
    return Factors(factors.down * power, factors.up / power, factors.size, factors.lost)


def check_lost(made: Mapping[str, Factors], name: str) -> Iterator[str]:
    """A note on what was lost, if it is more than rounding. Raises ExportError where it is too much."""
    lost, size = (
        math.sqrt(sum(value**2 for value in values))
        for values in ([one.lost for one in made.values()], [one.size for one in made.values()])
    )
    if lost > MAX_ERROR * size:
        raise ExportError(
            f"{name} changes the model by more than the bank's rank can hold: {lost / size:.1%} would be "
            f"lost, at most {MAX_ERROR:.0%} may be; {INSTEAD}"
        )
    if lost > EXACT * size:
        yield f"its changes were cut to the bank's rank: {lost / size:.2%} of their size is lost"


def _pair(tensors: Mapping[str, Array]) -> tuple[Array, Array]:
    down, up = tensors["down"], tensors["up"]
    up = up.reshape(up.shape[:2])
    if "mid" in tensors:
        inner = down.reshape(down.shape[:2])
        whole = np.einsum("rskl,si->rikl", tensors["mid"], inner, optimize=True)
        return whole.reshape(len(whole), -1), up
    return down.reshape(len(down), -1), up


def _khatri_rao(tensors: Mapping[str, Array]) -> tuple[Array, Array]:
    first, second = (tensors["hada_w1_a"], tensors["hada_w1_b"]), (tensors["hada_w2_a"], tensors["hada_w2_b"])
    up = np.einsum("or,os->ors", first[0], second[0]).reshape(len(first[0]), -1)
    down = np.einsum("ri,si->rsi", first[1], second[1]).reshape(-1, first[1].shape[1])
    return np.asarray(up, np.float32), np.asarray(down, np.float32)


def _cut(up: Array, down: Array, rank: int) -> Factors:
    """up @ down of a smaller rank: by the singular values of what is left of both after QR."""
    if len(down) <= rank:
        return Factors(down, up, _norm_of_product(up, down), 0.0)
    left, upper = np.linalg.qr(up.astype(np.float64))
    right, lower = np.linalg.qr(down.T.astype(np.float64))
    inner_left, values, inner_right = np.linalg.svd(upper @ lower.T)
    kept = left @ inner_left[:, :rank] * values[:rank]
    return Factors(
        np.asarray(inner_right[:rank] @ right.T, np.float32),
        np.asarray(kept, np.float32),
        float(np.linalg.norm(values)),
        float(np.linalg.norm(values[rank:])),
    )


def _nearest(change: Array, rank: int) -> Factors:
    """Of a change [out, in] of any rank."""
    size = float(np.linalg.norm(change))
    wanted = rank + OVERSAMPLED
    if min(change.shape) <= 2 * wanted:
        left, values, right = np.linalg.svd(change, full_matrices=False)
        kept = left[:, :rank] * values[:rank]
        return Factors(right[:rank], kept, size, float(np.linalg.norm(values[rank:])))
    random = np.random.Generator(np.random.Philox(0))
    basis = np.linalg.qr(change @ random.standard_normal((change.shape[1], wanted), np.float32))[0]
    for _ in range(POWERS):
        basis = np.linalg.qr(change @ np.linalg.qr(change.T @ basis)[0])[0]
    left, values, right = np.linalg.svd(basis.T @ change, full_matrices=False)
    up, down = (basis @ left[:, :rank]) * values[:rank], right[:rank]
    lost = float(np.linalg.norm(change - up @ down))
    return Factors(np.asarray(down, np.float32), np.asarray(up, np.float32), size, lost)


def _norm_of_product(up: Array, down: Array) -> float:
    """Frobenius, of up @ down, without making it."""
    return math.sqrt(max(float(((up.T @ up) * (down @ down.T)).sum(dtype=np.float64)), 0.0))
