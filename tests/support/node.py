"""A real node for tests, and what they ask it: one for each file of tests, fresh."""

import json
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from hack.node import images
from hack.node.cluster import Cluster
from hack.node.waiting import apply, wait_for
from tests.support import leaks, nodereport

__all__ = ["CONFIG", "apply", "objects", "wait_for"]

CONFIG = Path(__file__).resolve().parents[2] / "config"


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


def objects(cluster: Cluster, *arguments: str) -> list[dict[str, object]]:
    """Return the objects that `kubectl get` finds."""
    found = json.loads(cluster.run_kubectl("get", *arguments, "--output=json"))
    items: list[dict[str, object]] = found.get("items", [found])
    return items
