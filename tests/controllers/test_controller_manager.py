"""Static entries, federation, and moving over from the original."""

import asyncio
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from api.codec import JSONObject, encode
from api.crd import CUSTOM_KINDS, crd
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIRE_ENTRY,
)
from api.meta import Condition, find_condition
from api.proto import types_pb2
from registrar.settings.model import CachedNamespace, Webhooks
from tests.support.controllermanager import NODE, Manager
from tests.support.cputime import soon
from tests.support.entries import spire_entry
from tests.support.setup import Setup, embedded_setup, eventually, some_looks, until

DEFAULT = "/ns/default/sa/default"
PARTNER = {
    "trustDomain": "partner.test",
    "bundleEndpointURL": "https://partner.test/bundle",
    "bundleEndpointProfile": {"type": "https_web"},
}


@pytest.fixture
async def manager(setup: Setup) -> Manager:
    return Manager(setup)


@pytest.fixture
async def alone(embedded: Setup) -> Manager:
    """With embedded servers only, whose kinds a test may change."""
    return Manager(embedded)


def ready(conditions: Sequence[Condition]) -> tuple[str, str]:
    found = find_condition(tuple(conditions), "Ready")
    return ("", "") if found is None else (found.status, found.reason)


async def until_static(manager: Manager, name: str, **flags: bool) -> None:
    async def is_so() -> bool:
        status = (await manager.get_static_entry(name)).status
        return all(bool(getattr(status, flag)) is value for flag, value in flags.items())

    await eventually(is_so)


@pytest.mark.story
async def test_a_static_entry_is_set_and_its_status_stays_true_over_a_restart(
    manager: Manager,
) -> None:
    async with manager.running():
        await manager.static_entry(
            "one", dnsNames=["a.test"], x509SVIDTTL="1h", hint="h", downstream=True
        )
        (entry,) = await manager.until_paths("/static/one")
        assert ([*entry.dns_names], entry.x509_svid_ttl, entry.hint) == (["a.test"], 3600, "h")
        assert entry.downstream
        await until_static(manager, "one", rendered=True, masked=False, set=True)
    version = (await manager.get_static_entry("one")).metadata.resource_version
    async with manager.running():
        await until_static(manager, "one", rendered=True, masked=False, set=True)
        await manager.static_entry("two", spiffeID="/path/only", parentID="/agent")
        await manager.until_paths("/path/only", "/static/one")
    assert (await manager.get_static_entry("one")).metadata.resource_version == version


async def test_a_wrong_static_entry_keeps_what_it_had_and_says_what_is_wrong(
    manager: Manager,
) -> None:
    async with manager.running():
        await manager.static_entry("one")
        await manager.until_paths("/static/one")
        await manager.static_entry("one", spiffeID="spiffe://other.test/x")

        async def is_said() -> bool:
            status = (await manager.get_static_entry("one")).status
            return ready(status.conditions) == ("False", "InvalidSpec")

        await eventually(is_said)
        await until_static(manager, "one", rendered=False)
        assert manager.paths() == ["/static/one"]
        await manager.delete(CLUSTER_STATIC_ENTRY, "one")
        await manager.until_paths()


async def test_the_younger_of_two_static_entries_is_masked(manager: Manager) -> None:
    async with manager.running():
        made = [
            await manager.static_entry(name, spiffeID="/same", hint=name) for name in ("a", "b")
        ]
        made.sort(key=lambda obj: (obj.metadata.creation_timestamp or "", obj.metadata.uid))
        old, young = (obj.metadata.name for obj in made)
        await until_static(manager, old, masked=False, set=True)
        await until_static(manager, young, masked=True, set=False)
        await manager.delete(CLUSTER_STATIC_ENTRY, old)
        await until_static(manager, young, masked=False, set=True)
        await until(lambda: [e.hint for e in manager.setup.entries()] == [young])


async def test_a_relationship_that_we_made_goes_with_its_object(manager: Manager) -> None:
    state = manager.spire.state
    async with manager.running():
        await manager.trust_domain("partner", **PARTNER)
        await until(lambda: "partner.test" in state.relationships)
        await manager.trust_domain(
            "partner", **{**PARTNER, "bundleEndpointURL": "https://other.test/b"}
        )
        await until(
            lambda: (
                state.relationships["partner.test"].bundle_endpoint_url == "https://other.test/b"
            )
        )

        async def is_owned() -> bool:
            status = (await manager.get_trust_domain("partner")).status
            return status.owned and ready(status.conditions) == ("True", "Set")

        await eventually(is_owned)
    async with manager.running():
        await manager.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, "partner")
        await until(lambda: not state.relationships)


