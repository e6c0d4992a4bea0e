import gc
import threading
import weakref

import numpy as np
from batching import Arrays
from idle_memory import IdleMemory
from openvino_session import OpenVinoSession

from perf.processes import proportional_mib
from tests.triton_server import DEMO

SOON_S = 0.05
PATIENCE_S = 30.0


def test_memory_is_given_back_once_after_every_use() -> None:
    given_back = threading.Semaphore(0)
    memory = IdleMemory(given_back.release, SOON_S)
    for _ in range(3):
        with memory.in_use():
            assert not given_back.acquire(timeout=2 * SOON_S)  # not beside a run, however long it takes
        assert given_back.acquire(timeout=PATIENCE_S)
    assert not given_back.acquire(timeout=4 * SOON_S)


def test_memory_that_nobody_owns_any_more_leaves_no_thread() -> None:
    def watchers() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name == "idle-memory"}

    before = watchers()
    memory = IdleMemory(lambda: None, SOON_S)
    (thread,) = watchers() - before
    gone = weakref.ref(memory)
    del memory
    gc.collect()
    assert gone() is None
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_network_that_gave_its_memory_back_makes_the_same_picture() -> None:
    decoder = OpenVinoSession(str(DEMO / "models" / "eros-decoder" / "1" / "model.onnx"), {}, "f32")
    latents: Arrays = {"latents": np.random.default_rng(1).standard_normal((1, 24, 12, 12), np.float32)}
    before = decoder.run(latents)["image"]
    held = proportional_mib("self")
    decoder._memory._idle_s = 0.0
    decoder._memory.give_back()
    assert proportional_mib("self") < held - 20
    assert np.array_equal(decoder.run(latents)["image"], before)
