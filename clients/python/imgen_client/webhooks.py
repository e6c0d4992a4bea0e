"""Webhooks by the Standard Webhooks scheme: https://www.standardwebhooks.com"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping

from .answers import Status, read
from .errors import ForgedWebhook, NotImgen

MAX_SIGNATURES = 16


def verify(
    payload: bytes | str,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    tolerance_s: float = 300.0,
) -> Status:
    """What the server sent: the job's end, the same as `status` answers it. Raises ForgedWebhook.

    `payload` is the body's bytes or text, unchanged. `secret`: `whsec_…`, or several while one is replaced.
    `webhook-id` is the same at every attempt of one delivery: keep it, and take each but once.
    """
    identity, moment, signatures = (
        _header(headers, name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    if not re.fullmatch(r"[0-9]{1,12}", moment):
        raise ForgedWebhook("webhook-timestamp is no number")
    if abs(time.time() - int(moment)) > tolerance_s:
        raise ForgedWebhook("webhook-timestamp is too far from this machine's time")
    body = payload.encode() if isinstance(payload, str) else payload
    signed = f"{identity}.{moment}.".encode() + body
    given = [_signature(each) for each in signatures.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]]
    for each in [secret] if isinstance(secret, str) else secret:
        right = hmac.digest(_key(each), signed, hashlib.sha256)
        if any(hmac.compare_digest(right, signature) for signature in given):
            return _read(body)
    raise ForgedWebhook("no signature in webhook-signature is of this secret")


def _read(body: bytes) -> Status:
    try:
        told = json.loads(body)
        return read(Status, told)
    except (ValueError, AttributeError, NotImgen):
        raise ForgedWebhook("the body is no job's status") from None


def _header(headers: Mapping[str, str], name: str) -> str:
    value = next((value for each, value in headers.items() if each.lower() == name), "")
    if not value or not value.isascii():
        raise ForgedWebhook(f"{name} is missing, or is no ASCII")
    return value


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError("secret: expected whsec_ and base64")
    return key


def _signature(text: str) -> bytes:
    version, _, encoded = text.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except ValueError:
        return b""
