"""The secret of an API key: how it is made, and what is stored of it."""

import hashlib
import secrets

PREFIX = "imgen_"


def new_secret() -> str:
    """256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
