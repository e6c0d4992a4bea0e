"""How strong each frequency of a picture is, for those of one wavelength together."""

from typing import Any

import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.codes import Float

RINGS = 140
"""Between wavelengths of infinity and two pixels; corners of the spectrum go to the last one."""


def radii(shape: tuple[int, int]) -> Float:
    """[H, W // 2 + 1], in cycles per pixel: as `numpy.fft.rfft2` lays out frequencies. W is even."""
    across = np.fft.rfftfreq(shape[1]).astype(np.float32)
    down = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    found: Float = np.sqrt(across**2 + down**2)
    return found


def power_of(spectrum: npt.NDArray[np.complexfloating[Any, Any]]) -> Float:
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)


def ring_means(power: Float, radius: Float) -> Float:
    """At each place the mean power of all frequencies of about that wavelength."""
    ring = np.minimum((radius * (2 * RINGS)).astype(np.int32), RINGS - 1).ravel()
    totals = np.bincount(ring, power.ravel(), RINGS)
    means = (totals / np.maximum(np.bincount(ring, minlength=RINGS), 1)).astype(np.float32)
    found: Float = means[ring].reshape(power.shape) + np.float32(1e-20)
    return found


def even_out(picture: Float) -> Float:
    """The same [H, W] with every wavelength as strong as any other: rough texture drowns the mark less."""
    height, width = picture.shape[0], picture.shape[1] & ~1
    spectrum = np.fft.rfft2(picture[:, :width])
    power = power_of(spectrum)
    spectrum /= np.sqrt(ring_means(power, radii((height, width))))
    flat = np.fft.irfft2(spectrum, s=(height, width)).astype(np.float32)
    whole: Float = np.pad(flat, ((0, 0), (0, picture.shape[1] - width)))
    return whole
