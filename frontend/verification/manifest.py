"""The C2PA manifest of a stranger's file, as a cell reads it."""

import msgspec
from cryptography import x509

from frontend.cells.cells import Cells
from frontend.cells.limits import LimitPassed
from frontend.finishing.manifest import ACTIONS, GENERATION
from frontend.verification.manifest_report import (
    UNREADABLE,
    ManifestQuestion,
    ManifestReport,
    read_manifest,
)

MAX_REPORT_BYTES = 1 << 14  # its texts are of MAX_TEXT characters each, if the cell is what it was


class ManifestReader:
    """Trusts one certificate: this system's own."""

    def __init__(self, chain: bytes, cells: Cells) -> None:
        """`chain`: PEM, the signing certificate first."""
        self._chain = chain.decode()
        self._serial = str(x509.load_pem_x509_certificates(chain)[0].serial_number)
        self._cells = cells

    def read(self, data: bytes) -> ManifestReport | None:
        """None where there is none."""
        asked = ManifestQuestion(
            file=data, chain=self._chain, serial=self._serial, generation=GENERATION, actions=ACTIONS
        )
        try:
            answer = self._cells.call(read_manifest, msgspec.msgpack.encode(asked))
            if len(answer) > MAX_REPORT_BYTES:
                return UNREADABLE
            return msgspec.msgpack.decode(answer, type=ManifestReport | None)
        except (LimitPassed, msgspec.MsgspecError):
            return UNREADABLE
