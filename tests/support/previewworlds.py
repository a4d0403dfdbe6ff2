"""A small world for each mode: what is there first, and what changes while no registrar runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from api.codec import JSONObject
from api.kinds import CLUSTER_STATIC_ENTRY, SPIFFE_ID
from api.proto.types_pb2 import Entry
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    DeletionBudget,
    PodIdentity,
    ReconcileMode,
    StaticManifests,
)
from tests.support.controllermanager import Manager
from tests.support.federation import PARTNER
from tests.support.podwebhook import webhook_mode, write_material
from tests.support.setup import Setup

Step = Callable[[Setup, Path], Awaitable[None]]
OWN_NAMESPACE = "spire"
WIDE = DeletionBudget(allow_mass_deletion=True)


async def nothing(setup: Setup, folder: Path) -> None:
    """Leave everything as it is."""


@dataclass(frozen=True)
class World:
    """``settings`` gives the changes to the settings; ``steps`` are what happens in turn."""

    name: str
    settings: Callable[[Path], dict[str, object]]
    steps: tuple[Step, ...]
    also: dict[str, object] = field(default_factory=dict)

    def changes(self, folder: Path) -> dict[str, object]:
        """The changes to the settings."""
        return {"deletion_budget": WIDE, **self.settings(folder), **self.also}


async def _layered(setup: Setup, folder: Path) -> None:
    del folder
    await setup.apply("web")
    await setup.apply("both", dnsNames=["a.test"])
    await setup.create_pod("pod-0", spiffe="own")
    await setup.create_pod("pod-1", spiffe="own")
    await setup.create_pod("plain")


async def _layered_later(setup: Setup, folder: Path) -> None:
    del folder
    await setup.apply("web", dnsNames=["new.test"])
    await setup.client.delete("/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids/both")
    await setup.client.delete("/api/v1/namespaces/default/pods/pod-0?gracePeriodSeconds=0")
    await setup.create_pod("pod-2", spiffe="other")


async def _templates(setup: Setup, folder: Path) -> None:
    del folder
    manager = Manager(setup)
    await manager.node()
    await manager.template("all")
    await manager.template(
        "named",
        spiffeIDTemplate="spiffe://{{ .TrustDomain }}/pod/{{ .PodMeta.Name }}",
        podSelector={"matchLabels": {"app": "web"}},
        dnsNameTemplates=["{{ .PodMeta.Name }}.test"],
        autoPopulateDNSNames=True,
        federatesWith=["partner.test", "nobody.test"],
    )
    await manager.template("broken", spiffeIDTemplate="spiffe://{{ .Nothing }}/x")
    for name, app in (("a", "web"), ("b", "web"), ("c", "api")):
        await manager.pod(name, labels={"app": app})
    await manager.static_entry("one", dnsNames=["one.test"])
    await manager.static_entry("same", spiffeID="spiffe://example.org/static/one")
    await manager.trust_domain("partner", **PARTNER)


async def _templates_later(setup: Setup, folder: Path) -> None:
    del folder
    manager = Manager(setup)
    await manager.template("all", spiffeIDTemplate="spiffe://{{ .TrustDomain }}/{{ .PodMeta.UID }}")
    await manager.template("named", podSelector={"matchLabels": {"app": "web"}}, hint="new")
    await manager.delete_pod("a")
    await manager.pod("d", labels={"app": "web"})
    await manager.static_entry("two")
    await manager.delete(CLUSTER_STATIC_ENTRY, "one")
    url = "https://other.test/bundle"
    await manager.trust_domain("partner", **{**PARTNER, "bundleEndpointURL": url})


async def _pods(setup: Setup, folder: Path) -> None:
    del folder
    manager = Manager(setup)
    await manager.node()
    await manager.pod("a")
    await manager.pod("b")


async def _pods_later(setup: Setup, folder: Path) -> None:
    del folder
    manager = Manager(setup)
    await manager.delete_pod("a")
    await manager.node("node-2")
    await manager.pod("c", node="node-2")


def _spiffe_id(name: str, **spec: object) -> JSONObject:
    return {
        "apiVersion": SPIFFE_ID.api_version,
        "kind": SPIFFE_ID.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "spiffeId": f"spiffe://example.org/{name}",
            "parentId": "spiffe://example.org/spire/server",
            "selector": {"namespace": "default", "podLabel": {"app": name}},
            **spec,  # type: ignore[dict-item]
        },
    }


async def _spiffe_ids(setup: Setup, folder: Path) -> None:
    await Manager(setup).namespace(OWN_NAMESPACE)
    await _pods(setup, folder)
    for name in ("x", "y"):
        await setup.client.apply(_spiffe_id(name))


async def _spiffe_ids_later(setup: Setup, folder: Path) -> None:
    await _pods_later(setup, folder)
    await setup.client.apply(_spiffe_id("x", dnsNames=["x.test"]))
    await setup.client.delete(SPIFFE_ID.path("default", "y"))


def _document(name: str, **spec: str) -> str:
    lines = "".join(f"\n  {key}: {value}" for key, value in spec.items())
    return (
        "apiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\n"
        f"metadata: {{name: {name}}}\nspec:\n  spiffeID: spiffe://example.org/{name}\n"
        f'  parentID: spiffe://example.org/agent\n  selectors: ["unix:uid:0"]{lines}\n'
    )


async def _files(setup: Setup, folder: Path) -> None:
    del setup
    manifests = folder / "manifests"
    manifests.mkdir()
    (manifests / "a.yaml").write_text(_document("one") + "---\n" + _document("two"))


async def _files_later(setup: Setup, folder: Path) -> None:
    del setup
    (folder / "manifests" / "a.yaml").write_text(_document("one", hint="new"))
    (folder / "manifests" / "b.yaml").write_text(_document("three"))


def _webhook(folder: Path) -> dict[str, object]:
    if not (folder / "cert.pem").exists():
        write_material(folder)
    return {
        "workload_registrar": webhook_mode(folder),
        "pods": PodIdentity("service_account"),
    }


LAYERED = World(
    "layered", lambda _: {"pods": PodIdentity("label", "spiffe")}, (_layered, _layered_later)
)
CONTROLLER_MANAGER = World(
    "controller-manager",
    lambda _: {"controller_manager": ControllerManager()},
    (_templates, _templates_later),
)
RECONCILE = World(
    "reconcile",
    lambda _: {
        "workload_registrar": ReconcileMode(),
        "pods": PodIdentity("service_account"),
    },
    (_pods, _pods_later),
)
WORLDS = (
    LAYERED,
    World("layered-without-pods", lambda _: {}, (_layered, _layered_later)),
    CONTROLLER_MANAGER,
    RECONCILE,
    World("webhook", _webhook, (_pods, _pods_later)),
    World(
        "crd",
        lambda _: {"workload_registrar": CRDMode(), "pods": PodIdentity("template")},
        (_spiffe_ids, _spiffe_ids_later),
    ),
    World(
        "crd-without-pods",
        lambda _: {"workload_registrar": CRDMode()},
        (_spiffe_ids, _spiffe_ids_later),
    ),
    World(
        "static",
        lambda folder: {
            "controller_manager": ControllerManager(
                static_manifests=StaticManifests(folder / "manifests")
            ),
            "kubeconfig": None,
        },
        (_files, _files_later),
    ),
)


def of_others(path: str, number: int) -> Entry:
    """An entry that somebody else made, under the key of a static entry of that name."""
    entry = Entry(id=f"foreign-{number}", hint="theirs")
    entry.spiffe_id.trust_domain, entry.spiffe_id.path = "example.org", path
    entry.parent_id.trust_domain, entry.parent_id.path = "example.org", "/agent"
    entry.selectors.add(type="unix", value="uid:0")
    return entry
