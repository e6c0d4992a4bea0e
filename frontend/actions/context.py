"""What every action gets: one authorised call, or the visit of someone without a key."""

import msgspec

from frontend.http.fields import Body
from frontend.keys.api_keys import KeyRecord
from frontend.services import Services


class Call(msgspec.Struct, frozen=True):
    services: Services
    key: KeyRecord
    body: Body
    idempotency_key: str | None  # the header of that name


class Visit(msgspec.Struct, frozen=True):
    services: Services
    address: str  # whose it is, see visitors.py
    body: Body
