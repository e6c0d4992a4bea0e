"""`kill -9` of the API server and of Redis in 20 chosen windows: every accepted job is finished, once."""

import itertools
import random
import threading
from pathlib import Path

from tests.system.customer import Customer, names
from tests.system.killer import WINDOWS, Killer
from tests.system.running import running

# As many as are drawn at a time on a CPU, and one that waits.
CUSTOMERS = 3
KILLS = [("frontend", window) for window in [*WINDOWS, "stored"] * 2]
KILLS += [("redis", window) for window in WINDOWS]
# Leases and locks of the dead end soon, and a slow machine times nothing out; the attempts are the default's.
# No language model is started.
QUICK = {
    "IMGEN_JOB_LEASE_S": "2",
    "IMGEN_ACS_TIMEOUT_S": "5",
    "IMGEN_JOB_DEADLINE_S": "900",
    "IMGEN_LLM_URL": "http://127.0.0.1:9/v1",
}


def test_no_job_is_lost_or_shown_twice(tmp_path: Path) -> None:
    kills = random.Random(20261123).sample(KILLS, k=len(KILLS))
    numbers, stop = itertools.count(), threading.Event()
    with running(tmp_path, **QUICK) as system:
        killer = Killer(system)
        customers = [Customer(system, numbers, stop) for _ in range(CUSTOMERS)]
        for customer in customers:
            customer.start()
        try:
            for part, window in kills:
                killer.kill(part, window)
        finally:
            stop.set()
            for customer in customers:
                customer.join()
        assert [customer.failure for customer in customers] == [None] * CUSTOMERS
        bought = [one for customer in customers for one in customer.bought]
        assert [one.state for one in bought if one.state["status"] != "COMPLETED"] == []
        assert len({one.job_id for one in bought}) == len(bought)
        assert len({one.picture() for one in bought}) == len(bought)
        for one in bought:
            # A repeated order is the same job, and what was shown once is shown for ever.
            assert customers[0].order(one.number) == one.job_id
            again = customers[0].wait(one.job_id)
            assert names(again) == one.names
        assert killer.left_over() == []
        used = system.post({"action": "usage"})["total"]
        blocked = sum("unsafe_url" in one.state for one in bought)
        assert [used[name] for name in ("jobs", "pictures", "blocked")] == [len(bought), len(bought), blocked]
