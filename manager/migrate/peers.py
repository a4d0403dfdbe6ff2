"""The registrars that this one replaces, and how a container is known to run one."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from api.codec import JSONObject
from manager.migrate.reading import text, words
from registrar.settings.legacy import LAYERED, MANAGER, WORKLOAD

_PROXIES = ("kube-rbac-proxy", "istio-proxy", "proxyv2", "linkerd", "envoy")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "busybox", "env", "tini", "dumb-init"})


@dataclass(frozen=True, slots=True)
class Peer:
    """``default_file`` is the configuration file that it reads where none is named."""

    name: str
    default_file: str = ""


PEERS = {
    peer.name: peer
    for peer in (
        Peer(MANAGER),
        Peer(WORKLOAD, "k8s-workload-registrar.conf"),
        Peer(LAYERED, "spire-k8s-registrar.conf"),
    )
}


def runs(peer: Peer, container: JSONObject) -> bool:
    """Whether a container runs the peer: by the name of its image, or of what it starts.

    A name of the container says nothing: it stays when the image is swapped.
    """
    started = [*words(container.get("command")), *words(container.get("args"))][:1]
    return peer.name in image_name(container) or any(
        PurePosixPath(word).name == peer.name for word in started
    )


def is_beside(container: JSONObject) -> bool:
    """Whether a container is no program of its own, but a proxy of the others in its Pod."""
    return any(name in image_name(container) for name in _PROXIES)


def image_name(container: JSONObject) -> str:
    """The last part of the image's name, without tag and digest."""
    whole = text(container.get("image")).partition("@")[0]
    return whole.rpartition("/")[2].partition(":")[0]


def arguments_of(container: JSONObject) -> list[str] | None:
    """The peer's arguments; None where a shell or another program starts it, so none are known."""
    command, arguments = words(container.get("command")), words(container.get("args"))
    if not command:
        return arguments
    if PurePosixPath(command[0]).name in _SHELLS:
        return None
    return [*command[1:], *arguments]
