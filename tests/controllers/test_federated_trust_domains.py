"""ClusterFederatedTrustDomains: which relationships are ours, and when the bundle is given."""

import logging

import grpc
import pytest

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from tests.support.federation import PARTNER, document, seed
from tests.support.federationstory import Story
from tests.support.setup import FEDERATION_RECORD, eventually, some_looks, until

URL = str(PARTNER["bundleEndpointURL"])
OTHER_URL = "https://127.0.0.1:1/other"


async def accept_anything(story: Story) -> None:
    """Let the API server check nothing of this kind, as CRDs of other tools may."""
    custom = next(c for c in CUSTOM_KINDS if c.kind is CLUSTER_FEDERATED_TRUST_DOMAIN)
    document = crd(custom)
    schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    spec = document["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    version = versions[0]
    assert isinstance(version, dict)
    version["schema"] = {"openAPIV3Schema": schema}
    await story.client.apply(document)


async def looks(story: Story, number: int = 3) -> None:
    """Wait until the relationships were compared a few times more."""
    listed = story.spire.calls["ListFederationRelationships"]
    await until(lambda: story.spire.calls["ListFederationRelationships"] >= listed + number)


# Whose a relationship is.


@pytest.mark.story
async def test_a_relationship_of_an_object_that_went_meanwhile_goes(story: Story) -> None:
    async with story.running():
        await story.partner()
        await story.until_ready("Set")
    await story.remove()
    async with story.running():
        await until(lambda: not story.held.urls())


@pytest.mark.story
async def test_what_somebody_else_made_stays_whatever_happened_meanwhile(story: Story) -> None:
    story.held.made_by_hand("partner.test", OTHER_URL)
    story.held.made_by_hand("never.test", OTHER_URL)
    async with story.running():
        await story.partner()
        await story.until_ready("Adopted")
        assert story.held.urls()["partner.test"] == URL
    await story.remove()
    async with story.running():
        await story.trust_domain("last", **{**PARTNER, "trustDomain": "last.test"})
        await story.until_ready("Set", "last")
        await story.remove("last")
        await until(lambda: "last.test" not in story.held.urls())
    assert set(story.held.urls()) == {"partner.test", "never.test"}


async def test_what_somebody_made_in_the_place_of_ours_is_theirs(story: Story) -> None:
    async with story.running():
        await story.partner()
        await story.until_ready("Set")
        await story.remove()

        async def is_forgotten() -> bool:
            return "partner.test" not in str(await story.client.get(FEDERATION_RECORD))

        await eventually(is_forgotten)
    story.held.made_by_hand("partner.test", OTHER_URL)
    async with story.running():
        await story.trust_domain("last", **{**PARTNER, "trustDomain": "last.test"})
        await story.until_ready("Set", "last")
        await some_looks(story.setup)
        assert "partner.test" in story.held.urls()


async def test_classes_on_one_server_take_back_only_their_own(story: Story) -> None:
    story.held.made_by_hand("hand.test", OTHER_URL)
    names = ("a", "b")
    for name in names:
        await story.trust_domain(
            name, **{**PARTNER, "trustDomain": f"{name}.test", "className": name}
        )
        async with story.running(settings_class_name=name):
            await story.until_ready("Set", name)
    for name in names:
        await story.remove(name)
    async with story.running(settings_class_name="b"):
        await until(lambda: set(story.held.urls()) == {"a.test", "hand.test"})
    async with story.running(settings_class_name="a"):
        await until(lambda: set(story.held.urls()) == {"hand.test"})


async def test_a_class_does_not_believe_the_status_that_another_wrote(story: Story) -> None:
    await story.partner(className="a")
    async with story.running(settings_class_name="a"):
        await story.until_ready("Set")
    await story.partner(className="b")
    async with story.running(settings_class_name="b"):
        await story.until_ready("Adopted")
        await story.remove()
        await story.trust_domain(
            "last", **{**PARTNER, "trustDomain": "last.test", "className": "b"}
        )
        await story.until_ready("Set", "last")
        assert "partner.test" in story.held.urls()


async def test_a_bundle_alone_goes_with_an_object_that_went_meanwhile(story: Story) -> None:
    ours, theirs = seed("ours"), seed("theirs", "hand.test")
    story.held.fetched(theirs)
    async with story.running():
        await story.trust_domain(
            "partner", trustDomain="partner.test", trustDomainBundle=document(ours)
        )
        await story.until_ready("Set")
        assert story.held.keys() == ["ours"]
    await story.remove()
    async with story.running():
        await until(lambda: not story.held.keys())
    assert story.held.keys("hand.test") == ["theirs"]


async def test_a_relationship_deleted_by_hand_leaves_a_bundle_set_by_hand(story: Story) -> None:
    async with story.running():
        await story.partner()
        await story.until_ready("Set")
    await story.remove()
    story.held.lose("partner.test")
    story.held.fetched(seed("by-hand"))
    async with story.running():
        await story.trust_domain("last", **{**PARTNER, "trustDomain": "last.test"})
        await story.until_ready("Set", "last")
        await some_looks(story.setup)
        assert story.held.keys() == ["by-hand"]


async def test_what_an_earlier_version_made_is_still_ours(alone: Story) -> None:
    async with alone.running():
        await alone.partner()
        await alone.until_ready("Set")
    # An earlier version kept no record: the status alone says it.
    await alone.setup.forget_federation()
    async with alone.running():
        await alone.until_ready("Set")
        await looks(alone)
    await alone.remove()
    async with alone.running():
        await until(lambda: not alone.held.urls())


async def test_without_the_right_to_keep_a_record_it_works_and_says_so_once(
    alone: Story, caplog: pytest.LogCaptureFixture
) -> None:
    api = alone.setup.embedded
    assert api is not None
    api.faults.fail(None, 403, resource="configmaps")
    with caplog.at_level(logging.WARNING):
        async with alone.running():
            for number in range(3):
                name = f"p{number}"
                await alone.trust_domain(name, **{**PARTNER, "trustDomain": f"{name}.test"})
                await alone.until_ready("Set", name)
            await looks(alone)
        # The status of an object that is still there is a memory too.
        async with alone.running():
            await alone.until_ready("Set", "p0")
            await alone.remove("p0")
            await until(lambda: "p0.test" not in alone.held.urls())
    said = [r for r in caplog.records if "spire-registrar-federation" in str(r.__dict__)]
    assert len(said) == 2, [r.getMessage() for r in said]  # once for each start


async def test_a_missing_kind_deletes_no_relationship(alone: Story) -> None:
    async with alone.running():
        await alone.partner()
        await alone.until_ready("Set")
    custom = next(c for c in CUSTOM_KINDS if c.kind is CLUSTER_FEDERATED_TRUST_DOMAIN)
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{custom.kind.resource}"
    await alone.client.delete(path)
    async with alone.running():
        await some_looks(alone.setup)
        assert alone.held.urls() == {"partner.test": URL}
        # Installed again and without the object it is known to be gone.
        await alone.client.apply(crd(custom))
        await until(lambda: not alone.held.urls())


async def test_nothing_is_written_when_there_is_nothing_to_do(alone: Story) -> None:
    async with alone.running():
        await alone.partner(trustDomainBundle=document(seed("a")))
        await alone.until_ready("Set")
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        await looks(alone)
    before = (await alone.client.get(FEDERATION_RECORD))["metadata"]
    obj = await alone.get_trust_domain("partner")
    calls = {k: v for k, v in alone.spire.calls.items() if k.startswith("Batch")}
    async with alone.running():
        await looks(alone)
    assert (await alone.client.get(FEDERATION_RECORD))["metadata"] == before
    assert await alone.get_trust_domain("partner") == obj
    assert {k: v for k, v in alone.spire.calls.items() if k.startswith("Batch")} == calls


# When the bundle is given.


@pytest.mark.story
async def test_an_edit_of_the_endpoint_alone_keeps_the_fresher_bundle(story: Story) -> None:
    old = document(seed("old"))
    async with story.running():
        await story.partner(trustDomainBundle=old)
        await story.until_ready("Set")
        assert story.held.keys() == ["old"]
        story.held.fetched(seed("fresh"))
        await story.partner(trustDomainBundle=old, bundleEndpointURL=OTHER_URL)
        await until(lambda: story.held.urls() == {"partner.test": OTHER_URL})
        await story.until_ready("Set")
        assert story.held.keys() == ["fresh"]
        # A profile is part of the endpoint.
        await story.partner(
            trustDomainBundle=old,
            bundleEndpointURL=OTHER_URL,
            bundleEndpointProfile={
                "type": "https_spiffe",
                "endpointSPIFFEID": "spiffe://partner.test/endpoint",
            },
        )
        await story.until_ready("Set")
        assert story.held.keys() == ["fresh"]


@pytest.mark.story
@pytest.mark.parametrize("also", [{}, {"bundleEndpointURL": OTHER_URL}], ids=["alone", "and url"])
async def test_an_edit_of_the_bundle_while_nothing_runs_is_applied(
    story: Story, also: dict[str, object]
) -> None:
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("old")))
        await story.until_ready("Set")
    await story.partner(trustDomainBundle=document(seed("new")), **also)
    async with story.running():
        await until(lambda: story.held.keys() == ["new"])
        await story.until_ready("Set")
        # Once: what the server fetches later is fresher.
        story.held.fetched(seed("fresh"))
        await some_looks(story.setup) if story.setup.embedded else None
    async with story.running():
        await story.until_ready("Set")
        assert story.held.keys() == ["fresh"]


