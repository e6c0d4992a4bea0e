"""How much of the queue a key gets, and how many of its jobs may be at work."""

from dataclasses import dataclass

from frontend.keys.api_keys import KeyRecord, Priority


@dataclass(frozen=True)
class QueueShare:
    priority: Priority = Priority.NORMAL
    concurrent: int = 0  # jobs at work; 0: any number

    @classmethod
    def of(cls, key: KeyRecord) -> "QueueShare":
        return cls(key.priority, key.concurrent)

    def encode(self) -> str:
        """As lua/_turns.lua reads it."""
        return f"{self.priority} {self.concurrent}"


ORDINARY = QueueShare()
