"""The noise of a picture: the same numbers for a seed on every machine."""

import numpy as np
import numpy.typing as npt


def standard_noise(seed: int, shape: tuple[int, ...], draw: int = 0) -> npt.NDArray[np.float32]:
    """Standard normal numbers, float32 of `shape`. `draw`: 0 for what a picture begins with, then the number
    of the step that takes new noise.

    The raw stream of the counter-based generator Philox4x64-10 (Salmon et al., "Parallel random numbers: as
    easy as 1, 2, 3", 2011), whose values NumPy guarantees to keep, through the Box-Muller transform. NumPy's
    own normal numbers are not used: their algorithm may change between releases.
    """
    count = int(np.prod(shape))
    pairs = (count + 1) // 2
    raw = np.random.Philox(key=seed + (draw << 64)).random_raw(2 * pairs)
    # The upper 53 bits as (k + 0.5) / 2**53: in (0, 1), never 0, so the logarithm is finite.
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[:pairs]))
    angle = 2.0 * np.pi * uniform[pairs:]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return normal[:count].reshape(shape).astype(np.float32)
