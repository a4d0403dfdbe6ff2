"""Every mode has the rights that it needs, and uses each of those that its manifests give it.

Each mode runs with its role alone, through all that makes it call the API server, the rare things
too. What the API server recorded of that is held against the role, both ways.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from api.codec import JSONObject, JSONValue, convert
from api.documents import dump_yaml, load_yaml_documents
from api.kinds import (
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    POD,
    SPIFFE_ID,
    SPIRE_ENTRY,
    Kind,
)
from api.meta import KubeObject
from hack import auditlog
from hack.control_plane import ControlPlane, Identity, service_account
from manager.process import Process
from registrar.settings.load import interpret
from registrar.settings.model import (
    CRDMode,
    ReconcileMode,
    Settings,
)
from tests.support.federation import PARTNER
from tests.support.manifests import CONFIG
from tests.support.podwebhook import webhook_mode, write_material
from tests.support.rights import RECORD, Call, Grant, Recording, grants, of_folder, refused, unused
from tests.support.setup import Setup, eventually, real_setup, until
from tests.support.webhookconfiguration import until_trusted, webhook_configuration
from tests.support.workload import Workload, address

pytestmark = [pytest.mark.real, pytest.mark.slow]

T = TypeVar("T", bound=KubeObject)

DEFAULT = "/ns/default/sa/default"
MANAGER_WEBHOOK, CRD_WEBHOOK = "spire-controller-manager-webhook", "k8s-workload-registrar"


class Plane(NamedTuple):
    """The control plane, and what it records."""

    servers: ControlPlane
    recording: Recording


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane of our own, in which people may not write SpireEntries."""
    folder = tmp_path_factory.mktemp("rights")
    recorded = auditlog.arguments(folder)
    with ControlPlane((), folder / "plane", api_server_arguments=recorded) as servers:
        for name in ("crd", "namespace", "admission-policy"):
            servers.run_kubectl("apply", "-k", str(CONFIG / name))
        servers.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
        # Else the garbage collector would take the records before the registrar does.
        servers.stop_controller_manager()
        yield Plane(servers, Recording(folder))


@pytest.fixture
async def cluster(tmp_path: Path, plane: Plane) -> AsyncIterator[Workload]:
    async with real_setup(tmp_path, plane.servers) as setup:
        cluster = Workload(setup)
        await cluster.node()
        await eventually(lambda: keeps_people_off(cluster))
        yield cluster


async def keeps_people_off(cluster: Workload) -> bool:
    """Whether the admission policy has come into force."""
    by_hand: JSONObject = {
        "apiVersion": SPIRE_ENTRY.api_version,
        "kind": SPIRE_ENTRY.kind,
        "metadata": {"name": "by-hand"},
        "spec": {"spiffeId": "spiffe://a.test/x", "parentId": "spiffe://a.test/y", "selectors": []},
    }
    try:
        await cluster.client.create(f"{SPIRE_ENTRY.path()}?dryRun=All", by_hand)
    except RuntimeError as error:
        return "records of registrars" in str(error)
    return False


class Measure(NamedTuple):
    """A service account with its role alone, and what of that it has used."""

    plane: Plane
    who: Identity
    given: set[Grant]
    begun: int

    def calls(self) -> set[Call]:
        """What it has asked the API server."""
        return self.plane.recording.calls(self.who.user, since=self.begun)

    def unused(self) -> list[str]:
        """The rights that it has not used yet."""
        return unused(self.given - {RECORD}, self.calls())


