"""Who is told of a job's end."""

import zlib

import msgspec
from yarl import URL

LANES = 8  # of a key


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Stored as JSON beside the job, and nowhere else: an address may hold a client's secrets."""

    url: str  # checked when the job was accepted, and again at each attempt
    origin: str = ""  # what links begin with for the client, see net/client_origin.py

    @property
    def receiver(self) -> str:
        """What may be shown of it."""
        return URL(self.url).host or ""

    def lane(self, owner: str) -> str:
        """A key's deliveries wait in lanes, by receiver: where a slow one holds up others, they are few."""
        return f"{owner}:{zlib.crc32(self.receiver.encode()) % LANES:x}"