@pytest.mark.parametrize("url", ["HTTPS://partner.test/bundle", "https://partner.test/a b#"])
async def test_an_endpoint_that_the_server_spells_otherwise_is_set_once(
    alone: Manager, url: str
) -> None:
    async with alone.running():
        await alone.trust_domain("partner", **{**PARTNER, "bundleEndpointURL": url})
        await until(lambda: "partner.test" in alone.spire.state.relationships)
        listed = alone.spire.calls["ListFederationRelationships"]
        await until(lambda: alone.spire.calls["ListFederationRelationships"] >= listed + 3)
        assert alone.spire.calls["BatchUpdateFederationRelationship"] == 0


async def test_a_relationship_that_somebody_else_made_is_kept(manager: Manager) -> None:
    relationship = types_pb2.FederationRelationship(
        trust_domain="partner.test", bundle_endpoint_url="https://old.test/b"
    )
    relationship.https_web.SetInParent()
    manager.spire.state.relationships["partner.test"] = relationship
    async with manager.running():
        await manager.trust_domain("partner", **PARTNER)
        await until(
            lambda: (
                manager.spire.state.relationships["partner.test"].bundle_endpoint_url
                == PARTNER["bundleEndpointURL"]
            )
        )

        async def is_adopted() -> bool:
            status = (await manager.get_trust_domain("partner")).status
            return ready(status.conditions) == ("True", "Adopted")

        await eventually(is_adopted)
        await manager.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, "partner")
        await manager.trust_domain("last", **{**PARTNER, "trustDomain": "last.test"})
        await until(lambda: "last.test" in manager.spire.state.relationships)
        await some_looks(manager.setup)
        assert "partner.test" in manager.spire.state.relationships


async def test_a_pod_federates_as_soon_as_the_bundle_is_there(manager: Manager) -> None:
    await manager.node()
    async with manager.running():
        await manager.template("all", federatesWith=["partner.test"])
        await manager.pod("a")
        await manager.until_paths(DEFAULT)
        await manager.trust_domain("partner", **PARTNER)
        await until(lambda: "partner.test" in manager.spire.state.relationships)
        bundle = types_pb2.Bundle(trust_domain="partner.test")
        manager.spire.endpoints.show("https://partner.test/bundle", bundle)
        await until(lambda: [*manager.setup.entries()[0].federates_with] == ["partner.test"])

        async def is_complete() -> bool:
            status = (await manager.get_template("all")).status
            return find_condition(status.conditions, "FederationPending") is None

        await eventually(is_complete)


async def test_of_two_objects_for_one_trust_domain_the_younger_says_so(manager: Manager) -> None:
    async with manager.running():
        made = [
            await manager.trust_domain(name, **{**PARTNER, "bundleEndpointURL": f"https://{name}/"})
            for name in ("a", "b")
        ]
        made.sort(key=lambda obj: (obj.metadata.creation_timestamp or "", obj.metadata.uid))
        old, young = (obj.metadata.name for obj in made)

        async def is_told() -> bool:
            status = (await manager.get_trust_domain(young)).status
            return ready(status.conditions) == ("False", "Conflict")

        await eventually(is_told)
        state = manager.spire.state
        await until(
            lambda: state.relationships["partner.test"].bundle_endpoint_url == f"https://{old}/"
        )
        await manager.delete(CLUSTER_FEDERATED_TRUST_DOMAIN, old)
        await until(
            lambda: state.relationships["partner.test"].bundle_endpoint_url == f"https://{young}/"
        )


async def test_entries_of_the_original_are_adopted_in_place(manager: Manager) -> None:
    node_uid = await manager.node()
    uid = await manager.pod("a")
    made = manager.spire.state.put(
        spire_entry(
            "8e4e2f5e-0000-4000-8000-000000000001",
            DEFAULT,
            parent=f"/spire/agent/k8s_psat/test/{node_uid}",
            selectors=[f"k8s:pod-uid:{uid}"],
        )
    )
    manual = manager.spire.state.put(
        spire_entry("manual", "/manual", parent="/agent", selectors=["unix:uid:1"])
    )
    async with manager.running():
        await manager.template("all", hint="ours")
        await until(lambda: any(e.hint == "ours" for e in manager.setup.entries()))
        assert {e.id for e in manager.setup.entries()} == {made.id, manual.id}
        await manager.delete_pod("a")
        await manager.until_paths("/manual")