async def test_an_edit_of_the_bundle_is_applied_at_once(story: Story) -> None:
    async with story.running():
        await story.partner()
        await story.until_ready("Set")
        story.held.fetched(seed("fetched"))
        await story.partner(trustDomainBundle=document(seed("given")))
        await until(lambda: story.held.keys() == ["given"])
        await story.partner()
        await story.until_ready("Set")
        assert story.held.keys() == ["given"]


async def test_another_spelling_of_the_same_bundle_is_no_change(story: Story) -> None:
    bundle = seed("old")
    async with story.running():
        await story.partner(trustDomainBundle=document(bundle))
        await story.until_ready("Set")
        story.held.fetched(seed("fresh"))
        await story.partner(trustDomainBundle=document(bundle).replace("\n", " "))
        await story.until_ready("Set")
        assert story.held.keys() == ["fresh"]


async def test_a_relationship_that_was_there_keeps_the_bundle_it_has(story: Story) -> None:
    story.held.made_by_hand("partner.test", URL)
    story.held.fetched(seed("fresh"))
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("old")))
        await story.until_ready("Adopted")
        assert story.held.keys() == ["fresh"]
    await story.partner(trustDomainBundle=document(seed("new")))
    async with story.running():
        await until(lambda: story.held.keys() == ["new"])


