"""The certificate chain and key that sign content credentials: the operator's, or our own, made once."""

import contextlib
import datetime
import itertools
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from frontend.finishing.authority import issue
from frontend.settings import SettingError, Settings

FOLDER, CHAIN, KEY = "credentials", "chain.pem", "key.pem"
MAX_PEM_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Certificate:
    chain: bytes  # PEM, the signing certificate first
    key: bytes = field(repr=False)  # PEM, PKCS #8, unencrypted
    algorithm: bytes  # C2PA's name of the signature algorithm: es256, ...


def load_certificate(settings: Settings) -> Certificate:
    """The operator's chain and key where they are set, else ours in the data folder, made if need be.

    Raises SettingError, one line, for files that cannot sign.
    """
    chain, key = settings.c2pa_certificate, settings.c2pa_key
    if (chain == Path()) != (key == Path()):
        raise SettingError("c2pa_certificate and c2pa_key: set both or neither")
    if chain != Path():
        return _load(chain, key)
    folder = settings.data_dir / FOLDER
    if not folder.exists():
        _make(folder)
    return _load(folder / CHAIN, folder / KEY)


def _load(chain_path: Path, key_path: Path) -> Certificate:
    chain, pem = _read("c2pa_certificate", chain_path), _read("c2pa_key", key_path)
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise SettingError(f"c2pa_certificate: {chain_path} holds no PEM certificate") from None
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingError(f"c2pa_key: {key_path} holds no unencrypted PEM private key") from None
    leaf = certificates[0]
    if leaf.public_key() != key.public_key():
        raise SettingError(f"c2pa_key: {key_path} is not the key of the first certificate in {chain_path}")
    if not leaf.not_valid_before_utc <= datetime.datetime.now(datetime.UTC) <= leaf.not_valid_after_utc:
        raise SettingError(f"c2pa_certificate: {chain_path} is not valid today")
    _check_chain(certificates, chain_path)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certificate(chain=chain, key=pkcs8, algorithm=_algorithm(key, key_path))


def _read(setting: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_PEM_BYTES)
    except OSError as error:
        raise SettingError(f"{setting}: cannot read {path}: {error.strerror}") from None


def _check_chain(certificates: list[x509.Certificate], path: Path) -> None:
    for certificate, issuer in itertools.pairwise(certificates):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise SettingError(
                f"c2pa_certificate: {path} is not a chain, signing certificate first"
            ) from None


def _algorithm(key: object, path: Path) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
            return b"es256"
        case ec.EllipticCurvePrivateKey(curve=ec.SECP384R1()):
            return b"es384"
        case ec.EllipticCurvePrivateKey(curve=ec.SECP521R1()):
            return b"es512"
        case ed25519.Ed25519PrivateKey():
            return b"ed25519"
        case rsa.RSAPrivateKey(key_size=bits) if bits >= 2048:
            return b"ps256"
    raise SettingError(f"c2pa_key: {path}: C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys")


def _make(folder: Path) -> None:
    """Write both files beside and rename the folder: of two starts at once the first wins, whole."""
    chain, key = issue()
    beside = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}.tmp")
    try:
        beside.mkdir(mode=0o700, parents=True)
        _write(beside / CHAIN, chain, 0o644)
        _write(beside / KEY, key, 0o600)
        with contextlib.suppress(FileExistsError):
            _rename(beside, folder)
    except OSError as error:
        raise SettingError(f"data_dir: cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(path: Path, data: bytes, mode: int) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _rename(beside: Path, folder: Path) -> None:
    """Raises FileExistsError where the folder is already there with its files."""
    try:
        beside.rename(folder)
    except OSError:
        if (folder / KEY).exists():
            raise FileExistsError from None
        raise
