"""Presigned links to a bucket's objects, without botocore's cost of half a millisecond for each.

Signature Version 4 in the query, as AWS publishes it ("Authenticating Requests: Using Query Parameters").
Where the bucket is, and for which region to sign, botocore has said once; tests hold our links equal to its.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qs, quote, urlsplit

_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")  # what a URL takes as it is
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")


class FrozenCredentials(Protocol):
    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True)
class BucketAddress:
    """`root`: what stands before an object's key in its URL."""

    root: str
    host: str
    path: str
    region: str

    @classmethod
    def of(cls, link: str, key: str) -> "BucketAddress":
        """As read from a presigned link to the object `key`."""
        parts = urlsplit(link)
        region = parse_qs(parts.query)["X-Amz-Credential"][0].split("/")[-3]
        path = parts.path.removesuffix(key)
        return cls(f"{parts.scheme}://{parts.netloc}{path}", parts.netloc, path, region)


class S3Links:
    def __init__(
        self,
        address: BucketAddress,
        credentials: Callable[[], Awaitable[FrozenCredentials]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`credentials` are asked for every link: temporary ones are renewed."""
        self._address = address
        self._credentials = credentials
        self._clock = clock
        self._key_of: tuple[str, str] = "", ""  # secret and day that the key was derived from
        self._key = b""

    async def sign(self, key: str, parameters: Mapping[str, str], life_s: int) -> str:
        """`parameters`: of GetObject, by their names in a query. Raises what `credentials` raises."""
        found, now = await self._credentials(), self._clock()
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        scope = f"{day}/{self._address.region}/s3/aws4_request"
        told = {
            **parameters,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{found.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(life_s),
            "X-Amz-SignedHeaders": "host",
            **({"X-Amz-Security-Token": found.token} if found.token else {}),
        }
        written = [f"{name}={_quoted(value, _PLAIN)}" for name, value in told.items()]
        place = _quoted(key, _PATH)
        request = "\n".join(
            [
                *("GET", f"{self._address.path}{place}", "&".join(sorted(written))),
                *(f"host:{self._address.host}", "", "host", "UNSIGNED-PAYLOAD"),
            ]
        )
        digest = hashlib.sha256(request.encode()).hexdigest()
        message = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
        signature = hmac.digest(self._signing_key(found.secret_key, day), message.encode(), "sha256").hex()
        return f"{self._address.root}{place}?{'&'.join(written)}&X-Amz-Signature={signature}"

    def _signing_key(self, secret: str, day: str) -> bytes:
        """One for a day."""
        if self._key_of != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._address.region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key_of, self._key = (secret, day), key
        return self._key


def _quoted(text: str, plain: re.Pattern[str]) -> str:
    return text if plain.fullmatch(text) else quote(text, safe="/" if plain is _PATH else "")
