"""One file per action of `POST /api/v2`; this table is the API's list of them."""

from collections.abc import Mapping
from typing import get_args

from frontend.actions.action import Action
from frontend.actions.cancel import CancelRequest, cancel
from frontend.actions.generate import GenerateAnswer, generate
from frontend.actions.generate_request import GenerateRequest
from frontend.actions.models import ModelsRequest, models
from frontend.actions.optimize import OptimizeAnswer, OptimizeRequest, optimize
from frontend.actions.random import RandomAnswer, RandomRequest, random
from frontend.actions.status import StatusRequest, status
from frontend.actions.status_answer import CancelledAnswer, StatusAnswer
from frontend.actions.usage import UsageAnswer, UsageRequest, usage
from frontend.actions.verify import ONE_OF_TWO, VerifyRequest, verify, verify_without_key
from frontend.catalogue.answer import ModelsAnswer
from frontend.keys.api_keys import Scope
from frontend.keys.rates import RateClass
from frontend.verification.answer import KeyVerifyAnswer, VerifyAnswer

_TABLE = (
    Action(asks=ModelsRequest, answers=(ModelsAnswer,), run=models),
    Action(
        asks=GenerateRequest,
        answers=(GenerateAnswer,),
        run=generate,
        rate=RateClass.ORDERS,
        shows=("prompt", "model", "format", "seed"),
    ),
    Action(
        asks=StatusRequest, answers=get_args(StatusAnswer), run=status, rate=RateClass.POLLS, shows=("id",)
    ),
    Action(asks=CancelRequest, answers=(CancelledAnswer,), run=cancel, shows=("id",), extension=True),
    Action(
        asks=OptimizeRequest,
        answers=(OptimizeAnswer,),
        run=optimize,
        rate=RateClass.PROMPTS,
        shows=("prompt",),
    ),
    Action(asks=RandomRequest, answers=(RandomAnswer,), run=random, shows=("character",)),
    Action(
        asks=VerifyRequest,
        answers=(KeyVerifyAnswer, VerifyAnswer),
        run=verify,
        run_without_key=verify_without_key,
        scope=Scope.VERIFY,
        rate=RateClass.VERIFICATIONS,
        rules=ONE_OF_TWO,
        shows=("image",),
        extension=True,
    ),
    Action(
        asks=UsageRequest,
        answers=(UsageAnswer,),
        run=usage,
        rate=RateClass.USAGE,
        shows=("days",),
        extension=True,
    ),
)
ACTIONS: Mapping[str, Action] = {action.name: action for action in _TABLE}
