"""What a key's webhooks are signed with: made by an operator, shown once, known to the receiver and to us.

Unlike a key, such a secret cannot be kept as a hash: each delivery is signed with it.
"""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import WatchError
from standardwebhooks import Webhook

from contract.redis_keys import KEYS, WEBHOOK_SECRETS
from frontend.keys.api_keys import KeyRecord, decode_key
from frontend.keys.secret import WEBHOOK_PREFIX

VALID = 2  # at a time: so a receiver can go over to the new one while the old one still counts


class WebhookSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Of one key."""

    key: str  # its digest, by which its record is found
    secrets: tuple[str, ...]  # the newest one first

    def sign(self, message_id: str, body: bytes, when: datetime) -> dict[str, str]:
        """The headers of the Standard Webhooks scheme, with a signature for each secret."""
        text = body.decode()
        signatures = [Webhook(secret).sign(message_id, when, text) for secret in self.secrets]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


_decode = msgspec.json.Decoder(WebhookSecrets).decode


class WebhookSecretStore:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def has(self, owner: str) -> bool:
        """Whether the key of this id has one. Raises RedisError."""
        return bool(await self._redis.hexists(WEBHOOK_SECRETS, owner))

    async def of(self, owner: str) -> tuple[KeyRecord, WebhookSecrets] | None:
        """Of the key of this id, with its record; None where it has none. Raises RedisError."""
        found = await self._redis.hget(WEBHOOK_SECRETS, owner)
        if found is None:
            return None
        signing = _decode(found)
        raw: Any = await self._redis.hget(KEYS, signing.key)
        record = decode_key(raw) if raw else None
        if record and record.replaced:
            known = map(decode_key, (await self._redis.hgetall(KEYS)).values())
            record = next((each for each in known if each.id == owner and not each.replaced), None)
        return (record, signing) if record else None

    async def add(self, key: KeyRecord) -> str:
        """A new one, which is returned this once; of the older ones the newest stays valid beside it."""
        secret = WEBHOOK_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        # Once, also where the answer is lost and this is done again.
        await self._change(key, lambda known: tuple(dict.fromkeys((secret, *known)))[:VALID])
        return secret

    async def retire_older(self, key: KeyRecord) -> int:
        """Only the newest one stays; how many there were."""
        return len(await self._change(key, lambda known: known[:1]))

    async def _change(
        self, key: KeyRecord, choose: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> tuple[str, ...]:
        """`choose`: the secrets from now on, of those until now, which are returned. Raises RedisError.

        Two operators at a time do not undo each other's.
        """
        async with self._redis.pipeline() as pipe:
            while True:
                await pipe.watch(WEBHOOK_SECRETS)
                raw: Any = await pipe.hget(WEBHOOK_SECRETS, key.id)
                known = _decode(raw).secrets if raw else ()
                if not (chosen := choose(known)):
                    return known
                record = WebhookSecrets(key=key.digest, secrets=chosen)
                pipe.multi()  # type: ignore[no-untyped-call]
                pipe.hset(WEBHOOK_SECRETS, key.id, msgspec.json.encode(record))
                try:
                    await pipe.execute()
                except WatchError:
                    continue
                return known
