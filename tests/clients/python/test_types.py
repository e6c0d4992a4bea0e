"""The package's types hold all that the server's own types say."""

from typing import get_type_hints

import msgspec
import pytest

import imgen_client as sdk
from frontend.actions.generate_request import GenerateRequest
from frontend.actions.status_answer import (
    BlockedAnswer,
    CancelledAnswer,
    CompletedAnswer,
    FailedAnswer,
    PictureMeta,
    QueuedAnswer,
    RunningAnswer,
    TimedOutAnswer,
)
from frontend.actions.usage import UsageAnswer, UsedDay
from frontend.keys.usage import Used
from frontend.verification.answer import ManifestAnswer, VerifyAnswer

PENDING = [QueuedAnswer, RunningAnswer]
FINAL = [CompletedAnswer, BlockedAnswer, FailedAnswer, TimedOutAnswer, CancelledAnswer]


def names(*kinds: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize(
    ("ours", "servers"),
    [
        (sdk.Status, [*PENDING, *FINAL]),
        (sdk.Meta, [PictureMeta]),
        (sdk.Verification, [VerifyAnswer]),
        (sdk.Manifest, [ManifestAnswer]),
        (sdk.Usage, [UsageAnswer]),
        (sdk.UsedDay, [UsedDay]),
        (sdk.Used, [Used]),
    ],
)
def test_answer_has_the_servers_fields(
    ours: type[msgspec.Struct], servers: list[type[msgspec.Struct]]
) -> None:
    assert names(ours) - {"answer"} == names(*servers)


def test_order_takes_the_servers_fields() -> None:
    taken = names(GenerateRequest) - {"prompt", "idempotency_key"}
    assert set(get_type_hints(sdk.GenerateFields)) == taken
