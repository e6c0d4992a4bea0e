"""What the way in needs to be told."""

from typing import Protocol


class ListenerSettings(Protocol):
    @property
    def max_connections(self) -> int: ...
    @property
    def header_timeout_s(self) -> float: ...
    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...
