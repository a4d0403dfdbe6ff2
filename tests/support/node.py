"""A real node for tests, and what they ask it: one for each file of tests, fresh."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

import pytest

from hack.node import images
from hack.node.cluster import Cluster
from tests.support import leaks, nodereport

CONFIG = Path(__file__).resolve().parents[2] / "config"
_pause = threading.Event().wait
SECONDS = 120.0
"""The patience with each condition, on a machine busy with other things."""


@pytest.fixture(scope="module")
def node() -> Iterator[Cluster]:
    """A running node with all images, and nothing applied to it yet."""
    folder = Path(tempfile.mkdtemp(prefix="node-"))
    cluster = Cluster(folder)
    cluster.start(images.build(print), print, outlive_us=False)
    try:
        yield cluster
        leaks.assert_none("\n".join(_container_logs(cluster)))
    finally:
        cluster.stop()


def _container_logs(cluster: Cluster) -> Iterator[str]:
    """What the containers on the node have logged, those that ended too."""
    for path in sorted(cluster.sandbox.path("/var/log/pods").glob("*/*/*.log")):
        yield path.read_text(encoding="utf-8", errors="replace")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failing test say what its node looks like: afterwards it is gone."""
    report = yield
    arguments: dict[str, object] = getattr(item, "funcargs", {})
    cluster = arguments.get("node")
    if report.failed and call.when != "teardown" and isinstance(cluster, Cluster):
        report.sections.append(("the node", nodereport.describe(cluster)))
    return report


def apply(cluster: Cluster, *documents: Mapping[str, object]) -> None:
    """Apply objects that a test makes up itself, all by one call."""
    together = {"apiVersion": "v1", "kind": "List", "items": documents}
    cluster.run_kubectl("apply", "--filename=-", stdin=json.dumps(together))


def objects(cluster: Cluster, *arguments: str) -> list[dict[str, object]]:
    """Return the objects that `kubectl get` finds."""
    found = json.loads(cluster.run_kubectl("get", *arguments, "--output=json"))
    items: list[dict[str, object]] = found.get("items", [found])
    return items


def wait_for(what: str, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return once the condition holds; a look at it may raise an assertion or a server's error."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
        _pause(0.25)
