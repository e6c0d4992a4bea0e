"""A C2PA manifest store before it is read: boxes (JUMBF, ISO 19566-5), and what their CBOR (RFC 8949) claims.

The library takes a byte string's claimed length as true and reserves as much; docs/decisions/cells.md.
"""

from collections.abc import Iterator

from frontend.cells.structure import TOO_LONG, Unsound, boxes

MAX_DEPTH = 32  # of boxes, and of CBOR
MAX_BOXES = 10_000
MAX_ITEMS = 200_000  # of CBOR, in one box
_SIGNATURE_TAG = 18  # COSE_Sign1: the first of its four items is CBOR in a byte string
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(2, 8)
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_INDEFINITE = 31


def check_jumbf(store: bytes) -> None:
    """Raises Unsound."""
    for kind, body in _leaves(memoryview(store), 0):
        if kind == b"cbor":
            check_cbor(body)


def _leaves(data: memoryview, depth: int) -> Iterator[tuple[bytes, memoryview]]:
    if depth > MAX_DEPTH:
        raise Unsound(TOO_LONG)
    for kind, body in boxes(data, MAX_BOXES):
        if kind == b"jumb":
            yield from _leaves(body, depth + 1)
        else:
            yield kind, body


def check_cbor(data: bytes | memoryview, *, inside: bool = False) -> None:
    """That every length is there and that nothing is nested deeply. Raises Unsound.

    `inside`: of a signature's byte string, whose own ones are not looked into.
    """
    left = [1]  # items still to come, per level; -1: until a break
    at, signed = 0, False
    for _ in range(MAX_ITEMS):
        while left and left[-1] == 0:
            left.pop()
        if not left:
            return
        if at >= len(data):
            raise Unsound
        major, low = data[at] >> 5, data[at] & 31
        width = _WIDTHS.get(low, 0)
        value = int.from_bytes(data[at + 1 : at + 1 + width]) if width else low
        at += 1 + width
        if major == _SIMPLE and low == _INDEFINITE:
            if left.pop() >= 0:
                raise Unsound
            continue
        left[-1] -= left[-1] > 0
        if major in (_BYTES, _TEXT) and low != _INDEFINITE:
            if value > len(data) - at:
                raise Unsound
            if signed and not inside and major == _BYTES and value:
                check_cbor(data[at : at + value], inside=True)
            at += value
        elif major in (_BYTES, _TEXT, _ARRAY, _MAP):
            items = value * (2 if major == _MAP else 1)
            if low != _INDEFINITE and items > len(data) - at:
                raise Unsound
            left.append(-1 if low == _INDEFINITE else items)
        elif major == _TAG:
            left.append(1)
        signed = (major == _TAG and value == _SIGNATURE_TAG) or (signed and major == _ARRAY)
        if len(left) > MAX_DEPTH:
            raise Unsound(TOO_LONG)
    raise Unsound(TOO_LONG)