async def test_what_the_original_left_under_our_prefix_is_removed(manager: Manager) -> None:
    state = manager.spire.state
    for id_, path in (
        ("one.8e4e2f5e-0000-4000-8000-000000000001", "/gone"),
        ("two.8e4e2f5e-0000-4000-8000-000000000001", "/other"),
        ("8e4e2f5e-0000-4000-8000-000000000002", "/unprefixed"),
    ):
        state.put(spire_entry(id_, path, parent="/agent", selectors=["unix:uid:1"]))
    async with manager.running(settings_entry_id_prefix="one"):
        await manager.until_paths("/other", "/unprefixed")
    async with manager.running(settings_entry_id_prefix="one", entry_id_prefix_cleanup=""):
        await manager.until_paths("/other")
    async with manager.running(settings_entry_id_prefix="one", entry_id_prefix_cleanup="two"):
        await manager.until_paths()


async def test_it_works_without_records_and_with_the_originals_kinds(alone: Manager) -> None:
    """The image is swapped and nothing else: no SpireEntry, and statuses are pruned."""
    await alone.client.delete(f"{_CRDS}/{SPIRE_ENTRY.resource}")
    for custom in CUSTOM_KINDS:
        if custom.kind.group == "spire.spiffe.io":
            await alone.client.apply(_pruning(crd(custom)))
    await alone.node()
    async with alone.running():
        await alone.template("all", spiffeIDTemplate="/p/{{ .PodMeta.Name }}")
        await alone.static_entry("one")
        await alone.pod("a")
        await alone.until_paths("/p/a", "/static/one")
        await alone.until_stats("all", entries_to_set=1)
        await until_static(alone, "one", set=True)
        versions = [
            (await alone.get_template("all")).metadata.resource_version,
            (await alone.get_static_entry("one")).metadata.resource_version,
        ]
        await alone.delete_pod("a")
        await alone.until_paths("/static/one")
        await alone.until_stats("all", entries_to_set=0)
        assert versions[1] == (await alone.get_static_entry("one")).metadata.resource_version
    async with alone.running():
        await alone.pod("b")
        await alone.until_paths("/p/b", "/static/one")


_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _pruning(document: JSONObject) -> JSONObject:
    """The CRD as the original has it: without what we add to statuses."""
    spec = document["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    for version in versions:
        assert isinstance(version, dict)
        schema = version["schema"]["openAPIV3Schema"]  # type: ignore[index, call-overload]
        properties = schema["properties"]["status"]["properties"]  # type: ignore[index, call-overload]
        for name in ("conditions", "observedGeneration", "owned"):
            assert isinstance(properties, dict)
            properties.pop(name, None)
    return document


async def test_a_start_with_services_to_read_warns_of_nothing(
    alone: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    await alone.node()
    await alone.template("all", autoPopulateDNSNames=True)
    await alone.pod("a")
    async with alone.running():
        await alone.until_paths(DEFAULT)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.story
async def test_services_that_name_a_pod_give_it_dns_names(manager: Manager) -> None:
    await manager.node()
    async with manager.running():
        await manager.template("all", autoPopulateDNSNames=True, dnsNameTemplates=["x.test"])
        uid = await manager.pod("a")
        await manager.until_paths(DEFAULT)
        await manager.client.create(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4",
                "endpoints": [
                    {
                        "addresses": ["10.1.2.3"],
                        "conditions": {"ready": False},
                        "targetRef": {
                            "kind": "Pod",
                            "name": "a",
                            "namespace": "default",
                            "uid": uid,
                        },
                    }
                ],
            },
        )
        names = ["x.test", "web", "web.default", "web.default.svc", "web.default.svc.cluster.local"]
        await until(lambda: [*manager.setup.entries()[0].dns_names] == names)
        await manager.client.delete(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1"
        )
        await until(lambda: [*manager.setup.entries()[0].dns_names] == ["x.test"])


def _owner(kind: str, name: str, uid: str) -> JSONObject:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}


