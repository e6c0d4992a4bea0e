"""In whose name content credentials are signed: a certificate chain, and its key if this process has it.

Both are the operator's, or our own, made once.
"""

import datetime
import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from frontend.common.errors import SettingError
from frontend.finishing.algorithm import algorithm_of
from frontend.finishing.own_chain import own_chain
from frontend.finishing.settings import FinishingSettings

MAX_PEM_BYTES = 256 * 1024
WARN_BEFORE = datetime.timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    chain: bytes  # PEM, the signing certificate first
    key: bytes = field(default=b"", repr=False)  # PEM, PKCS #8, unencrypted; empty: a signing process has it
    algorithm: bytes  # C2PA's name of the signature algorithm: es256, ...

    @property
    def certificates(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.chain)

    @property
    def expires(self) -> datetime.datetime:
        """When the first certificate of the chain ends, UTC. Nothing that is signed later would be valid."""
        return min(certificate.not_valid_after_utc for certificate in self.certificates)

    def has_ended(self, now: datetime.datetime) -> bool:
        return now >= self.expires

    def warning(self, now: datetime.datetime) -> str:
        """What an operator should know 30 days before the end, and after it; else nothing."""
        if now < self.expires - WARN_BEFORE:
            return ""
        word = "ended" if self.has_ended(now) else "ends"
        return (
            f"c2pa_certificate {word} at {self.expires:%Y-%m-%dT%H:%M:%SZ}; no picture is signed after that"
        )


def load_certificate(settings: FinishingSettings) -> Certificate:
    """The operator's chain and key where they are set, else ours in the data folder, made if need be.

    Raises SettingError, one line, for what cannot sign.
    """
    path, key_path = settings.c2pa_certificate, settings.c2pa_key
    keys = [key_path != Path(), bool(settings.c2pa_key_pem), bool(settings.c2pa_signer)]
    if sum(keys) > 1:
        raise SettingError("c2pa_key, c2pa_key_pem and c2pa_signer: set one of them")
    if (path == Path()) == any(keys):
        raise SettingError(
            "c2pa_certificate and its key (c2pa_key, c2pa_key_pem or c2pa_signer): set both or neither"
        )
    if path == Path():
        path, key_path = own_chain(settings.data_dir)
    certificate = _check(_read("c2pa_certificate", path), path)
    if settings.c2pa_signer:
        return certificate
    if settings.c2pa_key_pem:  # "\n", because some environments hold a single line only
        return _with_key(
            certificate, settings.c2pa_key_pem.replace("\\n", "\n").encode(), "c2pa_key_pem", path
        )
    return _with_key(certificate, _read_key(key_path), f"c2pa_key: {key_path}", path)


def _with_key(certificate: Certificate, pem: bytes, source: str, path: Path) -> Certificate:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingError(f"{source} holds no unencrypted PEM private key") from None
    if certificate.certificates[0].public_key() != key.public_key():
        raise SettingError(f"{source} is not the key of the first certificate in {path}")
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return replace(certificate, key=pkcs8)


def _check(chain: bytes, path: Path) -> Certificate:
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise SettingError(f"c2pa_certificate: {path} holds no PEM certificate") from None
    now = datetime.datetime.now(datetime.UTC)
    if not all(one.not_valid_before_utc <= now <= one.not_valid_after_utc for one in certificates):
        raise SettingError(f"c2pa_certificate: {path} is not valid today")
    _check_chain(certificates, path)
    algorithm = algorithm_of(certificates[0].public_key())
    if algorithm is None:
        raise SettingError(
            f"c2pa_certificate: {path}: C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys"
        )
    return Certificate(chain=chain, algorithm=algorithm.name.encode())


def _check_chain(certificates: list[x509.Certificate], path: Path) -> None:
    for certificate, issuer in itertools.pairwise(certificates):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise SettingError(
                f"c2pa_certificate: {path} is not a chain, signing certificate first"
            ) from None


def _read_key(path: Path) -> bytes:
    """Raises SettingError for a file that others may read too."""
    pem = _read("c2pa_key", path)
    if path.stat().st_mode & 0o077:
        raise SettingError(f"c2pa_key: others may read {path}; chmod 600 it")
    return pem


def _read(setting: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_PEM_BYTES)
    except OSError as error:
        raise SettingError(f"{setting}: cannot read {path}: {error.strerror}") from None
