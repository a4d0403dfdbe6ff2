"""Pods that come and go all the time, so that there is something to write at every moment."""

import itertools
from collections import deque
from pathlib import Path
from typing import Self

from hack.background import Background
from hack.soak.asked import POD_LABEL
from hack.soak.kube import Document, Kube, KubeError
from hack.soak.modes import PATHS, Mode
from hack.soak.world import NODES

_NAMESPACE = "default"
_PODS = f"/api/v1/namespaces/{_NAMESPACE}/pods"


class Load(Background):
    """Makes `per_second` Pods, each with an identity of its own, while the block lasts.

    Each goes when `kept` more have come.
    """

    def __init__(
        self, kubeconfig: Path, mode: Mode, *, per_second: float = 10.0, kept: int = 40
    ) -> None:
        self.made = 0
        self._kube = Kube(kubeconfig)
        self._mode = mode
        self._pause = 1.0 / per_second
        self._kept = kept
        super().__init__("load")

    def __enter__(self) -> Self:
        """Begin."""
        if self._mode.name == "controller-manager":
            self._kube.put(f"{PATHS['templates']}/load", _TEMPLATE)
        return super().__enter__()

    def _run(self) -> None:
        there: deque[str] = deque()
        for number in itertools.count():
            if self._ends.wait(self._pause):
                return
            name = f"load-{number}"
            try:
                self._kube.create(_PODS, _pod(name, NODES[number % len(NODES)]))
                there.append(name)
                self.made += 1
                if len(there) > self._kept:
                    self._kube.delete(f"{_PODS}/{there.popleft()}")
            except KubeError:
                continue


def _pod(name: str, node: str) -> Document:
    return {
        "metadata": {"name": name, "labels": {POD_LABEL: name, "team": name}},
        "spec": {
            "containers": [{"name": "main", "image": "example.org/main:1"}],
            "nodeName": node,
        },
    }


_TEMPLATE: Document = {
    "apiVersion": "spire.spiffe.io/v1alpha1",
    "kind": "ClusterSPIFFEID",
    "metadata": {"name": "load"},
    "spec": {"spiffeIDTemplate": '/load/{{ index .PodMeta.Labels "team" }}'},
}
