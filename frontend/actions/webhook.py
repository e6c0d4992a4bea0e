"""What a webhook's receiver is told: what a poll is answered at that moment, with fresh links."""

from frontend.actions.context import Services
from frontend.actions.status import status_answer
from frontend.events.watch import is_finished
from frontend.http.middleware import encode
from frontend.keys.api_keys import KeyRecord
from frontend.webhooks.deliverer import NothingToTell
from frontend.webhooks.delivery import DeliveryClaim


async def webhook_body(services: Services, claim: DeliveryClaim, key: KeyRecord) -> bytes | None:
    """JSON. None: it has not ended yet; the review of a made picture begins. Raises NothingToTell."""
    state = await services.watch.look(claim.job_id, key.id)
    if state is None:
        raise NothingToTell("its job has expired")
    if not is_finished(state):
        return None
    return encode(await status_answer(services, key, state, claim.webhook.origin))
