"""One file per action of `POST /api/v2`; this table is the API's list of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from frontend.actions.cancel import cancel
from frontend.actions.context import Call, Visit
from frontend.actions.generate import generate
from frontend.actions.models import models
from frontend.actions.optimize import optimize
from frontend.actions.random import random
from frontend.actions.status import status
from frontend.actions.verify import verify, verify_without_key
from frontend.keys.rates import RateClass

ACTIONS: Mapping[str, Callable[[Call], Awaitable[Mapping[str, Any]]]] = {
    "models": models,
    "generate": generate,
    "status": status,
    "cancel": cancel,
    "optimize": optimize,
    "random": random,
    "verify": verify,
}

# Actions with a rate of their own; the others have that of all requests alone.
RATE_CLASSES: Mapping[str, RateClass] = {
    "generate": RateClass.ORDERS,
    "status": RateClass.POLLS,
    "optimize": RateClass.PROMPTS,
    "verify": RateClass.VERIFICATIONS,
}

WITHOUT_KEY: Mapping[str, Callable[[Visit], Awaitable[Mapping[str, Any]]]] = {"verify": verify_without_key}
