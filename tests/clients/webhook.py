"""A webhook as Standard Webhooks signs it, https://www.standardwebhooks.com, written out once more."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 25))).decode()
BODY = '{"status":"FAILED","error":"Generation failed – é"}'


def signed(
    body: str = BODY, *, by: tuple[str, ...] = (SECRET,), age_s: int = 0, identity: str = "msg_1"
) -> dict[str, str]:
    """The headers of one delivery."""
    moment = str(int(time.time()) - age_s)
    content = f"{identity}.{moment}.{body}".encode()
    signatures = [_sign(secret, content) for secret in by]
    return {
        "webhook-id": identity,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(signatures),
    }


def _sign(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


# Made when they are asked for: they are of that moment.
FORGED: dict[str, Callable[[], tuple[str, dict[str, str]]]] = {
    "another body": lambda: (BODY + " ", signed()),
    "another secret": lambda: (BODY, signed(by=(OTHER,))),
    "another id": lambda: (BODY, signed() | {"webhook-id": "msg_2"}),
    "too old": lambda: (BODY, signed(age_s=301)),
    "of the future": lambda: (BODY, signed(age_s=-400)),
    "no time": lambda: (BODY, signed() | {"webhook-timestamp": "soon"}),
    "no signature": lambda: (
        BODY,
        {key: value for key, value in signed().items() if key != "webhook-signature"},
    ),
    "another scheme": lambda: (
        BODY,
        signed() | {"webhook-signature": "v1a," + signed()["webhook-signature"][3:]},
    ),
    "no ASCII": lambda: (BODY, signed() | {"webhook-id": "é", "webhook-signature": "v1,é"}),
    "no base64": lambda: (BODY, signed() | {"webhook-signature": "v1,***** v1, , v1"}),
}
