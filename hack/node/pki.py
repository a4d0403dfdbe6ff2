"""The certificates and kubeconfigs of everybody who takes part in the node's cluster."""

import dataclasses
from pathlib import Path

from hack.credentials import Authority, KeyPair, signing_key, write_kubeconfig, write_secret
from hack.node.init import ADDRESS
from hack.node.sandbox import HOSTNAME
from hack.node.settings import API_SERVER, DOMAIN, FIRST_SERVICE

_SERVICE = "kubernetes.default.svc"


@dataclasses.dataclass(frozen=True, slots=True)
class _Client:
    """Somebody who calls the API server: the name of the files, the user, the groups."""

    name: str
    user: str
    groups: tuple[str, ...] = ()


_CLIENTS = (
    _Client("admin", "admin", ("system:masters",)),
    _Client("kubelet", f"system:node:{HOSTNAME}", ("system:nodes",)),
    _Client("scheduler", "system:kube-scheduler"),
    _Client("controller-manager", "system:kube-controller-manager"),
    _Client("proxy", "system:kube-proxy"),
)


def write(pki: Path, outer_url: str) -> Path:
    """Write all of them; return the kubeconfig for callers outside of the namespaces.

    `outer_url` is where these reach the API server.
    """
    pki.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    (pki / "ca.crt").write_bytes(authority.certificate)
    names = ("kubernetes", "kubernetes.default", _SERVICE, f"{_SERVICE}.{DOMAIN}")
    addresses = (ADDRESS, FIRST_SERVICE)
    _save(pki, "api-server", authority.for_server("kube-apiserver", names, addresses))
    _save(pki, "kubelet-server", authority.for_server(HOSTNAME, (HOSTNAME,), (ADDRESS,)))
    caller = authority.for_user("kube-apiserver-kubelet-client", ("system:masters",))
    _save(pki, "api-server-client", caller)
    write_secret(pki / "service-account.key", signing_key())
    for client in _CLIENTS:
        _save(pki, client.name, authority.for_user(client.user, client.groups))
        _kubeconfig(pki, client.name, f"{client.name}.kubeconfig", API_SERVER)
    return _kubeconfig(pki, "admin", "outside.kubeconfig", outer_url)


def _save(pki: Path, name: str, pair: KeyPair) -> None:
    (pki / f"{name}.crt").write_bytes(pair.certificate)
    write_secret(pki / f"{name}.key", pair.key)


def _kubeconfig(pki: Path, client: str, file: str, url: str) -> Path:
    who = {
        "client-certificate": str(pki / f"{client}.crt"),
        "client-key": str(pki / f"{client}.key"),
    }
    path = pki / file
    write_kubeconfig(path, url, pki / "ca.crt", who)
    return path
