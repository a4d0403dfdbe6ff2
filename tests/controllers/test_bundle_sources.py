"""trustDomainBundleFrom: when what is published counts, and what is said where it can't be read."""

import contextlib

import pytest

from api.codec import JSONObject
from devcluster.client import NotFound
from devcluster.spire.authority import Authority
from registrar.identity.bundle import Bundle
from tests.support.federation import PARTNER, document, seed
from tests.support.federationstory import SPIFFE_PROFILE, Story, authority_bundle
from tests.support.setup import Setup, some_looks, until

URL = str(PARTNER["bundleEndpointURL"])
WEB = {"bundleEndpointProfile": {"type": "https_web"}}


@pytest.fixture
async def story(setup: Setup) -> Story:
    await setup.forget_federation()
    story = Story(setup)
    # Another test may have left it on the real API server.
    with contextlib.suppress(NotFound):
        await story.unpublish()
    return story


def authorities(authority: Authority) -> str:
    """What a partner with that CA publishes."""
    return document(Bundle("partner.test", (authority.certificate_der,)))


def held(story: Story) -> list[bytes]:
    bundle = story.spire.state.bundles.get("partner.test")
    return [] if bundle is None else [each.asn1 for each in bundle.x509_authorities]


# When it counts.


@pytest.mark.story
async def test_a_relationship_waits_for_the_bundle_that_it_begins_with(story: Story) -> None:
    async with story.running():
        await story.from_configmap()
        await story.until_ready("BundleSourceMissing")
        assert not story.held.urls()
        await story.publish(document(seed("published")))
        await story.until_ready("Set")
        assert story.held.keys() == ["published"]
        assert story.held.urls() == {"partner.test": URL}
        await story.until_condition_is("BundleSourceRead", "Read")


async def test_pem_will_do(alone: Story) -> None:
    authority = Authority("partner.test")
    await alone.publish(authority.certificate_pem.decode(), "bundle.pem")
    async with alone.running():
        ref = {"namespace": "partners", "name": "bundle", "key": "bundle.pem"}
        await alone.from_configmap(trustDomainBundleFrom={"configMapKeyRef": ref})
        await alone.until_ready("Set")
        assert held(alone) == [authority.certificate_der]


async def test_another_bundle_is_not_given_while_the_endpoint_is_trusted(alone: Story) -> None:
    ours = Authority("partner.test")
    await alone.publish(authorities(ours))
    async with alone.running():
        alone.spire.endpoints.show(URL, authority_bundle(ours, "fetched"))
        await alone.from_configmap()
        await alone.until_ready("Set")
        await until(lambda: alone.held.keys() == ["fetched"])
        refreshed = alone.spire.calls["RefreshBundle"]
        await alone.publish(authorities(Authority("partner.test")))
        # It is asked at once, so that nobody waits for the next refresh.
        await until(lambda: alone.spire.calls["RefreshBundle"] > refreshed)
        await some_looks(alone.setup)
        assert held(alone) == [ours.certificate_der]
        assert "Rebootstrapped" not in await alone.reasons()


@pytest.mark.parametrize("interval", [60.0, 0.0], ids=["refreshing", "never refreshing"])
async def test_a_partner_that_was_built_anew_is_trusted_by_what_it_publishes(
    alone: Story, interval: float
) -> None:
    before, after = Authority("partner.test"), Authority("partner.test")
    await alone.publish(authorities(before))
    async with alone.running(bundle_refresh_interval_seconds=interval):
        alone.spire.endpoints.show(URL, authority_bundle(before, "before"))
        await alone.from_configmap()
        await alone.until_ready("Set")
        await until(lambda: alone.held.keys() == ["before"])
        alone.spire.endpoints.show(URL, authority_bundle(after, "after"))
        await some_looks(alone.setup)
        assert held(alone) == [before.certificate_der]
        await alone.publish(authorities(after))
        # The JWT keys come with the fetch that follows.
        await until(lambda: alone.held.keys() == ["after"])
        assert held(alone) == [after.certificate_der]
        await alone.until_event("Rebootstrapped")
        await alone.until_condition_is("BundleFresh", "Fetched" if interval else None)
    assert (await alone.reasons()).count("Rebootstrapped") == 1


