"""The secret patterns: which chips carry the pilot and which bit, and with what sign."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

Float = npt.NDArray[np.float32]

SIDE = 64
"""Chips of a tile's side."""
CHIPS = SIDE * SIDE
BITS = 64
PILOT = 640
"""Chips that are the same in every picture of a variant: they tell where a tile begins."""
PER_BIT = (CHIPS - PILOT) // BITS
VARIANTS = 64
"""Different tiles. A picture's is chosen by the first six bits of its id, so that one picture does not give
the pattern of the others away."""


@dataclass(frozen=True)
class Codes:
    """Every variant's patterns, derived from one key."""

    version: int
    places: npt.NDArray[np.int32]  # [VARIANTS, CHIPS]: a shuffle of the chips; the pilot's first
    signs: Float  # [VARIANTS, CHIPS], in the shuffled order
    pilots: npt.NDArray[np.complex64]  # [VARIANTS, SIDE, SIDE]: spectra to correlate with, see `correlate`

    @classmethod
    def of(cls, secret: bytes, version: int = 1) -> "Codes":
        """ChaCha20 is the source of randomness: no stretch of the pattern tells anything about the rest."""
        places = np.empty((VARIANTS, CHIPS), np.int32)
        signs = np.empty((VARIANTS, CHIPS), np.float32)
        pilots = np.zeros((VARIANTS, CHIPS), np.float32)
        for variant in range(VARIANTS):
            random = np.frombuffer(_stream(secret, variant, 9 * CHIPS), np.uint8)
            places[variant] = random[: 8 * CHIPS].view(np.uint64).argsort(kind="stable")
            signs[variant] = random[8 * CHIPS :].astype(np.float32) % 2 * 2 - 1
            pilots[variant, places[variant, :PILOT]] = signs[variant, :PILOT]
        spectra = np.fft.fft2(pilots.reshape(-1, SIDE, SIDE) * np.conj(TWIST))
        return cls(version, places, signs, np.conj(spectra).astype(np.complex64))

    def tile(self, identity: int) -> Float:
        """[SIDE, SIDE] of -1 and 1 (0 where a chip is spare)."""
        variant = variant_of(identity)
        places, signs = self.places[variant], self.signs[variant]
        bits = (identity >> np.arange(BITS, dtype=np.uint64).astype(object) & 1).astype(np.float32) * 2 - 1
        chips = np.zeros(CHIPS, np.float32)
        chips[places[:PILOT]] = signs[:PILOT]
        carried = slice(PILOT, PILOT + BITS * PER_BIT)
        chips[places[carried]] = signs[carried] * bits.repeat(PER_BIT)
        return chips.reshape(SIDE, SIDE)

    def soft_bits(self, tile: Float, variant: int) -> Float:
        """[BITS]: above 0 for a one. In units of the noise, where `tile` has a deviation of 1."""
        carried = slice(PILOT, PILOT + BITS * PER_BIT)
        chips = tile.ravel()[self.places[variant, carried]] * self.signs[variant, carried]
        soft: Float = chips.reshape(BITS, PER_BIT).sum(1) / np.sqrt(np.float32(PER_BIT))
        return soft

    def correlate(self, tiles: Float) -> Float:
        """[n, SIDE, SIDE] → [n, VARIANTS, SIDE, SIDE]: how well each pilot fits at each offset, in units of
        the noise. Tiles change sign where they wrap round; the twist makes that a plain cyclic one."""
        spectra = np.fft.fft2(tiles * np.conj(TWIST)).astype(np.complex64)
        products = np.fft.ifft2(spectra[:, None] * self.pilots)
        fits: Float = (products * TWIST).real / np.sqrt(np.float32(PILOT))
        return fits


def variant_of(identity: int) -> int:
    return identity >> (BITS - VARIANTS.bit_length() + 1)


def bits_of(soft: Float) -> int:
    """The identity that soft bits say without help."""
    return sum(1 << place for place, value in enumerate(soft) if value > 0)


def _stream(secret: bytes, variant: int, length: int) -> bytes:
    key = hashlib.blake2b(
        b"imgen invisible mark" + bytes([variant]), key=secret[:64], digest_size=32
    ).digest()
    cipher = Cipher(ChaCha20(key, bytes(16)), mode=None)
    return cipher.encryptor().update(bytes(length))


def _twist() -> npt.NDArray[np.complex64]:
    steps = np.arange(SIDE)
    twist: npt.NDArray[np.complex64] = np.exp(1j * np.pi * (steps[:, None] + steps) / SIDE).astype(
        np.complex64
    )
    return twist


TWIST = _twist()
