"""The signature algorithms of C2PA: which key signs how, and what a signature looks like."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

Verify = Callable[[bytes, bytes], None]  # signature, data; raises InvalidSignature


@dataclass(frozen=True)
class Algorithm:
    name: str  # C2PA's
    number_bytes: int  # length of each of the two numbers of an ECDSA signature; 0 for other kinds
    verify: Verify

    def checked(self, signature: bytes, data: bytes) -> bytes:
        """The signature as C2PA wants it: ECDSA as r and s side by side, also where it came as DER.

        Raises ValueError for one that is not the certificate's key's signature of `data`.
        """
        try:
            der, raw = self._forms(signature)
            self.verify(der, data)
        except (InvalidSignature, ValueError):
            raise ValueError("not a signature by the certificate's key") from None
        return raw

    def _forms(self, signature: bytes) -> tuple[bytes, bytes]:
        size = self.number_bytes
        if not size:
            return signature, signature
        if len(signature) == 2 * size:
            r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
        else:
            r, s = decode_dss_signature(signature)
        return encode_dss_signature(r, s), r.to_bytes(size, "big") + s.to_bytes(size, "big")


# By curve: name, bytes of each number, hash.
_CURVES: dict[str, tuple[str, int, hashes.HashAlgorithm]] = {
    "secp256r1": ("es256", 32, hashes.SHA256()),
    "secp384r1": ("es384", 48, hashes.SHA384()),
    "secp521r1": ("es512", 66, hashes.SHA512()),
}
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


def algorithm_of(key: object) -> Algorithm | None:
    """How the owner of this public key signs for C2PA; None where C2PA knows no way."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            name, size, digest = _CURVES[key.curve.name]
            return Algorithm(
                name, size, lambda signature, data: key.verify(signature, data, ec.ECDSA(digest))
            )
        case ed25519.Ed25519PublicKey():
            return Algorithm("ed25519", 0, key.verify)
        case rsa.RSAPublicKey(key_size=bits) if bits >= 2048:
            return Algorithm("ps256", 0, lambda made, data: key.verify(made, data, _PSS, hashes.SHA256()))
    return None
