"""The settings that this package reads; frontend/settings.py has them all."""

from pathlib import Path
from typing import Protocol


class ReceiverSettings(Protocol):
    @property
    def private_networks(self) -> tuple[str, ...]: ...
    @property
    def webhook_timeout_s(self) -> float: ...
    @property
    def webhook_ca(self) -> Path: ...