@contextlib.asynccontextmanager
async def measured(
    plane: Plane, cluster: Workload, documents: Sequence[JSONObject], account: str
) -> AsyncIterator[Measure]:
    """Give a service account its role alone; all of that must have been used at the end."""
    servers, recording = plane
    who = service_account("spire", account)
    given = grants(documents, "spire", account)
    assert RECORD in given
    for namespace in ("spire", "kube-public"):
        servers.run_kubectl("delete", "leases", "--all", f"--namespace={namespace}")
    # What an earlier mode said of a Pod of the same name is not what is waited for.
    servers.run_kubectl("delete", "events", "--all", "--namespace=default")
    text = "---\n".join(map(dump_yaml, documents))
    servers.run_kubectl("apply", "-f", "-", stdin=text)
    try:
        await eventually(lambda: has_all(cluster.setup, who, given))
        measure = Measure(plane, who, given, recording.place())
        yield measure
        assert refused(measure.calls()) == []
        assert measure.unused() == []
    finally:
        servers.run_kubectl("delete", "-f", "-", stdin=text)


async def has_all(setup: Setup, who: Identity, given: set[Grant]) -> bool:
    """Whether the API server has heard of all these rights."""
    for grant in given:
        review = grant.review(who.user, who.groups)
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        status = (await setup.client.create(path, review))["status"]
        assert isinstance(status, dict)
        if not status["allowed"]:
            return False
    return True


def role(folder: str) -> list[JSONObject]:
    """The role of one of the workload registrar's modes, and who has it."""
    text = (CONFIG / f"overlays/workload-registrar/{folder}/role.yaml").read_text("utf-8")
    return [
        each
        for each in load_yaml_documents(text)
        if isinstance(each, dict) and each["kind"] != "Service"
    ]


@contextlib.asynccontextmanager
async def running(
    measure: Measure,
    setup: Setup,
    file: str,
    change: Callable[[str], str] = lambda text: text,
    **changes: object,
) -> AsyncIterator[Process]:
    """Run what a file of the manifests says, but for addresses, until all rights are used."""
    settings = await asyncio.to_thread(shipped, file, change)
    who, election = measure.who, settings.leader_election
    moved = replace(
        settings,
        spire=setup.settings.spire,
        metrics_addr="127.0.0.1:0",
        health_addr=None,
        drift_interval_seconds=setup.settings.drift_interval_seconds,
        kubeconfig=measure.plane.servers.kubeconfig_for(who.user, who.groups),
        leader_election=None if election is None else replace(election, namespace="spire"),
        **changes,  # type: ignore[arg-type]
    )
    everything = {name: getattr(moved, name) for name in Settings.__dataclass_fields__}
    async with setup.registrar(**everything) as process:
        yield process
        # A Lease is renewed only after a while. What is not used in the end is said elsewhere.
        with contextlib.suppress(TimeoutError):
            await until(lambda: not measure.unused())


def shipped(file: str, change: Callable[[str], str] = lambda text: text) -> Settings:
    """What a file of the manifests says, with some change."""
    return interpret(change((CONFIG / file).read_text("utf-8")), path=CONFIG / file)


async def until_counted(setup: Setup, kind: str, name: str) -> None:
    """Wait until an Event on an object was counted on one that was there."""

    async def is_counted() -> bool:
        return any((event.count or 0) > 1 for event in await setup.events(kind, name))

    await eventually(is_counted)


async def until_put_right(cluster: Workload, path: str, wrong: JSONObject) -> None:
    """Change an object's spec; wait until the registrar has changed it back."""

    def differs(document: JSONObject) -> bool:
        spec = document["spec"]
        assert isinstance(spec, dict)
        return all(spec.get(key) != value for key, value in wrong.items())

    assert not differs(await cluster.client.merge(path, {"spec": wrong}))

    async def is_right() -> bool:
        return differs(await cluster.client.get(path))

    await eventually(is_right)


async def until_made(
    cluster: Workload, kind: Kind[T], namespace: str = "", *, but: str = ""
) -> str:
    """Wait until an object was made for the one Pod that there is; gives its path."""
    found: list[str] = []

    async def is_made() -> bool:
        items = (await cluster.client.get(kind.path(namespace)))["items"]
        assert isinstance(items, list)
        keys = [convert(item, kind.type).key for item in items]
        found[:] = [kind.object_path(key) for key in keys if key.name != but]
        return len(found) == 1

    await eventually(is_made)
    return found[0]