async def test_what_is_published_before_the_endpoint_changes_counts_at_the_next_refresh(
    alone: Story,
) -> None:
    before, after = Authority("partner.test"), Authority("partner.test")
    await alone.publish(authorities(before))
    async with alone.running(bundle_refresh_interval_seconds=0.2):
        alone.spire.endpoints.show(URL, authority_bundle(before, "before"))
        await alone.from_configmap()
        await alone.until_condition_is("BundleFresh", "Fetched")
        await alone.publish(authorities(after))
        await some_looks(alone.setup)
        assert held(alone) == [before.certificate_der]
        alone.spire.endpoints.show(URL, authority_bundle(after, "after"))
        await until(lambda: held(alone) == [after.certificate_der])
        await until(lambda: alone.held.keys() == ["after"])


async def test_what_was_given_once_does_not_replace_what_was_fetched_since(alone: Story) -> None:
    first, fetched = Authority("partner.test"), Authority("partner.test")
    await alone.publish(authorities(first))
    async with alone.running(bundle_refresh_interval_seconds=0.2):
        alone.spire.endpoints.show(URL, authority_bundle(first, "first"))
        await alone.from_configmap()
        await alone.until_condition_is("BundleFresh", "Fetched")
        alone.spire.state.bundles["partner.test"] = authority_bundle(fetched, "fetched")
        # Somebody else answers there; who publishes has not kept up.
        alone.spire.endpoints.show(URL, authority_bundle(Authority("partner.test"), "foreign"))
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        refreshed = alone.spire.calls["RefreshBundle"]
        await until(lambda: alone.spire.calls["RefreshBundle"] > refreshed + 3)
        assert held(alone) == [fetched.certificate_der]


async def test_a_refused_certificate_alone_changes_nothing(alone: Story) -> None:
    ours = Authority("partner.test")
    await alone.publish(authorities(ours))
    async with alone.running(bundle_refresh_interval_seconds=0.2):
        alone.spire.endpoints.show(URL, authority_bundle(Authority("partner.test"), "foreign"))
        await alone.from_configmap()
        await alone.until_ready("Set")
        found = await alone.until_condition_is("BundleFresh", "RefreshFailed")
        refreshed = alone.spire.calls["RefreshBundle"]
        await until(lambda: alone.spire.calls["RefreshBundle"] > refreshed + 3)
        assert held(alone) == [ours.certificate_der]
        assert found is not None
        assert "certificate signed by unknown authority" in found.message


@pytest.mark.parametrize(
    "spec",
    [
        {"bundleEndpointProfile": {"type": "https_web"}},
        {
            "bundleEndpointProfile": {
                "type": "https_spiffe",
                "endpointSPIFFEID": "spiffe://host.test/spire/server",
            }
        },
    ],
    ids=["web", "endpoint of another trust domain"],
)
async def test_an_endpoint_that_this_bundle_does_not_prove_changes_no_authorities(
    alone: Story, spec: JSONObject
) -> None:
    ours = Authority("partner.test")
    await alone.publish(authorities(ours))
    async with alone.running(bundle_refresh_interval_seconds=0.2):
        await alone.from_configmap(**spec)
        await alone.until_ready("Set")
        await alone.publish(authorities(Authority("partner.test")))
        await alone.until_condition_is("BundleFresh", "RefreshFailed")
        refreshed = alone.spire.calls["RefreshBundle"]
        await until(lambda: alone.spire.calls["RefreshBundle"] > refreshed + 3)
        assert held(alone) == [ours.certificate_der]


async def test_a_lost_bundle_is_given_again(alone: Story) -> None:
    await alone.publish(document(seed("published")))
    async with alone.running():
        await alone.from_configmap()
        await alone.until_ready("Set")
        alone.held.lose("partner.test")
        await until(lambda: alone.held.keys() == ["published"])


async def test_without_an_endpoint_what_is_published_is_followed(alone: Story) -> None:
    await alone.publish(document(seed("first")))
    async with alone.running():
        await alone.from_configmap(bundleEndpointURL="", bundleEndpointProfile=None)
        await alone.until_ready("Set")
        assert alone.held.keys() == ["first"]
        await alone.publish(document(seed("second")))
        await until(lambda: alone.held.keys() == ["second"])
        await alone.unpublish()
        await alone.until_ready("BundleSourceMissing")
        assert alone.held.keys() == ["second"]
        await alone.remove()
        await until(lambda: not alone.held.keys())


