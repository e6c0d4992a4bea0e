"""The kinds of change that a LoRA file makes to a weight. Needs numpy only.

Names and formulas are those of the libraries that write such files: LoRA with or without a middle matrix,
LoHa, LoKr and full differences as in LyCORIS; DoRA as in PEFT (a magnitude for each output) and in LyCORIS
(for each output or each input).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from export.errors import ExportError
from export.graphs.storage import contiguous

MAX_RANK = 4096

Array = npt.NDArray[np.float32]
Tensors = Mapping[str, Array]  # by role: down, up, hada_w1_a, …
Shape = tuple[int, ...]


class Misfit(Exception):
    """The shapes of a layer's tensors do not belong together."""


@dataclass(frozen=True)
class Product:
    """A change that has not been computed yet: a file may claim any size, so the size is looked at first."""

    shape: Shape  # the weight's own, or as a matrix [out, in · kh · kw]
    rank: int | None  # that alpha is divided by; None: there is none, and alpha says nothing
    of: Callable[[np.float32], Array]  # scale → the change
    factors: tuple[Array, Array] | None = None  # [out, rank], [rank, in · kh · kw]; of LoRA alone


@dataclass(frozen=True)
class Rows:
    """Of a change: what is for one of several weights that it changes at once."""

    start: int
    stop: int
    total: int  # that the whole change has
    swapped: bool = False  # whether its second half stands before its first

    def of(self, values: Array) -> Array:
        """Along the first axis, which is the outputs'."""
        turned = np.roll(values, self.total // 2, axis=0) if self.swapped else values
        return np.ascontiguousarray(turned[self.start : self.stop])


@dataclass(frozen=True)
class AdapterKind:
    roles: frozenset[str]
    product: Callable[[Tensors], Product]  # raises Misfit


@dataclass(frozen=True)
class Layer:
    """The change of one weight."""

    name: str  # as in the file, without the tensors' suffixes
    product: Product
    tensors: Tensors  # that the product is of
    scale: float
    magnitude: Array | None = None  # DoRA's: [out], or for each output [out, 1, …] or input [1, in, 1, …]

    @property
    def shape(self) -> Shape:
        return self.product.shape

    def change(self, weight: npt.NDArray[np.generic]) -> Array:
        """`weight`: what is changed, [out, in] or [out, in, kh, kw]; only DoRA looks at it. It must have been
        seen to `fit`."""
        change = self.product.of(np.float32(self.scale))
        if self.magnitude is None:
            return change
        plain: Array = weight.astype(np.float32)
        changed = plain + change.reshape(plain.shape)
        per_input = (
            self.magnitude.shape[0] == 1 < plain.shape[0] and self.magnitude.shape[1] == plain.shape[1]
        )
        axes = tuple(axis for axis in range(plain.ndim) if axis != int(per_input))
        norm = np.sqrt(np.square(changed).sum(axis=axes, keepdims=True)) + np.finfo(np.float32).eps
        return np.asarray(changed * (self.magnitude.reshape(norm.shape) / norm) - plain, np.float32)

    def changed_rows(self, weight: npt.NDArray[np.generic], *, transposed: bool) -> Callable[[slice], Array]:
        """`weight` as a graph holds it. Some of its rows → their change, [rows, …], for the caller to use up:
        of a low-rank one, no more than these are ever in memory."""
        if self.product.factors is None or self.magnitude is not None:
            turned = weight.T if transposed else weight
            change = self.change(turned).reshape(turned.shape)
            whole = contiguous(change.T if transposed else change).reshape(len(weight), -1)
            return lambda rows: whole[rows]
        up, down = self.product.factors
        up = np.float32(self.scale) * up
        first, last = (down.T, up.T) if transposed else (up, down)
        return lambda rows: np.asarray(first[rows] @ last, np.float32)

    def rows(self, rows: Rows, inputs: int) -> "Layer":
        """Of a layer that is for several weights, of so many inputs each. Raises ExportError for one that
        cannot be divided, before anything of its size is made."""
        if (self.shape[0], math.prod(self.shape[1:])) not in ((rows.total, inputs), (rows.total, 1)):
            raise ExportError(
                f"LoRA layer {self.name} makes {[*self.shape]}, its targets together {[rows.total, inputs]}"
            )
        magnitude = self.magnitude
        if magnitude is not None:
            if magnitude.shape[0] != rows.total:
                raise ExportError(f"LoRA layer {self.name} is a DoRA of inputs over several layers at once")
            magnitude = rows.of(magnitude)
        if self.tensors.keys() == {"down", "up"}:
            up, down = rows.of(self.tensors["up"]), self.tensors["down"]
            # Trainers that keep them apart fill up with zeros what one has nothing of the others' rank.
            used = np.flatnonzero(np.abs(up.reshape(len(up), up.shape[1])).max(axis=0))
            used = used if used.size else np.zeros(1, np.intp)
            tensors = {"down": down[used], "up": up[:, used]}
            return Layer(self.name, _low_rank(tensors), tensors, self.scale, magnitude)
        tensors = {"bias" if "bias" in self.tensors else "diff": rows.of(self.product.of(np.float32(1.0)))}
        return Layer(self.name, _difference(tensors), tensors, self.scale, magnitude)

    def fits(self, shape: Shape) -> bool:
        """`shape` of the weight; ones at a shape's end say nothing."""
        matrix = (shape[0], math.prod(shape[1:]))
        if _trim(self.shape) != _trim(shape) and self.shape != matrix:
            return False
        if self.magnitude is None:
            return True
        given, ones = self.magnitude.shape, (1,) * (len(shape) - 2)
        known = ((shape[0],), (shape[0], 1, *ones), (1, shape[0], *ones), (1, shape[1], *ones))
        return len(shape) > 1 and given in known


def _trim(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def kind_of(roles: frozenset[str]) -> AdapterKind | None:
    return next((kind for kind in KINDS if kind.roles == roles), None)


def layer_of(
    name: str, tensors: Tensors, scale: Callable[[int | None], float], magnitude: Array | None
) -> Layer:
    """`scale` of a rank. Raises ExportError."""
    kind = kind_of(frozenset(tensors))
    shapes = ", ".join(f"{[*value.shape]} {role}" for role, value in tensors.items())
    try:
        if kind is None:
            raise Misfit
        product = kind.product(tensors)
    except Misfit:
        raise ExportError(f"LoRA layer {name}: shapes {shapes} do not fit") from None
    if product.rank is not None and not 1 <= product.rank <= MAX_RANK:
        raise ExportError(f"LoRA layer {name}: the rank {product.rank} is not 1 to {MAX_RANK}")
    factor = scale(product.rank)
    values = [*tensors.values(), *([] if magnitude is None else [magnitude])]
    if not math.isfinite(factor) or not all(np.isfinite(value).all() for value in values):
        raise ExportError(f"LoRA layer {name} holds a value that is not a finite number")
    return Layer(name, product, tensors, factor, magnitude)


def _demand(fits: bool) -> None:
    if not fits:
        raise Misfit


def _low_rank(tensors: Tensors) -> Product:
    down, up = tensors["down"], tensors["up"]
    _demand(down.ndim in (2, 4) and up.ndim in (2, 4))
    out, rank = up.shape[:2]
    _demand(math.prod(up.shape[2:]) == 1 and down.shape[0] == rank >= 1)
    flat = up.reshape(out, rank)

    factors = flat, down.reshape(rank, -1)
    shape = (out, *down.shape[1:])
    return Product(shape, rank, lambda scale: ((scale * flat) @ factors[1]).reshape(shape), factors)


def _with_middle(tensors: Tensors) -> Product:
    down, up, mid = tensors["down"], tensors["up"], tensors["mid"]
    _demand(down.ndim == up.ndim == mid.ndim == 4 and math.prod(down.shape[2:] + up.shape[2:]) == 1)
    rank, inner = down.shape[:2]
    _demand(mid.shape[:2] == (up.shape[1], rank))
    first, last = up.reshape(up.shape[:2]), down.reshape(rank, inner)
    return Product((len(up), inner, *mid.shape[2:]), rank, lambda scale: scale * _core(mid, first.T, last))


def _core(core: Array, first: Array, last: Array) -> Array:
    """[r, s, kh, kw], [r, out], [s, in] → [out, in, kh, kw]."""
    return np.asarray(np.einsum("rskl,ro,si->oikl", core, first, last, optimize=True), np.float32)


def _loha(tensors: Tensors) -> Product:
    pairs = [(tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]) for number in (1, 2)]
    _demand(all(one.ndim == other.ndim == 2 for one, other in pairs))
    cores = [tensors.get(f"hada_t{number}") for number in (1, 2)]
    rank = len(pairs[0][1])
    if cores[0] is None or cores[1] is None:
        _demand(all(first.shape[1] == len(last) for first, last in pairs))
        shapes = {(len(first), last.shape[1]) for first, last in pairs}

        def of(scale: np.float32) -> Array:
            return scale * (pairs[0][0] @ pairs[0][1]) * (pairs[1][0] @ pairs[1][1])
    else:
        full = list(zip([core for core in cores if core is not None], pairs, strict=True))
        _demand(all(core.ndim == 4 and core.shape[:2] == (len(a), len(b)) for core, (a, b) in full))
        shapes = {(a.shape[1], b.shape[1], *core.shape[2:]) for core, (a, b) in full}

        def of(scale: np.float32) -> Array:
            return scale * _core(full[0][0], *full[0][1]) * _core(full[1][0], *full[1][1])

    _demand(len(shapes) == 1)
    return Product(shapes.pop(), rank, of)


def _lokr(tensors: Tensors) -> Product:
    left, of_left = _factor(tensors, "lokr_w1", None)
    right, of_right = _factor(tensors, "lokr_w2", tensors.get("lokr_t2"))
    _demand(len(left) == 2)
    shape = (left[0] * right[0], left[1] * right[1], *right[2:])
    halves = [tensors[key] for key in ("lokr_w1_b", "lokr_w2_b") if key in tensors]

    def of(scale: np.float32) -> Array:
        small = of_left().reshape(left + (1,) * (len(right) - 2))
        return np.asarray(np.kron(scale * small, of_right()), np.float32)

    return Product(shape, len(halves[0]) if halves else None, of)


def _factor(tensors: Tensors, role: str, core: Array | None) -> tuple[Shape, Callable[[], Array]]:
    """One side of a Kronecker product: whole, or the product of two matrices, perhaps with a core between."""
    whole, first, last = (tensors.get(key) for key in (role, f"{role}_a", f"{role}_b"))
    if whole is not None:
        _demand(first is None and last is None and core is None and whole.ndim in (2, 4))
        return whole.shape, lambda: whole
    if first is None or last is None:
        raise Misfit
    _demand(first.ndim == last.ndim == 2)
    if core is not None:
        _demand(core.ndim == 4 and core.shape[:2] == (len(first), len(last)))
        return (first.shape[1], last.shape[1], *core.shape[2:]), lambda: _core(core, first, last)
    _demand(first.shape[1] == len(last))
    return (len(first), last.shape[1]), lambda: np.asarray(first @ last, np.float32)


def _difference(tensors: Tensors) -> Product:
    (value,) = tensors.values()
    _demand(value.ndim >= 1)
    return Product(value.shape, None, lambda scale: scale * value)


HADA = frozenset(f"hada_w{number}_{side}" for number in (1, 2) for side in "ab")
KINDS = (
    AdapterKind(frozenset({"down", "up"}), _low_rank),
    AdapterKind(frozenset({"down", "up", "mid"}), _with_middle),
    AdapterKind(HADA, _loha),
    AdapterKind(HADA | {"hada_t1", "hada_t2"}, _loha),
    *(
        AdapterKind(frozenset({*left, *right}), _lokr)
        for left in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
        for right in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"), ("lokr_w2_a", "lokr_w2_b", "lokr_t2"))
    ),
    AdapterKind(frozenset({"diff"}), _difference),
    AdapterKind(frozenset({"bias"}), _difference),
)
