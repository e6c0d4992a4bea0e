"""What an error of Triton means: who is to blame, and whether another server can do better."""

import re

import grpc
from prometheus_client import Counter
from tritonclient.utils import InferenceServerException

from frontend.domain.inference_error import FailureScope, InferenceError

# Errors within a stream have no code, and Triton 24.10 crashes now and then if asked for one (the header
# triton_grpc_error), so text_to_image begins its own with a word, and Triton's are known by their phrases.
ELSEWHERE = (
    "BUSY: ",
    "CANCELLED: ",  # not by us: the server is going down
    "Request for unknown model",  # the model is not loaded there (yet)
    "is not ready",
)
DEAD = "is not healthy"  # a model's process has died; so until that Triton is started again
# gRPC's phrases for a connection that did not come about, so that nothing was sent. Any other break may be
# the order's own doing.
UNREACHED = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution failed",
)
REFUSED = "REFUSED: "  # the order itself is at fault: no server will take it
# A network computed what is no number; it would again. The runtime stands at the end of the message.
NO_NUMBERS = re.compile(r"NO NUMBERS: .*?([a-z0-9-]+): .*\(by ([ -~]{0,100})\)")
FAULTS = Counter(
    "imgen_networks_made_no_numbers",
    "Orders that failed because a network computed infinity or what is no number",
    ["network", "runtime"],
)


class ServerFailed(InferenceError):
    """This server cannot take orders at the moment; another one can."""


def stream_error(url: str, error: grpc.RpcError) -> InferenceError:
    message = f"{url}: {error.code().name}: {_line(error.details())}"
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:  # larger than the client takes
        return InferenceError(message)
    unreached = any(phrase in message for phrase in UNREACHED)
    return ServerFailed(message, FailureScope.SERVERS if unreached else FailureScope.WORK)


def refusal_error(url: str, text: str, begun: bool) -> InferenceError:
    message = f"{url}: {_line(text)}"
    if DEAD in text:
        return ServerFailed(message, FailureScope.WORK if begun else FailureScope.SERVERS)
    if any(phrase in text for phrase in ELSEWHERE):
        return ServerFailed(message, FailureScope.SERVERS)
    if found := NO_NUMBERS.match(text):
        FAULTS.labels(*found.groups()).inc()
        return InferenceError(message, FailureScope.ORDER)
    return InferenceError(message, FailureScope.ORDER if text.startswith(REFUSED) else FailureScope.WORK)


def request_error(url: str, error: InferenceServerException) -> InferenceError:
    """Of a request with one answer. Here errors have codes, and any server may take it again."""
    status, message = error.status() or "", f"{url}: {_line(error.message())}"
    if status == "StatusCode.INVALID_ARGUMENT":
        return InferenceError(message, FailureScope.ORDER)
    unreached = any(phrase in message for phrase in UNREACHED + ELSEWHERE)
    return ServerFailed(message, FailureScope.SERVERS if unreached else FailureScope.WORK)


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:500]
