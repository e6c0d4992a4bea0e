"""What happens to a signed picture on its way: metadata are edited, its end is lost or goes on."""

import io
import struct
import zlib
from collections.abc import Mapping

from PIL import Image

from frontend.domain.picture import Encoding, File
from frontend.finishing.encode import encode
from tests.frontend.finishing.pictures import scene

RATING = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
"""As photo managers write it."""
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # of its box in files of ISO 14496-12


def rated(file: File) -> bytes:
    """With a rating put into the file beside all that is there, as the format wants it."""
    data = file.data
    match file.extension:
        case "jpg":
            segment = b"http://ns.adobe.com/xap/1.0/\0" + RATING
            return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
        case "png":
            return data[:33] + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + RATING) + data[33:]
        case "webp":
            whole = data + b"XMP " + struct.pack("<I", len(RATING)) + RATING + b"\0" * (len(RATING) % 2)
            return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
    return data + struct.pack(">I", len(RATING) + 24) + b"uuid" + XMP_UUID + RATING


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def saved_again(file: File) -> bytes:
    """A JPEG decoded and encoded anew by a program that takes over all segments which it does not know."""
    store = file.data[2 : file.data.index(b"\xff\xdb")]
    with Image.open(io.BytesIO(file.data)) as picture:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=80)
    again = stream.getvalue()
    return again[:2] + store + again[again.index(b"\xff\xdb") :]


def moved(file: File) -> bytes:
    """Its manifest on another picture, a JPEG."""
    other = encode(scene(1216, 832)[::-1], Encoding(format="jpeg", quality=90, lossless=False)).data
    store = file.data[2 : file.data.index(b"\xff\xdb")]
    return other[:2] + store + other[other.index(b"\xff\xdb") :]


def changes(file: File) -> Mapping[str, bytes]:
    """Those after which it is a picture still, by name."""
    data = file.data
    made = {
        "a rating": rated(file),
        "a byte more": data + b"\0",
        "text after its end": data + b"sent by somebody, with kind regards",
        "a kilobyte after its end": data + bytes(range(256)) * 4,
    }
    if file.extension == "png":
        made |= {"its last byte lost": data[:-1], "its last chunk lost": data[:-12]}
    return made