# What is said where it cannot be read.


@pytest.mark.parametrize(
    ("key", "text", "reason", "words"),
    [
        ("other", "{}", "BundleSourceKeyMissing", "keys: other"),
        ("bundle.json", "", "BundleSourceInvalid", "it is empty"),
        ("bundle.json", "bundle", "BundleSourceInvalid", "neither a bundle document nor PEM"),
        ("bundle.json", '{"keys": [', "BundleSourceInvalid", "not a bundle document"),
        ("bundle.json", '{"keys": []}', "BundleSourceInvalid", "it holds no keys"),
        (
            "bundle.json",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "BundleSourceInvalid",
            "no certificates in PEM",
        ),
    ],
    ids=["no key", "empty", "neither", "half", "no keys", "no certificate"],
)
async def test_what_cannot_be_a_bundle_is_named_and_healed_by_an_edit(
    alone: Story, key: str, text: str, reason: str, words: str
) -> None:
    await alone.publish(text, key)
    async with alone.running():
        await alone.from_configmap()
        ready = await alone.until_ready(reason)
        assert "spec.trustDomainBundleFrom.configMapKeyRef" in ready.message
        assert "partners/bundle:bundle.json" in ready.message
        assert words in ready.message
        await alone.publish(document(seed("mended")))
        await alone.until_ready("Set")


async def test_a_private_key_that_was_published_is_not_repeated(alone: Story) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    await alone.publish(key)
    async with alone.running():
        await alone.from_configmap()
        ready = await alone.until_ready("BundleSourceInvalid")
        assert "c2VjcmV0" not in ready.message


async def test_a_source_that_goes_is_said_and_breaks_nothing(alone: Story) -> None:
    await alone.publish(document(seed("published")))
    async with alone.running():
        await alone.from_configmap()
        await alone.until_ready("Set")
        await alone.unpublish()
        await alone.until_condition_is("BundleSourceRead", "BundleSourceMissing")
        await alone.until_ready("Set")
        assert alone.held.keys() == ["published"]
        # What is made anew while nothing is published keeps the bundle that is held.
        del alone.spire.state.relationships["partner.test"]
        await until(lambda: bool(alone.held.urls()))


async def test_with_a_certificate_that_browsers_trust_nothing_waits_for_the_source(
    alone: Story,
) -> None:
    async with alone.running():
        await alone.from_configmap(**WEB)
        await alone.until_ready("Set")
        await alone.until_condition_is("BundleSourceRead", "BundleSourceMissing")


async def test_without_the_right_to_read_it_the_role_is_named(alone: Story) -> None:
    api = alone.setup.embedded
    assert api is not None
    await alone.publish(document(seed("published")))
    api.faults.fail(None, 403, method="list", resource="configmaps")
    async with alone.running():
        await alone.from_configmap()
        ready = await alone.until_ready("BundleSourceForbidden")
        assert "get, list and watch on configmaps of the name bundle" in ready.message
        api.faults.clear()
        await alone.until_ready("Set")


async def test_both_ways_to_give_the_bundle_are_an_error_of_the_object(alone: Story) -> None:
    await alone.partner()
    path = "/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains/partner"
    ref = {"namespace": "partners", "name": "bundle", "key": "bundle.json"}
    both: JSONObject = {
        "trustDomainBundle": document(seed("a")),
        "trustDomainBundleFrom": {"configMapKeyRef": {**ref}},
    }
    with pytest.raises(Exception, match="one of trustDomainBundle and trustDomainBundleFrom"):
        await alone.client.merge(path, {"spec": both})


async def test_one_bad_source_holds_up_no_other_object(alone: Story) -> None:
    await alone.publish(document(seed("published")))
    await alone.publish("nonsense", name="bad")
    async with alone.running():
        bad = {"namespace": "partners", "name": "bad", "key": "bundle.json"}
        await alone.trust_domain(
            "bad",
            **{
                **PARTNER,
                "trustDomain": "bad.test",
                "bundleEndpointProfile": SPIFFE_PROFILE,
                "trustDomainBundleFrom": {"configMapKeyRef": bad},
            },
        )
        await alone.from_configmap()
        await alone.until_ready("BundleSourceInvalid", "bad")
        await alone.until_ready("Set")
