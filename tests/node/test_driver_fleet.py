"""The node driver under a real kubelet, with real SPIRE, through all that happens to a node.

Every Pod has an SVID of its own that lives for 40 s. A watcher looks at all volumes all the time:
whatever happens, no file is missing, half-written, another Pod's or too old. One node, in the
order of the tests.
"""

from collections.abc import Iterator
from itertools import count

import pytest

from hack.node.cluster import Cluster
from hack.node.fleet import Fleet, Pod, VolumeStats, deploy
from hack.node.svidwatch import SVIDWatch
from tests.support.node import wait_for

pytestmark = [
    pytest.mark.real("control plane", "spire", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

_BASE = [f"base-{number}" for number in range(8)]
_CROWD = [f"crowd-{number}" for number in range(80)]
_SAMPLES = ("svid-as-files", "draft-layout", "several-tokens", "workload-api")
_numbers = count()


@pytest.fixture(scope="module")
def fleet(node: Cluster) -> Iterator[Fleet]:
    deploy(node)
    with SVIDWatch() as watch:
        fleet = Fleet(node, watch)
        fleet.make(_BASE)
        fleet.make(["passing"], group="passing")
        fleet.wait_running([*_BASE, "passing"])
        yield fleet


def _exchange(fleet: Fleet, *arguments: str) -> str:
    """Let a Pod go and another come, in whatever state the node is; gives the new one's name."""
    for name, pod in fleet.pods().items():
        if pod.group == "passing":
            fleet.delete(name, *arguments)
    new = f"passing-{next(_numbers)}"
    fleet.make([new], group="passing")
    return new


def _check(fleet: Fleet, new: str, *, driver_restarts: int) -> None:
    """All is as if nothing had happened, and it was so all the time."""
    before = fleet.serials()
    fleet.wait_running([new])
    fleet.wait_until_clean()
    fleet.wait_until_rotated(before)
    assert fleet.watch.faults() == []
    assert fleet.complaints() == []
    assert fleet.driver().restarts == driver_restarts


def test_a_normal_start_warns_of_nothing(fleet: Fleet) -> None:
    fleet.node.run_kubectl(
        "wait", "--for=condition=Ready", "--timeout=110s", *(f"pod/{name}" for name in _SAMPLES)
    )
    warnings = [
        str(event)
        for event in [*fleet.events(), *fleet.events("default")]
        if event.type != "Normal" and event.involved_object.kind == "Pod"
    ]
    assert warnings == []
    assert [pod.restarts for pod in fleet.pods().values()] == [0] * len(fleet.pods())
    fleet.wait_until_rotated(fleet.serials())
    assert fleet.watch.faults() == []


def test_the_driver_is_killed(fleet: Fleet) -> None:
    driver = fleet.driver()
    fleet.kill(driver)
    new = _exchange(fleet)
    _check(fleet, new, driver_restarts=driver.restarts + 1)


def test_the_daemonset_is_rolled(fleet: Fleet) -> None:
    fleet.node.run_kubectl("rollout", "restart", "--namespace=spire", "daemonset/csi-spire")
    new = _exchange(fleet)
    fleet.node.run_kubectl("rollout", "status", "--namespace=spire", "daemonset/csi-spire")
    _check(fleet, new, driver_restarts=0)


def test_the_kubelet_hears_how_full_the_volumes_are(fleet: Fleet) -> None:
    """It asks each of them once a minute; one that only shows a socket holds nothing itself."""
    stats: dict[str, VolumeStats] = {}

    def are_told() -> bool:
        stats.update(fleet.volume_stats("default"))
        return {"svid", "workload-api"} <= stats.keys()

    wait_for("stats of the sample Pods", are_told)
    assert stats["svid"].capacity_bytes == 32 * 2**20
    assert 0 < stats["svid"].used_bytes < 2**20
    assert stats["workload-api"] == VolumeStats("workload-api", 0, 0)


def test_kubelet_and_containerd_are_restarted(fleet: Fleet) -> None:
    driver = fleet.driver()
    fleet.node.stop_server("kubelet", abruptly=True)
    # When the kubelet is back it has never heard of the Pod whose volume it has to take away.
    new = _exchange(fleet, "--force", "--grace-period=0")
    fleet.node.restart_server("containerd", abruptly=True)
    fleet.node.start_server("kubelet")
    fleet.wait_running([new])
    fleet.node.restart_server("containerd")
    new = _exchange(fleet)
    fleet.node.restart_server("kubelet")
    _check(fleet, new, driver_restarts=driver.restarts)


def test_the_agent_is_deleted(fleet: Fleet) -> None:
    driver = fleet.driver()
    fleet.node.run_kubectl("delete", "pod", "--namespace=spire", "--selector=app=spire-agent")
    new = _exchange(fleet)
    _check(fleet, new, driver_restarts=driver.restarts)


def test_all_containers_are_killed_as_in_a_reboot(fleet: Fleet) -> None:
    """Their volumes are gone: no container starts again before its files are there again."""
    driver, before = fleet.driver(), fleet.pods()
    fleet.watch.leave(before)
    fleet.node.stop_server("kubelet", abruptly=True)
    new = _exchange(fleet, "--force", "--grace-period=0")
    fleet.node.reboot()

    def restarts() -> dict[str, int]:
        return {name: pod.restarts for name, pod in fleet.pods().items() if name in _BASE}

    once_more = {name: before[name].restarts + 1 for name in _BASE}
    wait_for("all containers are started again", lambda: restarts() == once_more)
    fleet.wait_running(_BASE)
    _check(fleet, new, driver_restarts=driver.restarts + 1)
    assert restarts() == once_more


def _kill_while_busy(fleet: Fleet, driver: Pod) -> None:
    """Kill the driver, and wait until it is back.

    A kubelet that starts or ends eighty Pods on two cores may take longer for that than what is
    left of an SVID's 40 s when it is renewed; nobody could write another one meanwhile.
    """
    fleet.watch.may_expire = True
    fleet.kill(driver)

    def is_back() -> bool:
        now = fleet.driver()
        return now.restarts > driver.restarts and now.is_ready

    wait_for("the driver is back", is_back)
    wait_for("every SVID is valid again", lambda: not fleet.watch.expired())
    fleet.watch.may_expire = False


def test_many_pods_come_and_go_at_once_while_the_driver_is_killed(fleet: Fleet) -> None:
    # One that was killed before would wait for its kubelet, up to half a minute, and SVIDs would
    # expire: before each kill the driver is another.
    driver = fleet.replace_driver()
    fleet.make(_CROWD, group="crowd")

    def running() -> int:
        return sum(pod.is_ready for pod in fleet.pods().values() if pod.group == "crowd")

    wait_for("some of the crowd run", lambda: running() > 0)
    _kill_while_busy(fleet, driver)
    fleet.wait_running(_CROWD)
    driver = fleet.replace_driver()
    fleet.delete_group("crowd")
    wait_for("some of the crowd are gone", lambda: running() < len(_CROWD) // 2)
    _kill_while_busy(fleet, driver)
    _check(fleet, _exchange(fleet), driver_restarts=driver.restarts + 1)
