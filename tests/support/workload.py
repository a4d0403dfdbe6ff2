"""The workload registrar's modes in tests: their objects, made and looked at."""

from api.codec import JSONObject
from api.proto.types_pb2 import Entry
from api.spiffeid.v1beta1.spireentry import SpireEntry
from devcluster.kubeapi.faults import Faults
from tests.support.controllermanager import NODE, Manager
from tests.support.setup import eventually, until


class Workload(Manager):
    """A Setup with the words of the workload registrar."""

    @property
    def faults(self) -> Faults:
        """The switches of the embedded API server."""
        assert self.setup.embedded is not None
        return self.setup.embedded.faults

    def entry(self, path: str) -> Entry | None:
        """The entry of a SPIFFE ID's path, aliases included."""
        found = [e for e in self.setup.all_entries() if e.spiffe_id.path == path]
        assert len(found) < 2, found
        return found[0] if found else None

    async def until_entry(self, path: str, **shape: object) -> Entry:
        """Wait for the entry of a path with that ``parent`` path, ``selectors``, ``dns_names``…"""

        def is_right() -> bool:
            # While one replaces the other there may be two.
            found = self.setup.entries(path)
            return len(found) == 1 and _shape(found[0]).items() >= shape.items()

        try:
            await until(is_right)
        except TimeoutError:
            raise AssertionError(
                f"{path}: {[_shape(e) for e in self.setup.entries(path)]}, not {shape}; "
                f"entries: {[e.spiffe_id.path for e in self.setup.all_entries()]}"
            ) from None
        found = self.entry(path)
        assert found is not None
        return found

    async def until_gone(self, path: str) -> None:
        """Wait until no entry has that path."""
        await until(lambda: not self.setup.entries(path))

    async def until_recorded(self, path: str) -> SpireEntry:
        """Wait for the SpireEntry of a path, set."""
        found: list[SpireEntry] = []

        async def is_recorded() -> bool:
            records = await self.setup.spire_entries()
            found[:] = [r for r in records if r.spec.spiffe_id == f"spiffe://example.org{path}"]
            return bool(found) and bool(found[0].status.entry_id)

        await eventually(is_recorded)
        return found[0]

    async def until_event(self, kind: str, name: str, reason: str, text: str = "") -> None:
        """Wait for an Event with that reason, and that text in its message."""

        async def is_there() -> bool:
            events = await self.setup.events(kind, name)
            return any(e.reason == reason and text in e.message for e in events)

        await eventually(is_there)

    async def label(self, name: str, namespace: str = "default", **labels: str | None) -> None:
        """Change labels of a Pod; None takes one away."""
        await self._patch(name, namespace, {"metadata": {"labels": dict(labels)}})

    async def annotate(
        self, name: str, annotations: dict[str, str | None], namespace: str = "default"
    ) -> None:
        """Change annotations of a Pod; None takes one away."""
        await self._patch(name, namespace, {"metadata": {"annotations": {**annotations}}})

    async def give_address(self, name: str, ip: str, namespace: str = "default") -> None:
        """Let a Pod have an address, as its kubelet would."""
        await self.client.merge(
            f"/api/v1/namespaces/{namespace}/pods/{name}/status",
            {"status": {"podIP": ip, "podIPs": [{"ip": ip}]}},
        )

    async def endpoints(
        self, service: str, *pods: JSONObject, not_ready: tuple[JSONObject, ...] = ()
    ) -> None:
        """Apply the EndpointSlice of a service in the default namespace; see ``address``."""
        endpoints = [
            {**pod, "conditions": {"ready": is_ready}}
            for is_ready, group in ((True, pods), (False, not_ready))
            for pod in group
        ]
        await self.client.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{service}-1",
                    "namespace": "default",
                    "labels": {"kubernetes.io/service-name": service},
                },
                "addressType": "IPv4",
                "endpoints": endpoints,  # type: ignore[dict-item]
                "ports": [],
            }
        )

    async def delete_node(self, name: str = NODE) -> None:
        """Delete a Node."""
        await self.client.delete(f"/api/v1/nodes/{name}")

    async def _patch(self, name: str, namespace: str, patch: JSONObject) -> None:
        await self.client.merge(f"/api/v1/namespaces/{namespace}/pods/{name}", patch)


def address(pod: str, ip: str, hostname: str = "") -> JSONObject:
    """One endpoint of an EndpointSlice."""
    endpoint: JSONObject = {
        "addresses": [ip],
        "targetRef": {"kind": "Pod", "namespace": "default", "name": pod},
    }
    if hostname:
        endpoint["hostname"] = hostname
    return endpoint


def _shape(entry: Entry) -> dict[str, object]:
    return {
        "parent": entry.parent_id.path,
        "selectors": sorted(f"{s.type}:{s.value}" for s in entry.selectors),
        "dns_names": list(entry.dns_names),
        "federates_with": list(entry.federates_with),
        "downstream": entry.downstream,
    }
