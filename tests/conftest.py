"""What holds for every test: how deep hypothesis digs, nothing blocks the event loop."""

import asyncio
import inspect
import os
from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import blockbuster_ctx

pytest_plugins = [
    "tests.support.leaks",
    "tests.support.real",
    "tests.support.control_plane",
    "tests.support.spire",
    "tests.support.node",
]

# A laptop and a busy CI machine differ too much for deadlines on single examples.
hypothesis.settings.register_profile("fast", max_examples=25, deadline=None)
hypothesis.settings.register_profile("deep", max_examples=2000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

OURS = ["api", "registrar", "controllers", "topology", "workloads", "manager", "devcluster"]


def pytest_configure() -> None:
    """Leave the main thread without an event loop; each test brings its own.

    Else Python 3.11 makes one when pytest-asyncio asks which was there before, and nobody
    closes it.
    """
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def no_blocking_on_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an asynchronous test in which our code makes a blocking call on the event loop.

    What the test itself does is its own affair. `@pytest.mark.may_block` turns this off.
    """
    test = getattr(request.node, "obj", None)
    if not inspect.iscoroutinefunction(test) or request.node.get_closest_marker("may_block"):
        yield
        return
    with blockbuster_ctx(OURS) as detector:
        for function in detector.functions.values():
            # Metrics of the process come from /proc, which is memory, not a disk.
            function.can_block_in("prometheus_client/process_collector.py", {"collect"})
            # gRPC joins its poller thread when its last object is collected, at any time.
            function.can_block_in("threading.py", {"join", "_wait_for_tstate_lock"})
        yield