async def until_recorded_with(cluster: Workload, path: str, **attributes: object) -> None:
    """Wait until the SpireEntry of a path has these attributes: records follow entries."""

    async def has_them() -> bool:
        spec = (await cluster.until_recorded(path)).spec
        return all(getattr(spec, name) == value for name, value in attributes.items())

    await eventually(has_them)


async def until_recorded_no_more(cluster: Workload, path: str) -> None:
    """Wait until no SpireEntry speaks of a path."""

    async def is_gone() -> bool:
        records = await cluster.setup.spire_entries()
        return all(not record.spec.spiffe_id.endswith(path) for record in records)

    await eventually(is_gone)


async def warn_twice(cluster: Workload, pod: str) -> None:
    """Let a Pod be wrong, wait for a trust domain, and be wrong as before."""
    annotation = "spiffe.io/federatesWith"
    await cluster.annotate(pod, {annotation: "?"})
    await cluster.until_event(POD.kind, pod, "InvalidFederation")
    await cluster.annotate(pod, {annotation: "partner.test"})
    await cluster.until_event(POD.kind, pod, "FederationPending", "partner.test")
    await cluster.annotate(pod, {annotation: "?"})
    await until_counted(cluster.setup, POD.kind, pod)


async def test_the_layered_mode(plane: Plane, cluster: Workload) -> None:
    setup = cluster.setup
    async with measured(plane, cluster, of_folder("rbac"), "spire-registrar") as measure:
        file = "manager/spire-k8s-registrar.conf"
        async with running(
            measure, cluster.setup, file, lambda text: text.replace("= false", "= true")
        ):
            await cluster.pod("web-1")
            await cluster.until_entry(DEFAULT)
            for trust_domain, status in (("other", "False"), ("example", "True")) * 2:
                spiffe_id = f"spiffe://{trust_domain}.org/web"
                await setup.apply("web", spiffeId=spiffe_id)
                await setup.until_ready("web", status)
            await until_counted(setup, CLUSTER_SPIFFE_ID.kind, "web")
            await setup.apply("web", ttl=77)
            await until(lambda: [e.x509_svid_ttl for e in setup.entries("/web")] == [77])
            path = await until_made(cluster, CLUSTER_SPIFFE_ID, but="web")
            await until_put_right(cluster, path, {"ttl": 77})
            await cluster.delete_pod("web-1")
            await until_recorded_no_more(cluster, DEFAULT)


async def test_the_controller_managers_mode(plane: Plane, cluster: Workload) -> None:
    documents = of_folder("overlays/controller-manager/rbac")
    await webhook_configuration(cluster.client, MANAGER_WEBHOOK)
    async with measured(plane, cluster, documents, "spire-controller-manager") as measure:
        file = "overlays/controller-manager/apart/spire-controller-manager-config.yaml"
        async with running(
            measure, cluster.setup, file, lambda text: text.replace("port: 9443", "host: 127.0.0.1")
        ):
            await cluster.endpoints("web", address("web-1", "10.0.0.7"))
            await cluster.pod("web-1")
            good = {"spiffeIDTemplate": "/{{ .Owner.Name }}", "autoPopulateDNSNames": True}
            await cluster.template("all", **good)
            await cluster.until_stats("all", entries_to_set=1, pods_selected=1)
            for template in ("/{{ .Nothing }}", "/{{ .Owner.Name }}") * 2:
                await cluster.template("all", **{**good, "spiffeIDTemplate": template})
                words = "Nothing" if "Nothing" in template else ""
                await cluster.until_condition("all", "Ready", words)
            await until_counted(cluster.setup, CLUSTER_SPIFFEID.kind, "all")
            await cluster.static_entry("one")
            await cluster.until_recorded("/static/one")
            await cluster.static_entry("one", hint="another")
            await until_recorded_with(cluster, "/static/one", hint="another")
            await cluster.trust_domain("partner", **PARTNER)
            await until_trusted(cluster.client, MANAGER_WEBHOOK)
            await cluster.client.delete("/apis/spire.spiffe.io/v1alpha1/clusterstaticentries/one")
            await until_recorded_no_more(cluster, "/static/one")


