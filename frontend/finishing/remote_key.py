"""A signing key that another process holds: a KMS, an HSM's daemon, a sidecar.

It is sent the bytes to be signed and answers with the signature: POST to `c2pa_signer`, both as
application/octet-stream, the algorithm in the header C2PA-Algorithm. docs/credentials.md tells the rest.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from frontend.common.bounded_read import read_bounded
from frontend.common.errors import SettingError
from frontend.finishing.algorithm import Algorithm, algorithm_of
from frontend.finishing.certificate import Certificate
from frontend.finishing.settings import FinishingSettings
from frontend.net.http_endpoint import HttpEndpoint

MAX_SIGNATURE_BYTES = 4096
PAUSE_S = 0.2  # before a process that is away or busy is asked again

log = logging.getLogger(__name__)


class NoSignature(Exception):
    """Why there is none, for the log: nothing that the signing process wrote."""


class _Busy(Exception):
    """For the moment."""


class RemoteKey:
    """Signs when called, on any thread but the event loop's, whose session asks the signing process."""

    def __init__(
        self, session: aiohttp.ClientSession, url: URL, algorithm: Algorithm, timeout_s: float
    ) -> None:
        self._session = session
        self._url = url
        self._algorithm = algorithm
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()

    def __call__(self, data: bytes) -> bytes:
        """A signature by the certificate's key. Raises NoSignature, after `timeout_s` at the latest."""
        return asyncio.run_coroutine_threadsafe(self.sign(data), self._loop).result()

    async def sign(self, data: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return self._algorithm.checked(await self._patiently(data), data)
        except (NoSignature, OSError, ValueError) as error:  # TimeoutError is an OSError
            reason = "not in time" if isinstance(error, OSError) else str(error)
            log.warning("c2pa_signer: no signature: %s", reason)
            raise NoSignature(reason) from None

    async def _patiently(self, data: bytes) -> bytes:
        """Asked until it answers: one that is away for a moment must not cost the picture."""
        while True:
            try:
                return await self._ask(data)
            except (aiohttp.ClientError, _Busy) as error:
                log.info("c2pa_signer: %s, asked again", str(error) or type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, data: bytes) -> bytes:
        headers = {"Content-Type": "application/octet-stream", "C2PA-Algorithm": self._algorithm.name}
        async with self._session.post(
            self._url, data=data, headers=headers, allow_redirects=False
        ) as response:
            if response.status == 429 or response.status >= 500:
                raise _Busy(f"status {response.status}")
            if response.status != 200:
                raise NoSignature(f"status {response.status}")
            return await read_bounded(response, MAX_SIGNATURE_BYTES)


@contextlib.asynccontextmanager
async def open_remote_key(settings: FinishingSettings, certificate: Certificate) -> AsyncIterator[RemoteKey]:
    """Raises SettingError for a URL that would not keep what is signed to the two, or that signs nothing."""
    endpoint = _endpoint(settings.c2pa_signer)
    token = settings.c2pa_signer_token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    algorithm = algorithm_of(certificate.certificates[0].public_key())
    assert algorithm is not None  # load_certificate refuses others
    async with aiohttp.ClientSession(connector=endpoint.connector(), headers=headers) as session:
        key = RemoteKey(session, endpoint.url, algorithm, settings.c2pa_signer_timeout_s)
        try:
            await key.sign(b"imgen asks whether this is signed")
        except NoSignature as error:
            raise SettingError(f"c2pa_signer: no signature: {error}") from None
        yield key


def _endpoint(text: str) -> HttpEndpoint:
    with contextlib.suppress(ValueError):
        endpoint = HttpEndpoint.parse(text)
        if not endpoint.plain_host:
            return endpoint
    raise SettingError("c2pa_signer: expected https://…, http:// on this machine's loopback, or unix:/PATH")