async def test_a_relationship_without_any_bundle_gets_the_one_of_the_object(story: Story) -> None:
    story.held.made_by_hand("partner.test", URL)
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("given")))
        await until(lambda: story.held.keys() == ["given"])


@pytest.mark.parametrize("reason", ["Set", "Adopted"])
async def test_a_status_without_a_hash_overwrites_no_fresher_bundle(
    alone: Story, reason: str
) -> None:
    if reason == "Adopted":
        alone.held.made_by_hand("partner.test", URL)
    async with alone.running():
        await alone.partner(trustDomainBundle=document(seed("old")))
        await alone.until_ready(reason)
    # What an earlier version leaves: no record, no hash.
    await alone.setup.forget_federation()
    await alone.client.merge(
        f"{CLUSTER_FEDERATED_TRUST_DOMAIN.path('', 'partner')}/status",
        {"status": {"trustDomainBundleHash": None}},
    )
    assert not (await alone.get_trust_domain("partner")).status.trust_domain_bundle_hash
    alone.held.fetched(seed("fresh"))
    async with alone.running():
        await looks(alone)
        assert alone.held.keys() == ["fresh"]
        await alone.partner(trustDomainBundle=document(seed("new")))
        await until(lambda: alone.held.keys() == ["new"])


@pytest.mark.story
async def test_a_server_that_lost_its_data_gets_the_relationship_and_the_bundle_again(
    story: Story,
) -> None:
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("a")))
        await story.until_ready("Set")
        story.held.lose("partner.test")
        await until(lambda: story.held.keys() == ["a"] and "partner.test" in story.held.urls())
        await story.remove()
        await until(lambda: not story.held.urls())


