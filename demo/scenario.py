"""The demo's story: samples, an edit, drift, a deletion; every step is checked."""

from collections.abc import Callable, Sequence

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import find_condition
from api.proto.types_pb2 import SPIFFEID, Bundle, Entry, Selector, X509Certificate
from api.spiffeid.v1beta1.clusterspiffeid import POD_NAME_ANNOTATION
from demo.failure import DemoFailed
from demo.view import View
from demo.world import World
from devcluster.spire.authority import Authority

_SECONDS = 60.0
_TTL = 1234
_PARTNER = "partner.example"
_MANUAL = Entry(
    id="made-by-hand",
    spiffe_id=SPIFFEID(trust_domain="example.org", path="/made-by-hand"),
    parent_id=SPIFFEID(trust_domain="example.org", path="/spire/server"),
    selectors=[Selector(type="unix", value="uid:0")],
)

_LABELLED_POD: JSONObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "orders-1", "namespace": "shop", "labels": {"spiffe": "orders"}},
    "spec": {"containers": [{"name": "server", "image": "registry.k8s.io/pause:3.10"}]},
}
"""For the pod controller, which the demo runs with pod_label = "spiffe"."""


class Scenario:
    """Plays the story on a cluster and watches it through a view."""

    def __init__(self, world: World, view: View) -> None:
        self._world = world
        self._view = view

    async def begin(self, samples: Sequence[JSONObject]) -> None:
        """Apply the samples and wait until each has its entry. Raises DemoFailed."""
        view = self._view
        await self._world.put_entry(_MANUAL)
        await self._world.put_bundle(_bundle_of(_PARTNER))
        view.heading("applying config/samples: ClusterSpiffeIds and Pods")
        await self._world.apply([*samples, _LABELLED_POD])
        wanted = {name_of(d) for d in samples if d["kind"] == CLUSTER_SPIFFE_ID.kind}
        await self._expect(
            "every ClusterSpiffeId and labelled Pod has its entry",
            lambda: (
                wanted <= {n for n in view.cluster_spiffe_ids if self._is_set(n)}
                and {name_of(_LABELLED_POD)}
                <= {self._pod_of(n) for n in view.cluster_spiffe_ids if self._is_set(n)}
            ),
        )

    async def play(self) -> None:
        """Change things and see them followed. Raises DemoFailed."""
        view, world = self._view, self._world
        written = [n for n in sorted(view.cluster_spiffe_ids) if not self._pod_of(n)]
        name = written[0]
        before = view.cluster_spiffe_ids[name].status.entry_id
        path = CLUSTER_SPIFFE_ID.path("", name)

        view.heading(f"editing the ttl of ClusterSpiffeId {name}: updated in place")
        await world.client.merge(path, {"spec": {"ttl": _TTL}})
        await self._expect(
            "the entry has the new ttl under its old ID",
            lambda: before in view.entries and view.entries[before].x509_svid_ttl == _TTL,
        )

        view.heading("somebody deletes the entry on the SPIRE server: it comes back")
        await world.delete_entry(before)
        await self._expect("the entry is gone", lambda: before not in view.entries)
        await self._expect("the entry is back", lambda: before in view.entries)

        view.heading(f"editing the SPIFFE ID of {name}: the new entry comes before the old goes")
        spiffe_id = view.cluster_spiffe_ids[name].spec.spiffe_id + "-renamed"
        await world.client.merge(path, {"spec": {"spiffeId": spiffe_id}})
        await self._expect(
            "the new entry is set and the old one gone",
            lambda: (
                before not in view.entries
                and view.cluster_spiffe_ids[name].status.entry_id in view.entries
                and self._is_set(name)
            ),
        )

        view.heading(f"deleting ClusterSpiffeId {name}: its entry goes")
        last = view.cluster_spiffe_ids[name].status.entry_id
        await world.client.delete(path)
        await self._expect(
            "object, SpireEntry and entry are gone",
            lambda: (
                name not in view.cluster_spiffe_ids
                and last not in view.entries
                and all(e.status.entry_id != last for e in view.spire_entries.values())
            ),
        )
        if _MANUAL.id not in view.entries:
            raise DemoFailed("an entry that somebody else made was touched")
        view.table()
        view.heading("everything is as it should be; the entry made by hand was never touched")

    async def _expect(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            await self._view.until(what, condition, _SECONDS)
        except TimeoutError as error:
            raise DemoFailed(str(error)) from error

    def _is_set(self, name: str) -> bool:
        """Whether a ClusterSpiffeId is ready and the SPIRE server holds what it says."""
        obj = self._view.cluster_spiffe_ids[name]
        ready = find_condition(obj.status.conditions, "Ready")
        entry = self._view.entries.get(obj.status.entry_id)
        return (
            ready is not None
            and ready.status == "True"
            and ready.observed_generation == obj.metadata.generation
            and entry is not None
            and f"spiffe://{entry.spiffe_id.trust_domain}{entry.spiffe_id.path}"
            == obj.spec.spiffe_id
        )

    def _pod_of(self, name: str) -> str:
        obj = self._view.cluster_spiffe_ids[name]
        return obj.metadata.annotations.get(POD_NAME_ANNOTATION, "")


def _bundle_of(trust_domain: str) -> Bundle:
    certificate = X509Certificate(asn1=Authority(trust_domain).certificate_der)
    return Bundle(trust_domain=trust_domain, x509_authorities=[certificate])


def name_of(document: JSONObject) -> str:
    """The name of a document."""
    metadata = document["metadata"]
    return str(metadata["name"]) if isinstance(metadata, dict) else ""
