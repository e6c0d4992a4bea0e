import datetime
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from frontend.common.errors import SettingError
from frontend.domain.picture import File
from frontend.finishing.authority import PURPOSES, issue
from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import CertificateExpired, Signatory
from frontend.settings import Settings, load

from .pictures import credentials

START = """
import pathlib, sys
from frontend.finishing.certificate import load_certificate
from frontend.settings import Settings
print(load_certificate(Settings(data_dir=pathlib.Path(sys.argv[1]))).chain.decode())
"""


def pem_of(key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def self_signed(days: int = 10) -> tuple[bytes, bytes]:
    """A certificate that is well made but for its validity or its purpose."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "harbour")])
    now = datetime.datetime.now(datetime.UTC)
    draft = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    draft = draft.serial_number(1).not_valid_before(now - datetime.timedelta(days=20))
    certificate = draft.not_valid_after(now + datetime.timedelta(days=days)).sign(key, hashes.SHA256())
    return certificate.public_bytes(Encoding.PEM), pem_of(key)


def chain_for(key: PrivateKeyTypes, days: int = 90) -> bytes:
    """Signed by an authority of its own; fit for content credentials, for so many days."""
    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    draft = x509.CertificateBuilder().subject_name(named("harbour")).issuer_name(named("authority"))
    draft = draft.serial_number(7).not_valid_before(now - datetime.timedelta(days=1))
    draft = draft.not_valid_after(now + datetime.timedelta(days=days)).public_key(key.public_key())  # type: ignore[arg-type]
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    draft = draft.add_extension(usage, critical=True)
    draft = draft.add_extension(x509.ExtendedKeyUsage(PURPOSES), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
    draft = draft.add_extension(issuer, critical=False)
    return draft.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)


def named(common: str) -> x509.Name:
    organization = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Harbour Prints")
    return x509.Name([organization, x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def provided(folder: Path, chain: bytes, key: bytes) -> Settings:
    (folder / "mine.pem").write_bytes(chain)
    (folder / "mine.key").write_bytes(key)
    (folder / "mine.key").chmod(0o600)
    return Settings(data_dir=folder, c2pa_certificate=folder / "mine.pem", c2pa_key=folder / "mine.key")


def refusal(settings: Settings) -> str:
    with pytest.raises(SettingError) as caught:
        Signatory(load_certificate(settings))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(settings.data_dir), "")


def test_first_start_makes_a_chain_and_the_next_keeps_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    first = load_certificate(settings)
    assert load_certificate(settings) == first
    assert len(x509.load_pem_x509_certificates(first.chain)) == 2
    assert first.algorithm == b"es256"


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    load_certificate(Settings(data_dir=tmp_path))
    assert stat.S_IMODE((tmp_path / "credentials" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["credentials"]


def test_key_shows_in_no_text(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(load_certificate(Settings(data_dir=tmp_path)))


def test_two_starts_share_one_certificate(tmp_path: Path) -> None:
    start = [sys.executable, "-c", START, str(tmp_path)]
    processes = [subprocess.Popen(start, stdout=subprocess.PIPE) for _ in range(3)]
    chains = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(chains) == 1
    assert chains.pop().startswith(b"-----BEGIN CERTIFICATE")
    assert [path.name for path in tmp_path.iterdir()] == ["credentials"]


def test_start_after_a_crash_makes_the_chain(tmp_path: Path) -> None:
    (tmp_path / "credentials.0123456789abcdef.tmp").mkdir()
    assert load_certificate(Settings(data_dir=tmp_path)).chain


def test_operators_certificate_signs(tmp_path: Path) -> None:
    chain, key = issue()
    certificate = load_certificate(provided(tmp_path, chain, key))
    assert certificate.chain == chain
    assert not (tmp_path / "credentials").exists()
    Signatory(certificate).close()


def test_half_an_operators_pair_is_refused(tmp_path: Path) -> None:
    words = "c2pa_certificate and its key (c2pa_key, c2pa_key_pem or c2pa_signer): set both or neither"
    assert refusal(Settings(data_dir=tmp_path, c2pa_key=tmp_path / "key.pem")) == words
    assert refusal(Settings(data_dir=tmp_path, c2pa_certificate=tmp_path / "chain.pem")) == words
    assert refusal(Settings(data_dir=tmp_path, c2pa_signer="unix:/run/signer")) == words


def test_two_keys_are_refused(tmp_path: Path) -> None:
    settings = replace(provided(tmp_path, *issue()), c2pa_key_pem="-----BEGIN PRIVATE KEY-----")
    assert refusal(settings) == "c2pa_key, c2pa_key_pem and c2pa_signer: set one of them"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    settings = provided(tmp_path, *issue())
    settings.c2pa_key.chmod(mode)
    assert refusal(settings) == "c2pa_key: others may read /mine.key; chmod 600 it"


@pytest.mark.parametrize("one_line", [False, True])
def test_key_comes_from_the_environment(tmp_path: Path, one_line: bool) -> None:
    chain, key = issue()
    (tmp_path / "mine.pem").write_bytes(chain)
    text = key.decode().replace("\n", "\\n") if one_line else key.decode()
    environ = {
        "IMGEN_DATA_DIR": str(tmp_path / "data"),
        "IMGEN_C2PA_CERTIFICATE": str(tmp_path / "mine.pem"),
        "IMGEN_C2PA_KEY_PEM": text,
    }
    assert load_certificate(load(environ)).key == key
    assert not (tmp_path / "data").exists()


def test_bad_key_in_the_environment_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_bytes(issue()[0])
    settings = Settings(
        data_dir=tmp_path, c2pa_certificate=tmp_path / "mine.pem", c2pa_key_pem="MIGHAgEAMBMG"
    )
    assert refusal(settings) == "c2pa_key_pem holds no unencrypted PEM private key"


KEYS: dict[str, PrivateKeyTypes] = {
    "es256": ec.generate_private_key(ec.SECP256R1()),
    "es384": ec.generate_private_key(ec.SECP384R1()),
    "es512": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ps256": rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("name", KEYS)
def test_every_kind_of_key_that_c2pa_knows_signs(tmp_path: Path, name: str) -> None:
    certificate = load_certificate(provided(tmp_path, chain_for(KEYS[name]), pem_of(KEYS[name])))
    assert certificate.algorithm.decode() == name
    Signatory(certificate).close()  # it signs a probe and reads it back


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    words = "c2pa_certificate: /mine.pem: C2PA signs with P-256, P-384, P-521, Ed25519 or RSA keys"
    assert refusal(provided(tmp_path, chain_for(key), pem_of(key))) == words


def test_warning_comes_30_days_before_the_end_and_stays(tmp_path: Path) -> None:
    certificate = load_certificate(Settings(data_dir=tmp_path))
    end, second = certificate.expires, datetime.timedelta(seconds=1)
    month = datetime.timedelta(days=30)
    assert certificate.warning(end - month - second) == ""
    told = f"at {end:%Y-%m-%dT%H:%M:%SZ}; no picture is signed after that"
    assert certificate.warning(end - month) == f"c2pa_certificate ends {told}"
    assert certificate.warning(end) == f"c2pa_certificate ended {told}"


def test_expired_certificate_signs_no_more(tmp_path: Path) -> None:
    certificate = load_certificate(Settings(data_dir=tmp_path))
    with Signatory(certificate, now=lambda: certificate.expires) as signatory:
        with pytest.raises(CertificateExpired):
            signatory.sign(File(data=b"", media_type="image/jpeg", extension="jpg"), credentials())


def test_missing_file_is_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, c2pa_certificate=tmp_path / "no.pem", c2pa_key=tmp_path / "no.key")
    assert refusal(settings) == "c2pa_certificate: cannot read /no.pem: No such file or directory"


def test_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert refusal(Settings(data_dir=tmp_path / "data")).startswith("data_dir: cannot write /credentials: ")


def test_text_instead_of_pem_is_refused(tmp_path: Path) -> None:
    chain, key = issue()
    assert (
        refusal(provided(tmp_path, b"hello", key)) == "c2pa_certificate: /mine.pem holds no PEM certificate"
    )
    words = "c2pa_key: /mine.key holds no unencrypted PEM private key"
    assert refusal(provided(tmp_path, chain, b"hello")) == words
    locked = pem_of(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"secret"))
    assert refusal(provided(tmp_path, chain, locked)) == words


def test_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    chain, other = issue()[0], issue()[1]
    words = "c2pa_key: /mine.key is not the key of the first certificate in /mine.pem"
    assert refusal(provided(tmp_path, chain, other)) == words


def test_chain_in_the_wrong_order_is_refused(tmp_path: Path) -> None:
    chain, key = issue()
    leaf = x509.load_pem_x509_certificates(chain)[0].public_bytes(Encoding.PEM)
    stranger = issue()[0].removeprefix(leaf)
    words = "c2pa_certificate: /mine.pem is not a chain, signing certificate first"
    assert refusal(provided(tmp_path, leaf + stranger, key)) == words


def test_expired_certificate_is_refused(tmp_path: Path) -> None:
    assert refusal(provided(tmp_path, *self_signed(-1))) == "c2pa_certificate: /mine.pem is not valid today"


def test_certificate_for_another_purpose_is_refused(tmp_path: Path) -> None:
    assert refusal(provided(tmp_path, *self_signed())).startswith(
        "c2pa_certificate: not fit for content credentials: "
    )
