"""What SPIRE on the real node says: the server's entries, and a Pod's SVIDs from inside of it."""

import base64
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from hack.node.cluster import Cluster
from hack.processes import ServerError
from tests.support.node import apply, wait_for

AGENTS_ANEW = """\
kubectl rollout restart -n spire daemonset/spire-agent
kubectl rollout status -n spire daemonset/spire-agent
"""
"""What spares the minute until agents give up a server that they do not know."""

_SERVER = ("exec", "-n", "spire", "spire-server-0", "-c", "spire-server", "--")
_AGENT_IMAGE = "ghcr.io/spiffe/spire-agent:1.13.3"


class _Id(msgspec.Struct):
    trust_domain: str
    path: str


class Entry(msgspec.Struct):
    """An entry as the SPIRE server's command line shows it."""

    id: str
    spiffe_id: _Id

    @property
    def identity(self) -> str:
        """The SPIFFE ID as text."""
        return f"spiffe://{self.spiffe_id.trust_domain}{self.spiffe_id.path}"


class _Entries(msgspec.Struct):
    entries: list[Entry] = []


class _SVID(msgspec.Struct):
    x509_svid: str


class _Answer(msgspec.Struct):
    svids: list[_SVID] = []


@dataclass(frozen=True, slots=True)
class Asker:
    """A Pod of a user that asks the Workload API, whose socket our node driver shows to it."""

    name: str
    namespace: str = "default"
    service_account: str = "default"
    labels: tuple[tuple[str, str], ...] = ()
    container: str = "main"

    def create(self, cluster: Cluster) -> None:
        """Create it; it may take its time."""
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": dict(self.labels),
            },
            "spec": {
                "serviceAccountName": self.service_account,
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": self.container,
                        "image": _AGENT_IMAGE,
                        "command": ["sleep", "infinity"],
                        "volumeMounts": [{"name": "api", "mountPath": "/run/spire/agent"}],
                    }
                ],
                "volumes": [
                    {
                        "name": "api",
                        "csi": {
                            "driver": "csi.spire.io",
                            "readOnly": True,
                            "volumeAttributes": {"mode": "workload-api"},
                        },
                    }
                ],
            },
        }
        apply(cluster, document)

    def svids(self, cluster: Cluster) -> list[x509.Certificate]:
        """Return the SVIDs that it has now, none while it does not run."""
        command = ("/opt/spire/bin/spire-agent", "api", "fetch", "x509", "-output", "json")
        socket = ("-socketPath", "/run/spire/agent/api.sock", "-timeout", "2s")
        where = ("exec", "-n", self.namespace, self.name, "--")
        try:
            answer = cluster.run_kubectl(*where, *command, *socket)
        except ServerError:
            return []
        found = msgspec.json.decode(answer, type=_Answer)
        chains = [base64.b64decode(svid.x509_svid) for svid in found.svids]
        return [x509.load_der_x509_certificate(_first_of(chain)) for chain in chains]

    def wait_for_svid(self, cluster: Cluster, identity: str) -> None:
        """Return once it has an SVID with this SPIFFE ID, signed by the server that is there."""

        def has_it() -> bool:
            mine = [each for each in self.svids(cluster) if identity_of(each) == identity]
            return any(is_signed_by_the_server(cluster, each) for each in mine)

        wait_for(f"{self.namespace}/{self.name} has an SVID {identity}", has_it)


def wait_for_file(cluster: Cluster, pod: str, identity: str) -> None:
    """Return once a Pod of samples/csi has a file with such an SVID."""

    def has_it() -> bool:
        try:
            text = cluster.run_kubectl("exec", pod, "--", "cat", "/run/svid/svid.pem")
        except ServerError:
            return False
        svid = x509.load_pem_x509_certificate(text.encode())
        return identity_of(svid) == identity and is_signed_by_the_server(cluster, svid)

    wait_for(f"{pod} has a file with an SVID {identity}", has_it)


def identity_of(svid: x509.Certificate) -> str:
    """Return the SPIFFE ID that a certificate carries."""
    names = svid.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (identity,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return identity


def is_signed_by_the_server(cluster: Cluster, svid: x509.Certificate) -> bool:
    """Tell whether one of the SPIRE server's present authorities has signed this."""
    authorities = x509.load_pem_x509_certificates(_ask(cluster, "bundle", "show").encode())
    return any(_is_signed_by(svid, authority) for authority in authorities)


def entries(cluster: Cluster) -> list[Entry]:
    """Return all entries that the SPIRE server holds."""
    answer = _ask(cluster, "entry", "show", "-output", "json")
    return msgspec.json.decode(answer, type=_Entries).entries


def _ask(cluster: Cluster, *question: str) -> str:
    program = "/opt/spire/bin/spire-server"
    return cluster.run_kubectl(
        *_SERVER, program, *question, "-socketPath", "/run/spire/server/api.sock"
    )


def _is_signed_by(svid: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        svid.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True


def _first_of(chain: bytes) -> bytes:
    """Return the first of several certificates that stand one after the other in DER."""
    # A sequence (0x30), whose length takes as many bytes as the low bits of the second one say.
    assert chain[0] == 0x30, chain[:4]
    extra = chain[1] & 0x7F if chain[1] & 0x80 else 0
    length = int.from_bytes(chain[2 : 2 + extra]) if extra else chain[1]
    return chain[: 2 + extra + length]
