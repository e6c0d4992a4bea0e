"""Bytes that a client sends inside its JSON: base64 data URIs."""

import base64
import binascii
import math
import re
from urllib.parse import unquote_to_bytes

_HEADER = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


def from_data_uri(text: str, most: int) -> bytes:
    """At most `most` bytes. Raises ValueError with what is wrong, in words for the client.

    As in browsers, white space and missing padding are forgiven; the declared media type is not believed.
    """
    if not (header := _HEADER.match(text)):
        raise ValueError("expected a base64 data URI")
    encoded = b"".join(unquote_to_bytes(text[header.end() :]).split()).rstrip(b"=")
    if len(encoded) > math.ceil(most * 4 / 3):
        raise ValueError(f"larger than {most >> 20} MiB")
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ValueError("bad base64") from None