async def _workload(
    manager: Manager, kind: str, plural: str, name: str, owner: tuple[str, str, str] | None = None
) -> str:
    """Create a Deployment or ReplicaSet without Pods of its own; gives its uid."""
    metadata: JSONObject = {"name": name}
    if owner is not None:
        metadata["ownerReferences"] = [_owner(*owner)]
    labels: JSONObject = {"app": name}
    document = await manager.client.create(
        f"/apis/apps/v1/namespaces/default/{plural}",
        {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "m", "image": "i"}]},
                },
            },
        },
    )
    made = document["metadata"]
    assert isinstance(made, dict)
    return str(made["uid"])


async def test_a_template_sees_the_owner_at_the_end_of_the_chain(manager: Manager) -> None:
    await manager.node()
    async with manager.running():
        await manager.template(
            "all", spiffeIDTemplate="/{{ .Owner.Kind }}/{{ .Owner.Name }}/{{ .PodMeta.Name }}"
        )
        await manager.pod("alone")
        await manager.until_paths("/Pod/alone/alone")
        deployment = await _workload(manager, "Deployment", "deployments", "web")
        replica_set = await _workload(
            manager, "ReplicaSet", "replicasets", "web-1", owner=("Deployment", "web", deployment)
        )
        await manager.pod(
            "owned",
            owner=_owner("ReplicaSet", "web-1", replica_set),
        )
        await manager.until_paths("/Deployment/web/owned", "/Pod/alone/alone")


async def test_only_the_namespaces_that_are_read_have_entries(manager: Manager) -> None:
    await manager.node()
    await manager.namespace("shop")
    async with manager.running(cache_namespaces=(CachedNamespace("shop"),)):
        await manager.template("all")
        await manager.pod("a")
        await manager.pod("b", namespace="shop")
        await manager.until_paths("/ns/shop/sa/default")
        await manager.until_stats("all", pods_selected=1)


async def test_a_namespace_is_read_within_its_selectors(manager: Manager) -> None:
    await manager.node()
    await manager.node("node-2")
    await manager.namespace("shop")
    shop = CachedNamespace("shop", "team=a", "spec.nodeName=node-1")
    rest = CachedNamespace("", "", "metadata.namespace!=shop")
    async with manager.running(cache_namespaces=(shop, rest)):
        await manager.template(
            "all",
            spiffeIDTemplate="/{{ .PodMeta.Namespace }}/{{ .PodMeta.Name }}",
            autoPopulateDNSNames=True,
        )
        await manager.pod("in", namespace="shop", labels={"team": "a"})
        await manager.pod("label", namespace="shop", labels={"team": "b"})
        await manager.pod("field", namespace="shop", node="node-2", labels={"team": "a"})
        await manager.pod("other")
        await manager.until_paths("/default/other", "/shop/in")
        await manager.until_stats("all", pods_selected=2)


async def test_a_node_that_changes_renders_its_pods_anew(manager: Manager) -> None:
    await manager.node(NODE, zone="a")
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/zone/{{ .NodeMeta.Labels.zone }}")
        await manager.pod("a")
        await manager.until_paths("/zone/a")
        await manager.node(NODE, zone="b")
        await manager.until_paths("/zone/b")


async def test_entries_outlive_a_restart_while_what_they_are_made_of_is_being_read(
    alone: Manager,
) -> None:
    await alone.node()
    async with alone.running():
        await alone.template("all", autoPopulateDNSNames=True)
        await alone.pod("a")
        await alone.until_paths(DEFAULT)
    before = {entry.id for entry in alone.setup.entries()}
    writes = dict(alone.spire.writes)
    async with alone.running():
        await alone.until_stats("all", entries_to_set=1)
        await some_looks(alone.setup)
        assert {entry.id for entry in alone.setup.entries()} == before
    assert dict(alone.spire.writes) == writes


async def test_entries_outlive_a_restart_while_the_owner_is_not_known(alone: Manager) -> None:
    await alone.node()
    async with alone.running():
        await alone.template("all", spiffeIDTemplate="/{{ .PodMeta.Name }}")
        await alone.pod("a", owner=_owner("ReplicaSet", "gone", "nobody"))
        await alone.until_paths("/a")
    await alone.template("all", spiffeIDTemplate="/{{ .Owner.Name }}/{{ .PodMeta.Name }}")
    async with alone.running():
        await alone.until_stats("all", pod_entry_render_failures=1)
        assert alone.paths() == ["/a"]


