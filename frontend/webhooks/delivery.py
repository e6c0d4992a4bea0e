"""The delivery of one job's end."""

from dataclasses import dataclass
from enum import StrEnum

from frontend.domain.webhook import Webhook


class DeliveryState(StrEnum):
    """As its hash in Redis says it."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, kw_only=True)
class DeliveryClaim:
    """The right of one process to make one attempt, until its lease ends or a newer attempt begins."""

    job_id: str  # and the message's id: every attempt of a delivery has the same
    attempt: int  # the fencing token
    owner: str  # id of the key
    webhook: Webhook
    tries: int  # attempts that were made before
    began: float  # seconds since 1970

    @property
    def lane(self) -> str:
        return self.webhook.lane(self.owner)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """As operators see it."""

    job_id: str
    owner: str  # id of the key
    state: DeliveryState
    receiver: str  # its host
    tries: int
    outcome: str  # of the last attempt, in a few words; "" before the first
    began: float  # seconds since 1970
    due: float  # likewise, of the next attempt; 0: there is none
