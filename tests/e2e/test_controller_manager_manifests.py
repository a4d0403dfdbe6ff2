"""The controller manager's mode works with just the rights that its manifests give."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.kinds import CLUSTER_SPIFFEID
from hack.control_plane import ControlPlane
from registrar.settings.load import load
from registrar.settings.model import Settings, Webhooks
from tests.support.controllermanager import Manager
from tests.support.federation import PARTNER, document, seed
from tests.support.federationstory import Story
from tests.support.setup import eventually, real_setup, until

pytestmark = [pytest.mark.real, pytest.mark.slow]

OVERLAY = Path(__file__).resolve().parents[2] / "config/overlays/controller-manager"
USER = "system:serviceaccount:spire:spire-controller-manager"
FEDERATION_RECORD = "/api/v1/namespaces/spire/configmaps/spire-registrar-federation"
WEBHOOK = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    "/spire-controller-manager-webhook"
)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane((), tmp_path) as plane:
        plane.run_kubectl("apply", "-k", str(OVERLAY / "apart"))
        yield plane


@pytest.fixture
def settings(deployed: ControlPlane) -> Settings:
    """The configuration of the manifests, with the rights of their service account."""
    configured = load(OVERLAY / "apart/spire-controller-manager-config.yaml")
    return replace(configured, kubeconfig=deployed.kubeconfig_for(USER))


@pytest.fixture
async def manager(tmp_path: Path, deployed: ControlPlane) -> AsyncIterator[Manager]:
    """The control plane and an embedded SPIRE server, as an administrator sees them."""
    async with real_setup(tmp_path, deployed) as setup:
        yield Manager(setup)


PARTNERS_ROLE: list[JSONObject] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"namespace": "partners", "name": "bundle"},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": ["bundle"],
                "verbs": ["get", "list", "watch"],
            }
        ],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"namespace": "partners", "name": "bundle"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "bundle",
        },
        "subjects": [{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}],
    },
]


async def test_a_bundle_source_takes_a_role_for_that_one_configmap(
    manager: Manager, settings: Settings
) -> None:
    story = Story(manager.setup)
    assert settings.controller_manager is not None
    assert settings.leader_election is not None
    await story.namespace("partners")
    await story.publish(document(seed("published")))
    async with manager.setup.registrar(
        kubeconfig=settings.kubeconfig,
        controller_manager=replace(settings.controller_manager, webhooks=None),
        leader_election=replace(settings.leader_election, namespace="spire"),
    ):
        await story.from_configmap()
        ready = await story.until_ready("BundleSourceForbidden")
        assert "configmaps of the name bundle" in ready.message
        for each in PARTNERS_ROLE:
            await manager.client.apply(each)
        await story.until_ready("Set")
        assert story.held.keys() == ["published"]
        await story.unpublish()
        await story.until_condition_is("BundleSourceRead", "BundleSourceMissing")


async def test_the_rights_of_the_manifests_are_enough(manager: Manager, settings: Settings) -> None:
    node = await manager.node()
    assert settings.controller_manager is not None
    assert settings.leader_election is not None
    async with manager.setup.registrar(
        kubeconfig=settings.kubeconfig,
        controller_manager=replace(
            settings.controller_manager, webhooks=Webhooks(host="127.0.0.1", port=0)
        ),
        leader_election=replace(settings.leader_election, namespace="spire"),
    ):
        await manager.template(
            "all",
            spiffeIDTemplate="/{{ .Owner.Kind }}/{{ .Owner.Name }}",
            autoPopulateDNSNames=True,
        )
        await manager.static_entry("one")
        await manager.trust_domain("partner", **PARTNER)
        uid = await replica_set(manager)
        await service_of(manager, "web-1")
        await manager.pod(
            "web-1",
            owner={
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web",
                "uid": uid,
                "controller": True,
            },
        )
        await manager.until_paths("/ReplicaSet/web", "/static/one")

        async def is_recorded() -> bool:
            return "partner.test" in str(await manager.client.get(FEDERATION_RECORD))

        await eventually(is_recorded)

        def has_names() -> bool:
            (entry,) = manager.setup.entries("/ReplicaSet/web")
            return "web.default.svc.cluster.local" in entry.dns_names

        await until(has_names)
        (entry,) = manager.setup.entries("/ReplicaSet/web")
        assert entry.parent_id.path.endswith(node)
        await manager.until_stats("all", entries_to_set=1, pods_selected=1)
        await eventually(lambda: has_event(manager))
        await eventually(lambda: has_records(manager, 2))
        await eventually(lambda: has_bundles(manager))


async def test_without_the_right_to_a_record_it_federates_and_says_what_is_missing(
    manager: Manager,
    settings: Settings,
    deployed: ControlPlane,
    caplog: pytest.LogCaptureFixture,
) -> None:
    role = deployed.run_kubectl("get", "role", "leader-election-role", "-n", "spire", "-o", "json")
    rules = [rule for rule in json.loads(role)["rules"] if rule["resources"] != ["configmaps"]]
    assert settings.leader_election is not None
    assert settings.controller_manager is not None
    await asyncio.to_thread(
        deployed.run_kubectl,
        *("patch", "role", "leader-election-role", "-n", "spire", "--type=merge"),
        *("-p", json.dumps({"rules": rules})),
    )
    async with manager.setup.registrar(
        kubeconfig=settings.kubeconfig,
        controller_manager=replace(settings.controller_manager, webhooks=None),
        leader_election=replace(settings.leader_election, namespace="spire"),
    ):
        for name in ("a", "b"):
            await manager.trust_domain(name, **{**PARTNER, "trustDomain": f"{name}.test"})
        await until(lambda: len(manager.spire.state.relationships) == 2)

        async def is_owned() -> bool:
            return (await manager.get_trust_domain("b")).status.owned

        await eventually(is_owned)
    (said,) = [r for r in caplog.records if "cannot be recorded" in r.getMessage()]
    assert "create on configmaps" in said.getMessage()


async def replica_set(manager: Manager) -> str:
    """Create a ReplicaSet that makes no Pods; gives its uid."""
    labels: JSONObject = {"app": "web"}
    document = await manager.client.create(
        "/apis/apps/v1/namespaces/default/replicasets",
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
                },
            },
        },
    )
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])


async def service_of(manager: Manager, pod: str) -> None:
    """Create what the cluster makes for a Service ``web`` in front of the Pod."""
    await manager.client.create(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.1"], "targetRef": {"kind": "Pod", "name": pod}}],
        },
    )


async def has_event(manager: Manager) -> bool:
    """Whether an Event on the template says that its entries are set."""
    events = await manager.setup.events(CLUSTER_SPIFFEID.kind, "all")
    return "EntriesSet" in {event.reason for event in events}


async def has_records(manager: Manager, number: int) -> bool:
    """Whether so many SpireEntries are there."""
    return len(await manager.setup.spire_entries()) == number


async def has_bundles(manager: Manager) -> bool:
    """Whether every webhook of the configuration has its caBundle."""
    configuration = await manager.client.get(WEBHOOK)
    webhooks = configuration["webhooks"]
    assert isinstance(webhooks, list)
    return all(
        isinstance(webhook, dict)
        and isinstance(config := webhook["clientConfig"], dict)
        and bool(config.get("caBundle"))
        for webhook in webhooks
    )
