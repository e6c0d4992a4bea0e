"""What software that does not read C2PA is told: XMP (ISO 16684-1) and IPTC's older IIM, before signing.

The same words as in the manifest. The prompt is never among them: XMP is copied to where no manifest goes.
"""

import hashlib
import struct
from xml.sax.saxutils import escape

from frontend.domain.picture import Credentials
from frontend.finishing.manifest import NAMESPACES, source_type, texts

MAX_XMP_BYTES = 32_768
"""More than 300 characters of four texts and 2,000 of one make, each at most 5 bytes when escaped."""
_IPTC = {"Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"}
_LISTS = {"dc:creator": "Seq", "dc:publisher": "Bag", "dc:title": "Alt", "dc:description": "Alt"}
# Of XMP's properties, those that IIM has: number in record 2, bytes at most.
_DATASETS = {
    "dc:title": (5, 64),
    "dc:creator": (80, 32),
    "photoshop:Credit": (110, 32),
    "dc:description": (120, 2000),
}
_UTF8 = b"\x1c\x01\x5a\0\x03\x1b%G"  # record 1: the texts are UTF-8
_VERSION = b"\x1c\x02\x00\0\x02\0\x04"


def xmp(credentials: Credentials) -> bytes:
    """A packet that says it is not to be written to, since it is signed."""
    said = {"Iptc4xmpExt:DigitalSourceType": source_type(credentials), **texts(credentials)}
    names = "".join(f' xmlns:{name}="{space}"' for name, space in (NAMESPACES | _IPTC).items())
    properties = "".join(_property(name, value) for name, value in said.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{names}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="r"?>'
    ).encode()


def _property(name: str, value: str | list[str]) -> str:
    """Texts are cleaned, so there is no character in them that XML does not allow."""
    kind = _LISTS.get(name)
    text = escape(value if isinstance(value, str) else value[0])
    if kind:
        language = ' xml:lang="x-default"' if kind == "Alt" else ""
        text = f"<rdf:{kind}><rdf:li{language}>{text}</rdf:li></rdf:{kind}>"
    return f"<{name}>{text}</{name}>"


def iim(credentials: Credentials) -> bytes:
    """Photoshop's image resources with IPTC's datasets, and their MD5, by which readers see that they say no
    more than the XMP does. b"" where there is nothing to say."""
    said = texts(credentials)
    datasets = b"".join(
        _dataset(number, value if isinstance(value, str) else value[0], most)
        for name, (number, most) in _DATASETS.items()
        if (value := said.get(name))
    )
    if not datasets:
        return b""
    block = _UTF8 + _VERSION + datasets
    digest = hashlib.md5(block, usedforsecurity=False).digest()
    return _resource(0x0404, block) + _resource(0x0425, digest)


def _dataset(number: int, text: str, most: int) -> bytes:
    """As much of it as there is room for; no character is cut."""
    data = text.encode()[:most].decode(errors="ignore").rstrip().encode()
    return struct.pack(">BBBH", 0x1C, 2, number, len(data)) + data


def _resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