async def test_a_relationship_deleted_by_hand_comes_back_with_the_bundle_that_is_there(
    alone: Story,
) -> None:
    async with alone.running():
        await alone.partner(trustDomainBundle=document(seed("old")))
        await alone.until_ready("Set")
        alone.held.fetched(seed("fresh"))
        alone.spire.state.relationships.clear()
        await until(lambda: "partner.test" in alone.held.urls())
        assert alone.held.keys() == ["fresh"]


async def test_of_two_objects_the_younger_takes_over_without_the_old_bundle_again(
    story: Story,
) -> None:
    same = document(seed("old"))
    async with story.running():
        for name in ("a", "b"):
            await story.trust_domain(name, **PARTNER, trustDomainBundle=same)
        made = [await story.get_trust_domain(name) for name in ("a", "b")]
        made.sort(key=lambda obj: (obj.metadata.creation_timestamp or "", obj.metadata.uid))
        old, young = (obj.metadata.name for obj in made)
        await story.until_ready("Conflict", young)
        await story.until_ready("Set", old)
        story.held.fetched(seed("fresh"))
        await story.remove(old)
        await story.until_ready("Set", young)
        assert story.held.keys() == ["fresh"]


# An endpoint that goes, what is refused, what cannot be read.


async def test_an_endpoint_that_is_taken_out_of_the_object_is_given_up(story: Story) -> None:
    alone_ = {"trustDomain": "partner.test"}
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("a")))
        await story.until_ready("Set")
        await story.trust_domain("partner", **alone_, trustDomainBundle=document(seed("b")))
        await until(lambda: not story.held.urls() and story.held.keys() == ["b"])
        await story.until_ready("Set")
    async with story.running():
        await story.partner(trustDomainBundle=document(seed("c")))
        await until(lambda: story.held.urls() == {"partner.test": URL})
        await story.until_ready("Set")
        assert story.held.keys() == ["c"]
    await story.trust_domain("partner", **alone_, trustDomainBundle=document(seed("d")))
    async with story.running():
        await until(lambda: not story.held.urls() and story.held.keys() == ["d"])
        await story.remove()
        await until(lambda: not story.held.keys())


async def test_a_bundle_alone_does_not_fight_with_somebodys_relationship(alone: Story) -> None:
    alone.held.made_by_hand("partner.test", OTHER_URL)
    alone.held.fetched(seed("fetched"))
    async with alone.running():
        await alone.trust_domain(
            "partner", trustDomain="partner.test", trustDomainBundle=document(seed("given"))
        )
        said = await alone.until_ready("RelationshipExists")
        assert OTHER_URL in said.message
        await looks(alone)
        assert alone.held.keys() == ["fetched"]
        assert alone.held.urls() == {"partner.test": OTHER_URL}


async def test_a_refused_relationship_is_not_believed_to_be_ours(alone: Story) -> None:
    method, code = "BatchCreateFederationRelationship", grpc.StatusCode.INVALID_ARGUMENT
    alone.spire.faults.fail(method, code=code, times=2)
    async with alone.running():
        await alone.partner()

        async def is_refused() -> bool:
            ready = await alone.condition()
            return ready is not None and ready.status == "False"

        await eventually(is_refused)
        alone.held.made_by_hand("partner.test", OTHER_URL)
        await alone.until_ready("Adopted")
    await alone.remove()
    async with alone.running():
        await some_looks(alone.setup)
        assert set(alone.held.urls()) == {"partner.test"}


async def test_a_record_that_cannot_be_written_now_is_written_before_anything_is_made(
    alone: Story,
) -> None:
    api = alone.setup.embedded
    assert api is not None
    async with alone.running():
        api.faults.fail(3, 503, resource="configmaps")
        await alone.partner()
        await alone.until_ready("Set")
    await alone.remove()
    async with alone.running():
        await until(lambda: not alone.held.urls())


