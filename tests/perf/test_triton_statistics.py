from perf.triton_statistics import Account, read

# As Triton's gRPC answer looks as JSON: 64-bit numbers are text, zeros are left out.
STATISTICS = {
    "inference_count": "16",
    "execution_count": "4",
    "inference_stats": {
        "queue": {"count": "16", "ns": "32000000"},
        "compute_input": {"count": "16", "ns": "1600000"},
        "compute_infer": {"count": "16", "ns": "800000000"},
        "compute_output": {"count": "16", "ns": "1600000"},
    },
}


def test_mean_batch_and_times_are_per_request() -> None:
    account = read(STATISTICS)
    assert account.mean_batch == 4.0
    assert account.per_request_ms() == {"queue": 2.0, "compute": 50.0, "copy": 0.2}


def test_only_what_happened_since_counts() -> None:
    before = Account(inferences=8, executions=3, queue_ns=16_000_000, compute_ns=0, copy_ns=0)
    since = read(STATISTICS).since(before)
    assert (since.inferences, since.executions, since.mean_batch) == (8, 1, 8.0)
    assert since.per_request_ms()["queue"] == 2.0


def test_model_that_was_never_asked_has_no_batch() -> None:
    account = read({"name": "eros-denoiser"})
    assert account.mean_batch == 0.0
    assert account.per_request_ms() == {"queue": 0.0, "compute": 0.0, "copy": 0.0}
