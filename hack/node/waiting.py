"""Waiting for what a node comes to, and objects that somebody makes up for it."""

import json
import threading
import time
from collections.abc import Callable, Mapping

from hack.node.cluster import Cluster
from hack.processes import ServerError

SECONDS = 120.0
"""The patience with each condition, on a machine busy with other things."""

_pause = threading.Event().wait


def apply(cluster: Cluster, *documents: Mapping[str, object]) -> None:
    """Apply objects, all by one call.

    Raises:
        ServerError: the node's API server refused them, or did not answer.

    """
    together = {"apiVersion": "v1", "kind": "List", "items": documents}
    cluster.run_kubectl("apply", "--filename=-", stdin=json.dumps(together))


def wait_for(what: str, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return once the condition holds.

    Whoever is asked may be unable to answer for a moment, such as a kubelet that counts what a
    container has while it goes: a condition that raises ServerError does not hold yet.

    Raises:
        ServerError: it did not in time; says what the last look at it raised, if it did.

    """
    deadline = time.monotonic() + seconds
    while True:
        unanswered = ""
        try:
            if condition():
                return
        except ServerError as error:
            unanswered = f": {error}"
        if time.monotonic() > deadline:
            raise ServerError(f"not in {seconds:.0f} s: {what}{unanswered}")
        _pause(0.25)