async def test_an_edit_that_the_server_does_not_take_at_first_is_applied_once(alone: Story) -> None:
    api = alone.setup.embedded
    assert api is not None
    async with alone.running():
        await alone.partner(trustDomainBundle=document(seed("old")))
        await alone.until_ready("Set")
        alone.spire.faults.fail("BatchUpdateFederationRelationship", times=2)
        await alone.partner(trustDomainBundle=document(seed("new")))
        await until(lambda: alone.held.keys() == ["new"])
        await alone.until_ready("Set")
        # The status cannot be written: that is no reason to give the bundle again.
        update = "BatchUpdateFederationRelationship"
        asked = alone.spire.calls[update]
        with alone.spire.faults.held(update):
            await alone.partner(trustDomainBundle=document(seed("newer")))
            await until(lambda: alone.spire.calls[update] > asked)
            resource = CLUSTER_FEDERATED_TRUST_DOMAIN.resource
            api.faults.fail(3, 503, method="patch", resource=resource)
        await until(lambda: alone.held.keys() == ["newer"])
        alone.held.fetched(seed("fresh"))
        await alone.until_ready("Set")
        assert alone.held.keys() == ["fresh"]


async def test_a_record_that_somebody_broke_makes_nothing_ours(
    alone: Story, caplog: pytest.LogCaptureFixture
) -> None:
    async with alone.running():
        await alone.partner()
        await alone.until_ready("Set")
    stored = (await alone.client.get(FEDERATION_RECORD))["data"]
    assert isinstance(stored, dict)
    await alone.client.merge(FEDERATION_RECORD, {"data": dict.fromkeys(stored, "{")})
    await alone.remove()
    async with alone.running():
        await some_looks(alone.setup)
        assert alone.held.urls() == {"partner.test": URL}
    assert any("record of federation relationships" in r.getMessage() for r in caplog.records)


async def test_an_object_that_does_not_decode_is_reported_and_keeps_what_it_had(
    alone: Story, caplog: pytest.LogCaptureFixture
) -> None:
    await accept_anything(alone)
    path = CLUSTER_FEDERATED_TRUST_DOMAIN.path("", "partner")

    async def is_in_events() -> bool:
        events = await alone.setup.events("ClusterFederatedTrustDomain", "partner")
        return any(e.reason == "Undecodable" and "bundleEndpointURL" in e.message for e in events)

    async def is_in_status() -> bool:
        return "Undecodable" in str((await alone.client.get(path))["status"])

    with caplog.at_level(logging.WARNING):
        async with alone.running():
            await alone.partner()
            await alone.until_ready("Set")
            await alone.client.merge(path, {"spec": {"bundleEndpointURL": 7}})
            await eventually(is_in_events)
            await eventually(is_in_status)
            stored = await alone.client.get(path)
            await looks(alone)
            assert (await alone.client.get(path))["status"] == stored["status"]
        for event in await alone.setup.events("ClusterFederatedTrustDomain", "partner"):
            await alone.client.delete(f"/api/v1/namespaces/default/events/{event.metadata.name}")
        async with alone.running():
            await eventually(is_in_events)
            await some_looks(alone.setup)
            assert alone.held.urls() == {"partner.test": URL}
            await alone.client.merge(path, {"spec": {"bundleEndpointURL": OTHER_URL}})
            await until(lambda: alone.held.urls() == {"partner.test": OTHER_URL})
    assert any(r.getMessage() == "an object does not decode" for r in caplog.records)


async def test_objects_without_a_trust_domain_do_not_conflict(alone: Story) -> None:
    await accept_anything(alone)
    async with alone.running():
        for name in ("a", "b"):
            await alone.trust_domain(name, bundleEndpointURL=URL)
        for name in ("a", "b"):

            async def is_told(name: str = name) -> bool:
                ready = await alone.condition(name)
                return ready is not None and (
                    ready.reason,
                    "spec.trustDomain" in ready.message,
                ) == (
                    "InvalidSpec",
                    True,
                )

            await eventually(is_told)


async def test_a_relationship_that_goes_while_it_is_changed_is_the_reason_and_is_made_again(
    alone: Story,
) -> None:
    async with alone.running(settings_drift_interval_seconds=3600.0):
        await alone.partner()
        await alone.until_ready("Set")
        # The registrar believes what it has read, so its next call is a change.
        del alone.spire.state.relationships["partner.test"]
        await alone.partner(bundleEndpointURL=OTHER_URL)

        async def is_told() -> bool:
            events = await alone.setup.events("ClusterFederatedTrustDomain", "partner")
            return "EntryNotFound" in [event.reason for event in events]

        await eventually(is_told)
        await alone.until_ready("Set")
        assert alone.spire.state.relationships["partner.test"].bundle_endpoint_url == OTHER_URL
