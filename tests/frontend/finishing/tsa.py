"""A timestamp authority on this machine: `openssl ts` behind HTTP. A test may have it refuse or be silent."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from embedded.part import free_port
from tests.fakes import listening

_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ordering = yes
ess_cert_id_alg = sha256
"""


@dataclass
class Tsa:
    folder: Path
    url: str = ""
    anchor: str = ""  # PEM of who issued its certificate
    asked: int = 0
    replies: list[bytes] = field(default_factory=list)
    answer: Callable[[], web.Response] | None = None  # in place of a timestamp
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # closed: it stays silent

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Tsa"]:
        self._equip()
        self.gate.set()
        app = web.Application()
        app.router.add_post("/ts", self._reply)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/ts"
        async with listening(app, port):
            yield self

    async def _reply(self, request: web.Request) -> web.Response:
        self.asked += 1
        query = self.folder / f"{self.asked}.tsq"
        query.write_bytes(await request.read())
        await self.gate.wait()
        if self.answer:
            return self.answer()
        command = [
            "openssl",
            "ts",
            "-reply",
            "-config",
            str(self.folder / "tsa.cnf"),
            "-queryfile",
            str(query),
        ]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        reply, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        self.replies.append(reply)
        return web.Response(body=reply, content_type="application/timestamp-reply")

    def _equip(self) -> None:
        """An authority, a certificate for timestamps alone, and openssl's configuration."""
        authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root = _draft("harbour root", "harbour root", authority)
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        leaf = _draft("harbour clock", "harbour root", key)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        leaf = leaf.add_extension(usage, critical=True)
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        leaf = leaf.add_extension(purpose, critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        leaf = leaf.add_extension(issuer, critical=False)
        self.anchor = root.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        certificate = leaf.sign(authority, hashes.SHA256())
        (self.folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "tsa.key").write_bytes(pem)
        (self.folder / "serial").write_text("01\n")
        (self.folder / "tsa.cnf").write_text(_CONFIG.format(folder=self.folder))


def _draft(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    def named(common: str) -> x509.Name:
        organization = x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Harbour Prints")
        return x509.Name([organization, x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])

    now = datetime.datetime.now(datetime.UTC)
    draft = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer))
    draft = draft.public_key(key.public_key()).serial_number(x509.random_serial_number())
    draft = draft.not_valid_before(now - datetime.timedelta(days=1))
    draft = draft.not_valid_after(now + datetime.timedelta(days=9))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return draft.add_extension(identifier, critical=False)
