"""What people do on a node whose Pods have SVID volumes, and what goes wrong there."""

import dataclasses
import json
import random
import signal
from collections.abc import Callable

from hack.node.fleet import DRIVER_LABEL, Fleet, Pod
from hack.processes import ServerError

AGENT_LABEL, SERVER_LABEL = "app=spire-agent", "app=spire-server"
NAMES = tuple(f"p{number}" for number in range(8))
FEWEST = 3
"""Pods that stay, so that there is always something to look at."""

_SERVER = ("exec", "-n", "spire", "spire-server-0", "-c", "spire-server", "--")
_SOCKET = ("-socketPath", "/run/spire/server/api.sock", "-output", "json")

Effect = Callable[["Scene"], None]


@dataclasses.dataclass(slots=True)
class Scene:
    """What a step has at hand; `chance` gives the same numbers at a fault's begin and its end."""

    fleet: Fleet
    chance: random.Random


@dataclasses.dataclass(frozen=True, slots=True)
class NodeFault:
    """One kind of fault; of one `place` only one is on at a time.

    `may_expire`: until all is right again, nobody could have renewed an SVID.
    """

    name: str
    place: str
    says: str
    begin: Effect
    end: Effect = lambda _scene: None
    may_expire: bool = False


def _create_pod(scene: Scene) -> None:
    there = scene.fleet.pods()
    scene.fleet.make([scene.chance.choice([name for name in NAMES if name not in there] or NAMES)])


def _delete_pod(scene: Scene) -> None:
    _delete(scene)


def _delete_pod_at_once(scene: Scene) -> None:
    """As people do whom it takes too long: the kubelet hears of it when the object is gone."""
    _delete(scene, "--force", "--grace-period=0")


def _delete(scene: Scene, *arguments: str) -> None:
    there = sorted(scene.fleet.pods())
    if len(there) > FEWEST:
        scene.fleet.delete(scene.chance.choice(there), *arguments)


ACTIONS: dict[str, Effect] = {
    "create-pod": _create_pod,
    "create-another-pod": _create_pod,
    "delete-pod": _delete_pod,
    "delete-pod-at-once": _delete_pod_at_once,
}


def _signal(label: str, number: signal.Signals) -> Effect:
    def send(scene: Scene) -> None:
        scene.fleet.kill(scene.fleet.pod_of(label), number)

    return send


def _replace(label: str) -> Effect:
    """Delete a Pod, whoever comes after it."""

    def replace(scene: Scene) -> None:
        scene.fleet.node.run_kubectl(
            "delete", "pod", "--namespace=spire", "--wait=false", f"--selector={label}"
        )

    return replace


def _roll_driver(scene: Scene) -> None:
    scene.fleet.node.run_kubectl("rollout", "restart", "--namespace=spire", "daemonset/csi-spire")


def _stop_kubelet(scene: Scene) -> None:
    scene.fleet.node.stop_server("kubelet", abruptly=True)


def _start_kubelet(scene: Scene) -> None:
    if scene.fleet.node.sandbox.exit_codes().get("kubelet") is not None:
        scene.fleet.node.start_server("kubelet")


def _restart_containerd(scene: Scene) -> None:
    scene.fleet.node.restart_server("containerd", abruptly=True)


def _reboot(scene: Scene) -> None:
    """Their volumes are gone with the node's power: nothing is expected of them meanwhile."""
    fleet = scene.fleet
    fleet.watch.leave(fleet.pods())
    _stop_kubelet(scene)
    fleet.node.reboot()


def _prepare_authority(scene: Scene) -> None:
    """The server makes another CA, and tells everybody of it."""
    _authorities(scene, "prepare")


def _activate_authority(scene: Scene) -> None:
    """It signs with that CA from now on."""
    prepared = json.loads(_authorities(scene, "show")).get("prepared") or {}
    if name := prepared.get("authority_id"):
        _authorities(scene, "activate", "-authorityID", name)


def _authorities(scene: Scene, *command: str) -> str:
    program = ("/opt/spire/bin/spire-server", "localauthority", "x509")
    return scene.fleet.node.run_kubectl(*_SERVER, *program, *command, *_SOCKET)


_HANG, _GO_ON, _KILL = signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL
FAULTS = (
    NodeFault(
        "agent-killed", "agent", "the agent is killed", _signal(AGENT_LABEL, _KILL), may_expire=True
    ),
    NodeFault(
        "agent-hung",
        "agent",
        "the agent neither answers nor ends",
        _signal(AGENT_LABEL, _HANG),
        _signal(AGENT_LABEL, _GO_ON),
        may_expire=True,
    ),
    NodeFault(
        "agent-replaced",
        "agent",
        "the agent's Pod is deleted, and another one attests anew",
        _replace(AGENT_LABEL),
        may_expire=True,
    ),
    NodeFault(
        "authority-rotated",
        "server",
        "the server signs with another CA",
        _prepare_authority,
        _activate_authority,
    ),
    NodeFault(
        "server-killed",
        "server",
        "the SPIRE server is killed, and the registrar beside it",
        _signal(SERVER_LABEL, _KILL),
        may_expire=True,
    ),
    NodeFault("driver-killed", "driver", "the driver is killed", _signal(DRIVER_LABEL, _KILL)),
    NodeFault(
        "driver-hung",
        "driver",
        "the driver neither answers nor ends",
        _signal(DRIVER_LABEL, _HANG),
        _signal(DRIVER_LABEL, _GO_ON),
    ),
    NodeFault("driver-rolled", "driver", "the driver's DaemonSet is restarted", _roll_driver),
    NodeFault(
        "kubelet-down",
        "node",
        "the kubelet is killed, and back later",
        _stop_kubelet,
        _start_kubelet,
        may_expire=True,
    ),
    NodeFault(
        "containerd-killed",
        "node",
        "containerd is killed and started again",
        _restart_containerd,
        may_expire=True,
    ),
    NodeFault("node-rebooted", "node", "the node loses its power", _reboot, may_expire=True),
)

RESTARTED_TOO_OFTEN = 2
"""The kubelet waits ever longer before it starts a container again: soon for minutes."""


def renew(fleet: Fleet) -> list[str]:
    """Replace the Pods that were restarted too often; gives the names of those of people."""
    for label in (SERVER_LABEL, AGENT_LABEL, DRIVER_LABEL):
        if _is_worn(fleet.pod_of(label)):
            fleet.replace(label)
    worn = [name for name, pod in fleet.pods().items() if _is_worn(pod)]
    for name in worn:
        fleet.delete(name)
    return worn


def _is_worn(pod: Pod) -> bool:
    return pod.restarts >= RESTARTED_TOO_OFTEN


__all__ = ["ACTIONS", "FAULTS", "NodeFault", "Scene", "ServerError", "renew"]
