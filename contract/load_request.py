"""A model's network that is loaded on request while Triton serves, and why it could not be.

Triton 24.10 crashes now and then when a load that a model asked for fails, and with it all that is being
drawn. So a network of our backends that cannot be loaded then "loads", and tells it here to who asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.names import load_request_file


class LoadRequest:
    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def failure(self) -> str:
        """One line; "" where the network has told nothing."""
        return self._file.read_text().partition("\n")[2].strip()


@contextmanager
def load_request(server: int, network: str) -> Iterator[LoadRequest]:
    """For as long as `network` is being loaded. Raises OSError."""
    file = load_request_file(server)
    file.write_text(f"{network}\n")
    try:
        yield LoadRequest(file)
    finally:
        file.unlink(missing_ok=True)


def tell_load_failure(server: int, network: str, reason: str) -> bool:
    """Whether somebody has asked for this load and is told. `reason`: one line."""
    file = load_request_file(server)
    try:
        if file.read_text().partition("\n")[0] != network:
            return False
        file.write_text(f"{network}\n{reason}\n")
    except OSError:
        return False
    return True
