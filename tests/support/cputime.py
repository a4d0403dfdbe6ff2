"""A limit of time that means the same on a busy machine as on an idle one."""

import contextlib
import time
from collections.abc import Iterator

SECONDS = 5.0
"""Far more than anything that is looked at needs, far less than what runs for minutes."""


@contextlib.contextmanager
def soon(seconds: float = SECONDS) -> Iterator[None]:
    """Fail where the block takes this thread more CPU time; its waits are not counted."""
    began = time.thread_time()
    yield
    taken = time.thread_time() - began
    assert taken < seconds, f"took {taken:.1f} s of CPU"