async def test_crd_mode(plane: Plane, cluster: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    await webhook_configuration(cluster.client, CRD_WEBHOOK)
    async with measured(plane, cluster, role("crd"), "spire-server") as measure:
        file = "overlays/workload-registrar/crd/k8s-workload-registrar.conf"
        config = shipped(file).workload_registrar
        assert isinstance(config, CRDMode)
        assert config.webhook is not None
        webhook = replace(config.webhook, host="127.0.0.1", port=0)
        async with running(
            measure, cluster.setup, file, workload_registrar=replace(config, webhook=webhook)
        ):
            await cluster.pod("web-1")
            await cluster.until_entry(DEFAULT)
            path = await until_made(cluster, SPIFFE_ID, "default")
            await until_put_right(cluster, path, {"dnsNames": ["wrong.test"]})
            for namespace in ("kube-system", "default") * 2:
                await cluster.client.apply(spiffe_id(namespace))
                await until_ready(cluster, "one", is_ready=namespace == "default")
            await until_counted(cluster.setup, SPIFFE_ID.kind, "one")
            await cluster.client.apply(spiffe_id("default", dnsNames=["one.test"]))

            await until_recorded_with(cluster, "/one", dns_names=("one.test",))
            await until_trusted(cluster.client, CRD_WEBHOOK)
            await cluster.delete_pod("web-1")
            await until_recorded_no_more(cluster, DEFAULT)


def spiffe_id(selected: str, **more: JSONValue) -> JSONObject:
    """A SpiffeID for Pods of a namespace."""
    return {
        "apiVersion": SPIFFE_ID.api_version,
        "kind": SPIFFE_ID.kind,
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {
            "spiffeId": "spiffe://example.org/one",
            "parentId": "spiffe://example.org/spire/server",
            "selector": {"namespace": selected},
            **more,
        },
    }


async def until_ready(cluster: Workload, name: str, *, is_ready: bool) -> None:
    """Wait until a SpiffeID's Ready condition speaks of its generation."""

    async def is_right() -> bool:
        obj = await cluster.client.get(SPIFFE_ID.path("default", name))
        metadata, status = obj["metadata"], obj.get("status") or {}
        assert isinstance(metadata, dict)
        assert isinstance(status, dict)
        conditions = status.get("conditions") or []
        assert isinstance(conditions, list)
        wanted = {
            "type": "Ready",
            "status": str(is_ready),
            "observedGeneration": metadata["generation"],
        }
        return any(isinstance(c, dict) and wanted.items() <= c.items() for c in conditions)

    await eventually(is_right)


async def test_reconcile_mode(plane: Plane, cluster: Workload) -> None:
    async with measured(plane, cluster, role("reconcile"), "spire-server") as measure:
        file = "overlays/workload-registrar/reconcile/k8s-workload-registrar.conf"
        async with running(
            measure, cluster.setup, file, workload_registrar=ReconcileMode(dns_zone="cluster.local")
        ):
            await cluster.pod("web-1")
            await cluster.until_recorded(DEFAULT)
            await warn_twice(cluster, "web-1")
            await cluster.delete_pod("web-1")
            await until_recorded_no_more(cluster, DEFAULT)


async def test_webhook_mode(plane: Plane, cluster: Workload, tmp_path: Path) -> None:
    write_material(tmp_path)
    async with measured(plane, cluster, role("webhook"), "spire-server") as measure:
        file = "overlays/workload-registrar/webhook/k8s-workload-registrar.conf"
        async with running(measure, cluster.setup, file, workload_registrar=webhook_mode(tmp_path)):
            await cluster.pod("web-1")
            await cluster.until_recorded(DEFAULT)
            await warn_twice(cluster, "web-1")
            await cluster.delete_pod("web-1")
            await until_recorded_no_more(cluster, DEFAULT)
