"""Triton's own account of a model: how long requests waited and were computed, in batches of which size."""

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException


class StatisticsError(Exception):
    """One line: why Triton gives no account."""


@dataclass(frozen=True)
class Account:
    """Since the model was loaded. A request counts once, however many steps of a batch it was part of."""

    inferences: int
    executions: int  # batches
    queue_ns: int  # summed over requests, like the next two
    compute_ns: int
    copy_ns: int  # compute input and output

    def since(self, before: "Account") -> "Account":
        return Account(
            self.inferences - before.inferences,
            self.executions - before.executions,
            self.queue_ns - before.queue_ns,
            self.compute_ns - before.compute_ns,
            self.copy_ns - before.copy_ns,
        )

    @property
    def mean_batch(self) -> float:
        return self.inferences / self.executions if self.executions else 0.0

    def per_request_ms(self) -> dict[str, float]:
        count = self.inferences or 1
        named = {"queue": self.queue_ns, "compute": self.compute_ns, "copy": self.copy_ns}
        return {name: round(total / count / 1e6, 2) for name, total in named.items()}


async def account(client: InferenceServerClient, model: str) -> Account:
    """Raises StatisticsError, also where the server's restricted protocols close statistics."""
    try:
        answer = await client.get_inference_statistics(model, as_json=True)
    except InferenceServerException as error:
        raise StatisticsError(f"{model}: {error.message()}") from None
    return read(answer["model_stats"][0])


def read(statistics: dict[str, Any]) -> Account:
    """From one entry of ModelStatistics as JSON: its 64-bit numbers are text, its zeros are left out."""
    times = statistics.get("inference_stats", {})

    def ns(name: str) -> int:
        return int(times.get(name, {}).get("ns", 0))

    return Account(
        inferences=int(statistics.get("inference_count", 0)),
        executions=int(statistics.get("execution_count", 0)),
        queue_ns=ns("queue"),
        compute_ns=ns("compute_infer"),
        copy_ns=ns("compute_input") + ns("compute_output"),
    )
