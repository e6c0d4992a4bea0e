"""The secret of an API key: how it is made, how it is presented, and what is stored of it."""

import hashlib
import secrets

PREFIX = "imgen_"
WEBHOOK_PREFIX = "whsec_"  # of a webhook's: the scheme's own


class PresentedSecret:
    """What a client sent as its key. No text that is made of it shows it: no log, no error, no repr."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    @classmethod
    def from_header(cls, header: str | None) -> "PresentedSecret | None":
        """Of an Authorization header; None where it holds no key of ours."""
        scheme, _, secret = (header or "").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret.startswith(PREFIX) or not secret.isascii():
            return None
        return cls(secret)

    @property
    def digest(self) -> str:
        return digest(self._secret)

    def __repr__(self) -> str:
        return "[key]"


def new_secret() -> str:
    """256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