async def test_two_clusters_share_a_spire_server_and_leave_each_other_alone(
    embedded: Setup, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    one = Manager(embedded)
    async with embedded_setup(folder) as other_setup:
        # The second cluster has a SPIRE server of its own that nobody uses.
        other_setup.settings = replace(other_setup.settings, spire=embedded.settings.spire)
        other_setup.spire_server = embedded.spire
        two = Manager(other_setup)
        for manager, name in ((one, "one"), (two, "two")):
            await manager.node()
            await manager.template("all", spiffeIDTemplate=f"/{name}/{{{{ .PodMeta.Name }}}}")
        async with (
            one.running(settings_cluster="one", settings_entry_id_prefix="one"),
            two.running(settings_cluster="two", settings_entry_id_prefix="two"),
        ):
            await one.pod("a")
            await two.pod("b")
            await one.until_paths("/one/a", "/two/b")
            await one.pod("c")
            await one.delete_pod("a")
            await one.until_paths("/one/c", "/two/b")
        async with one.running(settings_cluster="one", settings_entry_id_prefix="one"):
            await one.until_paths("/one/c", "/two/b")
            await one.delete(CLUSTER_SPIFFEID, "all")
            await one.until_paths("/two/b")


async def test_an_owner_that_may_not_be_read_fails_those_that_ask_and_no_others(
    alone: Manager,
) -> None:
    assert alone.setup.embedded is not None
    alone.setup.embedded.faults.fail(None, 403, resource="replicasets")
    await alone.node()
    async with alone.running():
        await alone.template("asks", spiffeIDTemplate="/{{ .Owner.Name }}")
        await alone.template("other", spiffeIDTemplate="/other/{{ .PodMeta.Name }}")
        await alone.pod("a", owner=_owner("ReplicaSet", "web-1", "nobody"))
        await alone.until_paths("/other/a")
        await alone.until_stats("asks", pod_entry_render_failures=1)

        async def is_said() -> bool:
            found = find_condition((await alone.get_template("asks")).status.conditions, "Ready")
            return found is not None and "replicasets.apps cannot be read" in found.message

        await eventually(is_said)


async def test_pods_of_no_service_are_set_once_services_may_be_read(alone: Manager) -> None:
    assert alone.setup.embedded is not None
    for resource in ("endpointslices", "endpoints"):
        alone.setup.embedded.faults.fail(None, 403, resource=resource)
    await alone.node()
    async with alone.running():
        await alone.template("all", autoPopulateDNSNames=True)
        await alone.pod("a")
        await alone.until_stats("all", pod_entry_render_failures=1)
        assert alone.paths() == []
        alone.setup.embedded.faults.clear()
        await alone.until_paths(DEFAULT)


@pytest.mark.parametrize("other", [False, True], ids=["alone", "beside a right one"])
async def test_a_wrong_template_that_may_be_read_only_later_keeps_what_it_made(
    alone: Manager, *, other: bool
) -> None:
    assert alone.setup.embedded is not None
    faults, kept = alone.setup.embedded.faults, ["/wrong/a"]
    await alone.node()
    if other:
        await alone.template("first", spiffeIDTemplate="/first/{{ .PodMeta.Name }}")
        kept = ["/first/a", "/wrong/a"]
    async with alone.running():
        await alone.template("wrong", spiffeIDTemplate="/wrong/{{ .PodMeta.Name }}")
        await alone.pod("a")
        await alone.until_paths(*kept)
        await alone.until_stats("wrong", entries_to_set=1)
    await alone.template("wrong", spiffeIDTemplate="{{ .Nothing")
    faults.fail(None, 403, resource="clusterspiffeids")
    async with alone.running():
        await some_looks(alone.setup)
        assert alone.paths() == kept
        faults.clear()

        async def is_told() -> bool:
            found = (await alone.get_template("wrong")).status.conditions
            return ready(found) == ("False", "InvalidSpec")

        await eventually(is_told)
        await some_looks(alone.setup)
        assert alone.paths() == kept


@pytest.mark.parametrize(
    "bundle",
    [
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        "[" * 100_000,
        '{"spiffe_sequence": ' + "9" * 5000 + "}",
        '{"\x1b[31m": "\\ud800"}',
    ],
    ids=["objects", "brackets", "long number", "lone surrogate"],
)
async def test_a_hostile_bundle_gets_a_condition_and_is_not_tried_again(
    alone: Manager, bundle: str
) -> None:
    async with alone.running() as process:
        await alone.trust_domain("partner", **PARTNER, trustDomainBundle=bundle)

        async def is_told() -> bool:
            found = await alone.get_trust_domain("partner")
            return ready(found.status.conditions) == ("False", "InvalidSpec")

        await eventually(is_told)
        found = find_condition((await alone.get_trust_domain("partner")).status.conditions, "Ready")
        assert found is not None
        assert "spec.trustDomainBundle" in found.message
        assert found.message.isprintable()
        # It stops nothing else.
        await alone.trust_domain("other", **{**PARTNER, "trustDomain": "other.test"})
        await until(lambda: "other.test" in alone.spire.state.relationships)
        assert process.why_not_ready() is None


async def test_the_webhook_denies_a_deep_bundle_in_words(alone: Manager) -> None:
    async with alone.running(webhooks=Webhooks("hooks", "127.0.0.1", 0)) as process:
        await until(lambda: process.webhooks is not None and bool(process.webhooks.port))
        assert process.webhooks is not None
        kind = CLUSTER_FEDERATED_TRUST_DOMAIN
        review = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u",
                "operation": "CREATE",
                "object": {
                    "apiVersion": kind.api_version,
                    "kind": kind.kind,
                    "metadata": {"name": "partner"},
                    "spec": {**PARTNER, "trustDomainBundle": '{"a":' * 50_000},
                },
            },
        }
        path = "validate-spire-spiffe-io-v1alpha1-clusterfederatedtrustdomain"
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"https://127.0.0.1:{process.webhooks.port}/{path}", json=review, ssl=False
            ) as reply,
        ):
            assert reply.status == 200
            response = (await reply.json())["response"]
        assert response["allowed"] is False
        assert "spec.trustDomainBundle" in response["status"]["message"]
        assert "nested too deeply" in response["status"]["message"]


