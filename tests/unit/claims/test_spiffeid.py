"""SpiffeID to claim: the rules of the original's webhook, and what they keep apart."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.meta import ObjectKey
from api.spiffeid.v1beta1.fields import Selector
from api.spiffeid.v1beta1.spiffeid import SpiffeID, SpiffeIDMeta, SpiffeIDSpec
from registrar.claims.admission import problem_of_duplicate
from registrar.claims.claim import Claim, Origin
from registrar.claims.spiffeid import claim_of
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey

OWN = "spire"
TEXT = st.text("abcxyz019-.:", min_size=1, max_size=12)


def spiffe_id(
    name: str = "web", namespace: str = "shop", selector: Selector | None = None, **changes: object
) -> SpiffeID:
    """A SpiffeID that is right, with these fields of its spec changed."""
    spec = SpiffeIDSpec(
        spiffe_id="spiffe://example.org/web",
        parent_id="spiffe://example.org/spire/server",
        selector=selector or Selector(namespace=namespace, pod_name="web-0"),
    )
    return SpiffeID(
        metadata=SpiffeIDMeta(name=name, namespace=namespace, uid=f"uid-{namespace}-{name}"),
        spec=msgspec.structs.replace(spec, **changes),
    )


def claim(obj: SpiffeID) -> Claim:
    return claim_of(obj, trust_domain="example.org", own_namespace=OWN, namespace_uid="u")


def test_it_asks_for_what_it_says() -> None:
    found = claim(
        spiffe_id(dns_names=("b", "a", "b"), federates_with=("x.test",), downstream=True, ttl=60)
    )
    assert [str(s) for s in found.key.selectors] == ["k8s:ns:shop", "k8s:pod-name:web-0"]
    assert found.key.parent_id == "spiffe://example.org/spire/server"
    assert found.attributes.dns_names == ("b", "a")
    assert found.attributes.federates_with == ("x.test",)
    assert found.attributes.downstream
    assert found.attributes.x509_svid_ttl == 60
    assert (found.origin, found.namespace_uid) == (Origin.POD, "u")


def test_in_the_registrars_own_namespace_it_is_trusted_and_may_select_nodes() -> None:
    found = claim(spiffe_id(namespace=OWN, selector=Selector(cluster="c", agent_node_uid="n")))
    assert found.origin is Origin.WRITTEN
    assert [str(s) for s in found.key.selectors] == [
        "k8s_psat:agent_node_uid:n",
        "k8s_psat:cluster:c",
    ]


def test_one_that_was_made_for_a_pod_is_never_trusted() -> None:
    made = spiffe_id(namespace=OWN)
    meta = msgspec.structs.replace(made.metadata, labels={"podUid": "u"})
    assert claim(msgspec.structs.replace(made, metadata=meta)).origin is Origin.POD


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spiffe_id": "spiffe://other.test/web"}, ("spec.spiffeId", "example.org")),
        ({"spiffe_id": "spiffe://example.org/spire/agent/x"}, ("spec.spiffeId", "reserved")),
        (
            {"spiffe_id": "spiffe://example.org/k8s-workload-registrar/any/node/n1"},
            ("spec.spiffeId", "agents"),
        ),
        ({"parent_id": "spiffe://other.test/x"}, ("spec.parentId", "example.org")),
        ({"selector": Selector(pod_name="x")}, ("spec.selector.namespace", "namespace: shop")),
        (
            {"selector": Selector(namespace="kube-system")},
            ("spec.selector.namespace", "namespace: shop"),
        ),
        ({"selector": Selector(namespace="shop", cluster="c")}, ("spec.selector.cluster", OWN)),
        ({"selector": Selector(agent_node_uid="c")}, ("spec.selector.agent_node_uid", OWN)),
        ({"dns_names": ("ok", "a/b")}, ("spec.dnsNames[1]", "a/b")),
        ({"federates_with": ("A!",)}, ("spec.federatesWith[0]", "A!")),
        ({"ttl": -1}, ("spec.ttl", "-1")),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], words: tuple[str, ...]) -> None:
    obj = spiffe_id()
    wrong = msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, **changes))
    with pytest.raises(InvalidField) as caught:
        claim(wrong)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_second_one_for_the_same_key_is_told_of_the_first() -> None:
    first = claim(spiffe_id("first"))

    def claims_on(key: EntryKey) -> list[Claim]:
        return [first] if key == first.key else []

    def problem(obj: SpiffeID) -> str:
        return problem_of_duplicate(claim(obj), obj, claims_on)

    assert "SpiffeID shop/first" in problem(spiffe_id("second"))
    assert not problem(spiffe_id("first"))
    assert not problem(spiffe_id("second", spiffe_id="spiffe://example.org/other"))


@given(
    labels=st.dictionaries(TEXT, TEXT, max_size=4),
    name=st.one_of(st.just(""), TEXT),
    arbitrary=st.lists(TEXT.filter(lambda text: not text.startswith("k8s:")), max_size=3),
)
def test_whatever_is_selected_the_namespace_is_among_it(
    labels: dict[str, str], name: str, arbitrary: list[str]
) -> None:
    selector = Selector(
        namespace="shop", pod_label=labels, pod_name=name, arbitrary=tuple(arbitrary)
    )
    reverse = Selector(
        namespace="shop",
        pod_label=dict(reversed(labels.items())),
        pod_name=name,
        arbitrary=tuple(reversed(arbitrary)),
    )
    found = claim(spiffe_id(selector=selector)).key
    assert "k8s:ns:shop" in [str(one) for one in found.selectors]
    assert len(found.selectors) == len(
        {"k8s:ns:shop", *(f"pod-label:{k}:{v}" for k, v in labels.items()), *arbitrary}
        | ({f"pod-name:{name}"} if name else set())
    ) or set(arbitrary) & {f"pod-label:{k}:{v}" for k, v in labels.items()}
    assert claim(spiffe_id(selector=reverse)).key == found


def test_its_key_is_that_of_its_namespace() -> None:
    assert spiffe_id().key == ObjectKey("shop", "web")


@pytest.mark.parametrize(
    ("field", "obj"),
    [
        ("spec.dnsNames", spiffe_id(dns_names=tuple(f"a{n}.shop" for n in range(100_000)))),
        (
            "spec.selector.podLabel",
            spiffe_id(
                selector=Selector(
                    namespace="shop", pod_label={f"k{n}": "v" for n in range(100_000)}
                )
            ),
        ),
        (
            "spec.selector.arbitrary",
            spiffe_id(
                selector=Selector(
                    namespace="shop", arbitrary=tuple(f"pod-image:{n}" for n in range(100_000))
                )
            ),
        ),
    ],
)
def test_more_than_an_entry_should_hold_is_refused_by_its_number(field: str, obj: SpiffeID) -> None:
    # The schema of the original's definition bounds none of them.
    with pytest.raises(InvalidField, match="100000 of them") as error:
        claim(obj)
    assert error.value.path == field
