"""Content credentials: a signed C2PA manifest in the file, https://c2pa.org/specifications/."""

import datetime
import io
import logging
import time
from collections.abc import Callable
from typing import Any, Self

import c2pa
import numpy as np

from frontend.common.errors import SettingError
from frontend.domain.picture import Credentials, Encoding, File
from frontend.finishing.certificate import Certificate
from frontend.finishing.embed import embed
from frontend.finishing.encode import encode
from frontend.finishing.manifest import OURS, manifest
from frontend.finishing.metadata import iim, xmp
from frontend.finishing.timestamps import Timestamps

REST_S = 60.0
"""How long an authority that gave no timestamp is not asked again, where none is required."""

log = logging.getLogger(__name__)
_CONTEXT = {
    "version": 1,
    "builder": {"thumbnail": {"enabled": False}, "created_assertion_labels": list(OURS)},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
}
_PROBE = Credentials(
    gen_id="probe",
    author="",
    title="",
    description="",
    organization="",
    vendor="",
    model="",
    character="",
    seed=0,
    ruleset="",
    steps=1,
    guidance=1.0,
    when="2026-01-01T00:00:00Z",
)


class CertificateExpired(Exception):
    """Since when. What would be signed now would not be valid."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Signatory:
    """One certificate's signer, built once and shared by all threads. Close it when no more is signed."""

    def __init__(
        self,
        certificate: Certificate,
        *,
        remote_key: Callable[[bytes], bytes] | None = None,
        timestamps: Timestamps = Timestamps(),  # noqa: B008 (frozen)
        with_prompt: bool = False,
        now: Callable[[], datetime.datetime] = _now,
    ) -> None:
        """Signs a probe. Raises SettingError for a certificate whose signatures validators would refuse.

        `remote_key` signs where the certificate has no key: raw bytes in, a signature as C2PA wants it out.
        """
        self.certificate = certificate
        self._expires, self._now = certificate.expires, now
        self.tells_prompt = with_prompt
        self._required = timestamps.required
        self._resting_until = 0.0  # by time.monotonic
        self._stamping: c2pa.Context | None = None
        try:
            self._plain = _context(certificate, remote_key, "")
            if timestamps.url:
                self._stamping = _context(certificate, remote_key, timestamps.url)
            refused = self._probe()
        except c2pa.C2paError as error:
            refused = str(error).splitlines()[0]
        if refused:
            raise SettingError(f"c2pa_certificate: not fit for content credentials: {refused}")

    def sign(self, file: File, credentials: Credentials) -> File:
        """The same file with XMP, IPTC and the manifest in it. The pixels and the encoding do not change.

        Raises C2paError where a key or a required timestamp is out of reach, and CertificateExpired.
        """
        if self._now() >= self._expires:
            raise CertificateExpired(f"{self._expires:%Y-%m-%dT%H:%M:%SZ}")
        if self._stamping and (self._required or time.monotonic() >= self._resting_until):
            try:
                return self._sign(file, credentials, self._stamping)
            except c2pa.C2paError:
                if self._required:
                    raise
                self._resting_until = time.monotonic() + REST_S
                log.warning("no timestamp: pictures are signed without one for %.0f s", REST_S)
        return self._sign(file, credentials, self._plain)

    def _sign(self, file: File, credentials: Credentials, context: c2pa.Context) -> File:
        described, signed = embed(file, xmp(credentials), iim(credentials)), io.BytesIO()
        with c2pa.Builder(manifest(credentials, with_prompt=self.tells_prompt), context) as builder:
            builder.sign(file.media_type, io.BytesIO(described), signed)
        return File(data=signed.getvalue(), media_type=file.media_type, extension=file.extension)

    def _probe(self) -> str:
        """Why a validator would refuse our signatures; empty if it would not. Trust is not asked here."""
        probe = encode(np.zeros((8, 8, 3), np.uint8), Encoding(format="png", quality=1, lossless=False))
        signed = self._sign(probe, _PROBE, self._plain)
        with c2pa.Reader(signed.media_type, io.BytesIO(signed.data), context=self._plain) as reader:
            if reader.get_validation_state() != "Invalid":
                return ""
            failures = reader.get_validation_results()["activeManifest"]["failure"]
            return ", ".join(
                item["code"] for item in failures if item["code"] != "signingCredential.untrusted"
            )

    def close(self) -> None:
        self._plain.close()
        if self._stamping:
            self._stamping.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _context(
    certificate: Certificate, remote_key: Callable[[bytes], bytes] | None, timestamps: str
) -> c2pa.Context:
    """The library's settings and signer, which belong together for as long as either lives."""
    return c2pa.Context.from_dict(_CONTEXT, signer=_signer(certificate, remote_key, timestamps))


def _signer(certificate: Certificate, remote_key: Callable[[bytes], bytes] | None, timestamps: str) -> Any:
    if remote_key is None:
        url = timestamps.encode() or None
        info = c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain, certificate.key, url)
        return c2pa.Signer.from_info(info)
    algorithm = c2pa.C2paSigningAlg[certificate.algorithm.decode().upper()]
    return c2pa.Signer.from_callback(remote_key, algorithm, certificate.chain.decode(), timestamps or None)