async def test_entries_that_are_there_are_recorded_once_the_right_to_it_is_given(
    alone: Manager,
) -> None:
    assert alone.setup.embedded is not None
    faults = alone.setup.embedded.faults
    for verb in ("list", "watch", "create"):
        faults.fail(None, 403, method=verb, resource=SPIRE_ENTRY.plural)
    async with alone.running():
        await alone.static_entry("one")
        await alone.until_paths("/static/one")
        faults.clear()

        async def is_recorded() -> bool:
            return [e.spec.spiffe_id for e in await alone.setup.spire_entries()] == [
                "spiffe://example.org/static/one"
            ]

        await eventually(is_recorded)


@pytest.mark.parametrize(
    "spec",
    [
        {"spiffeIDTemplate": "/x", "dnsNameTemplates": ["{{ if . }}" * 2400] * 115},
        {"spiffeIDTemplate": "{{ . " + "| print " * 350_000 + "}}"},
        {"spiffeIDTemplate": "/x", "ttl": "1h" * 1_400_000},
    ],
    ids=["many long templates", "one pipeline", "a duration"],
)
async def test_a_hostile_review_without_credentials_holds_up_nobody(
    alone: Manager, spec: JSONObject
) -> None:
    async with alone.running(webhooks=Webhooks("hooks", "127.0.0.1", 0)) as process:
        await until(lambda: process.webhooks is not None and bool(process.webhooks.port))
        assert process.webhooks is not None
        obj: JSONObject = {
            "apiVersion": CLUSTER_SPIFFEID.api_version,
            "kind": CLUSTER_SPIFFEID.kind,
            "metadata": {"name": "evil"},
            "spec": spec,
        }
        review: JSONObject = {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {"uid": "u", "operation": "CREATE", "object": obj},
        }
        url = (
            f"https://127.0.0.1:{process.webhooks.port}/validate-spire-spiffe-io-v1alpha1-"
            "clusterspiffeid"
        )
        body, headers = encode(review), {"Content-Type": "application/json"}
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:

            async def post() -> None:
                async with http.post(
                    url, data=io.BytesIO(body), headers=headers, ssl=False
                ) as reply:
                    assert reply.status in {200, 503}
                    if reply.status == 200:
                        response = (await reply.json())["response"]
                        assert response["allowed"] is False

            posts = [tasks.create_task(post()) for _ in range(4)]
            while not all(each.done() for each in posts):
                # Reviews are read in threads of their own: in this one nothing computes for long.
                with soon():
                    async with http.get(f"http://127.0.0.1:{process.port}/healthz") as reply:
                        assert reply.status == 200
                await asyncio.sleep(0.01)
