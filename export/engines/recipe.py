"""What a plan shall be good for: sizes, batches, prompts, memory; and as optimisation profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contract.limits import MAX_BATCH
from contract.parts import ModelPart, TensorSpec
from contract.sizes import SIZES
from export.errors import ExportError

Triple = tuple[int, int, int]
"""Smallest, usual and largest."""
WORKSPACE_MB = 8192
MIN_MB, MAX_MB = 64, 1 << 20


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Validated when made."""

    sizes: Sequence[tuple[int, int]] = SIZES
    batch: int = MAX_BATCH
    workspace_mb: int = WORKSPACE_MB  # memory that a plan's kernels may use beside weights and tensors

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MAX_BATCH:
            raise ExportError(f"The batch {self.batch} must be 1 to {MAX_BATCH}")
        if not MIN_MB <= self.workspace_mb <= MAX_MB:
            raise ExportError(f"The workspace of {self.workspace_mb} MiB must be {MIN_MB} to {MAX_MB}")
        if wrong := [size for size in self.sizes if size not in SIZES]:
            known = ", ".join(f"{width}x{height}" for width, height in SIZES)
            raise ExportError(f"The size {wrong[0][0]}x{wrong[0][1]} is none of {known}")

    def batch_of(self, part: ModelPart) -> int:
        """A part that gets several samples of one picture at once must always be good for them."""
        return max(self.batch, part.rows)


Shapes = Sequence[Sequence[int]]
"""Smallest, usual and largest shape of one input."""
Profile = Mapping[str, Shapes]
"""By input."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a build needs beside the graph; kept with the plan, so that a character's is built alike."""

    profiles: Sequence[Profile]
    workspace_mb: int = WORKSPACE_MB
    refittable: bool = False  # where the builder can: it needs a GPU

    @classmethod
    def of(
        cls, part: ModelPart, engine_options: EngineOptions, downscale: int, *, refittable: bool = False
    ) -> "Recipe":
        """One profile for each size; a part that no size touches has one. `downscale`: pixels per latent."""
        found: list[Profile] = []
        batches = (1, min(2, part.rows), engine_options.batch_of(part))
        for width, height in engine_options.sizes:
            axes = {
                "width": (width // downscale,) * 3,
                "height": (height // downscale,) * 3,
                "tokens": (part.tokens[0], part.tokens[0], part.tokens[1]),
            }
            profile = {tensor.name: _shapes(tensor, axes, batches) for tensor in part.inputs}
            if profile not in found:
                found.append(profile)
        return cls(profiles=found, workspace_mb=engine_options.workspace_mb, refittable=refittable)

    @property
    def batch(self) -> int:
        """The largest one, which every profile has."""
        return max(shapes[-1][0] for profile in self.profiles for shapes in profile.values())


def _shapes(tensor: TensorSpec, axes: Mapping[str, Triple], batches: Triple) -> Shapes:
    return [
        [batches[i], *(axes[dim][i] if isinstance(dim, str) else dim for dim in tensor.dims)]
        for i in range(3)
    ]
