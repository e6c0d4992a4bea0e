"""What every action gets: one authorised call."""

from dataclasses import dataclass

from frontend.fields import Body
from frontend.keys import KeyRecord
from frontend.services import Services


@dataclass(frozen=True)
class Call:
    services: Services
    key: KeyRecord
    body: Body
    idempotency_key: str | None  # the header of that name
