"""Keeps Python's cyclic collector from looking at the whole cluster again and again.

A full collection looks at every tracked object: with tens of thousands of
Pods that is a pause of hundreds of milliseconds in which nothing else happens.
What survives one is nearly always a cache's or an index's, so it is set aside,
and the next looks only at what came since. Now and then all is looked at, in
case something that was set aside has become a cycle nobody holds.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_FULL = 2
_THOROUGH_EVERY = 200
"""Full collections between two that look at everything."""


@contextmanager
def survivors_set_aside() -> Iterator[None]:
    """Set survivors of full collections aside while the block runs."""
    collections = 0

    def after(phase: str, info: Mapping[str, int]) -> None:
        nonlocal collections
        if phase != "stop" or info["generation"] != _FULL:
            return
        collections += 1
        if collections % _THOROUGH_EVERY == 0:
            gc.unfreeze()
        else:
            gc.freeze()

    gc.callbacks.append(after)
    try:
        yield
    finally:
        gc.callbacks.remove(after)
        gc.unfreeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no cycles in the block: for work that builds much, drops little and ends soon."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
