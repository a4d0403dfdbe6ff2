"""The claim index."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.index import ClaimIndex
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import Selector
from tests.support.builders import make_claim, make_key

A, B = make_key("/a"), make_key("/b")


def test_the_oldest_claim_decides_the_attributes() -> None:
    index = ClaimIndex()
    young = make_claim("young", A, created="2026-02-01T00:00:00Z")
    old = make_claim("old", A, created="2026-01-01T00:00:00Z")
    index.replace(young.source, [young])
    index.replace(old.source, [old])
    assert index.claims(A) == [old, young]


def test_an_object_that_is_only_assumed_counts_as_youngest() -> None:
    index = ClaimIndex()
    assumed, old = make_claim("assumed", A, created=""), make_claim("old", A)
    index.replace(assumed.source, [assumed])
    index.replace(old.source, [old])
    assert index.winner(A) == old


def test_a_changed_source_keeps_its_old_claim_until_the_new_entry_is_set() -> None:
    index = ClaimIndex()
    before, after = make_claim("web", A), make_claim("web", B)
    index.replace(before.source, [before])
    assert index.replace(after.source, [after]) == {A, B}
    assert A in index
    assert index.settle(after.source, lambda key: key != B) == set()
    assert index.settle(after.source, lambda _: True) == {A}
    assert A not in index
    assert B in index


def test_a_deleted_source_gives_up_its_retiring_claims_too() -> None:
    index = ClaimIndex()
    before, after = make_claim("web", A), make_claim("web", B)
    index.replace(before.source, [before])
    index.replace(after.source, [after])
    assert index.remove(before.source) == {A, B}
    assert len(index) == 0


def test_changing_back_takes_a_retiring_claim_up_again() -> None:
    index = ClaimIndex()
    before, after = make_claim("web", A), make_claim("web", B)
    index.replace(before.source, [before])
    index.replace(after.source, [after])
    index.replace(before.source, [before])
    assert not index.is_retiring(before)
    assert index.settle(before.source, lambda _: True) == {B}
    assert list(index.keys()) == [A]


def test_why_a_claim_comes_behind_another_is_told_by_what_decides() -> None:
    index = ClaimIndex()
    old = make_claim("old", A, created="2025-01-01T00:00:00Z")
    young, moved = make_claim("young", A), replace(old, key=B)
    index.replace(old.source, [old])
    index.replace(young.source, [young])
    assert index.why_behind(young, old) == "younger"
    index.replace(old.source, [moved])
    assert index.claims(A) == [young, old]
    assert index.why_behind(old, young) == "about to give it up"
    admin = make_claim("admin", A, attributes=Attributes(admin=True))
    pod = make_claim("pod", A, created="2025-01-01T00:00:00Z", origin=Origin.POD)
    index.replace(admin.source, [admin])
    index.replace(pod.source, [pod])
    assert "refused" in index.why_behind(pod, admin)


def test_an_id_is_privileged_by_a_written_claim_but_not_by_a_pods() -> None:
    index = ClaimIndex()
    admin = Attributes(admin=True)
    pod = make_claim("pod", A, attributes=admin, origin=Origin.POD)
    index.replace(pod.source, [pod])
    assert not index.is_privileged(A.spiffe_id)
    written = make_claim("written", make_key("/a", "ns:other"), attributes=admin)
    index.replace(written.source, [written])
    assert index.is_privileged(A.spiffe_id)


names = st.sampled_from(["x", "y", "z"])
KEYS = [make_key(f"/{n % 2}", f"ns:{n}") for n in range(6)]
"""Three for each of two SPIFFE IDs."""
wanted = st.sets(st.sampled_from(KEYS), max_size=4)
steps = st.lists(st.tuples(names, st.one_of(st.none(), wanted), st.booleans()), max_size=20)


@given(steps)
def test_lookups_agree_with_a_plain_model(
    steps: list[tuple[str, set[EntryKey] | None, bool]],
) -> None:
    index = ClaimIndex()
    current: dict[str, set[EntryKey]] = {}
    retiring: dict[str, set[EntryKey]] = {}
    for name, keys, settle in steps:
        source = make_claim(name).source
        if keys is None:
            index.remove(source)
            current.pop(name, None)
            retiring.pop(name, None)
        else:
            claims: list[Claim] = [make_claim(name, key) for key in keys]
            index.replace(source, claims)
            retiring[name] = (retiring.get(name, set()) | current.get(name, set())) - keys
            current[name] = keys
        if settle:
            index.settle(source, lambda _: True)
            retiring.pop(name, None)
        held = set().union(*current.values(), *retiring.values())
        assert set(index.keys()) == held
        for key in held:
            holders = {c.source.name for c in index.claims(key)}
            assert holders == {
                n for n in "xyz" if key in current.get(n, ()) or key in retiring.get(n, ())
            }
        for spiffe_id in ("spiffe://example.org/0", "spiffe://example.org/1"):
            assert index.keys_of(spiffe_id) == {key for key in held if key.spiffe_id == spiffe_id}


def test_a_claim_that_is_made_again_is_held_once() -> None:
    index = ClaimIndex()
    first, again = make_claim("web", A), make_claim("web", A)
    assert index.replace(first.source, [first]) == {A}
    assert index.replace(again.source, [again]) == set()
    assert index.of_source(again.source)[0] is index.claims(A)[0]
    created = make_claim("web", make_key("/a"), created="")
    assert index.replace(created.source, [created]) == {A}
    assert index.claims(A) == [created]
    assert index.claims(A)[0].key is A


def tenant(namespace: str, name: str, *, downstream: bool, created: str, path: str = "x") -> Claim:
    """What somebody who may write in one namespace asks for."""
    key = EntryKey.of(
        f"spiffe://example.org/{path}", "spiffe://example.org/p", [Selector("k8s", namespace)]
    )
    return Claim(
        source=Claimant("SpiffeID", namespace, name),
        key=key,
        attributes=Attributes(downstream=downstream),
        origin=Origin.POD,
        created=created,
    )


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("ages", [("1", "2"), ("2", "1")])
def test_a_tenants_privilege_yields_whatever_the_order_and_the_age(
    first: int, ages: tuple[str, str]
) -> None:
    index = ClaimIndex()
    privileged = tenant("evil", "a", downstream=True, created=ages[0])
    plain = tenant("shop", "b", downstream=False, created=ages[1])
    claims = [privileged, plain][:: -1 if first else 1]
    touched = [index.replace(claim.source, [claim]) for claim in claims]
    # Whoever comes second, the privileged one is looked at.
    assert privileged.key in touched[1]
    assert index.yields_to(privileged) == plain
    assert index.yields_to(plain) is None
    assert not index.is_privileged("spiffe://example.org/x")
    assert index.yielding() == [privileged.key]
    assert privileged.key in index.remove(plain.source)
    assert index.yields_to(privileged) is None


def test_one_privileged_claim_concerns_no_other() -> None:
    """Who may write many could else make all be looked at with each."""
    index = ClaimIndex()
    victim = tenant("shop", "b", downstream=False, created="9", path="x")
    index.replace(victim.source, [victim])
    claims = [
        replace(
            tenant("evil", f"a{n}", downstream=True, created="1"),
            key=EntryKey.of(
                "spiffe://example.org/x", "spiffe://example.org/p", [Selector("k8s", f"evil:{n}")]
            ),
        )
        for n in range(50)
    ]
    for claim in claims:
        assert index.replace(claim.source, [claim]) == {claim.key}
        assert index.yields_to(claim) == victim
    # A second one of the same namespace to yield to changes nothing, the last one does.
    another = replace(
        victim,
        source=Claimant("SpiffeID", "shop", "c"),
        key=EntryKey.of(
            "spiffe://example.org/x", "spiffe://example.org/p", [Selector("k8s", "shop:c")]
        ),
    )
    assert index.replace(another.source, [another]) == {another.key}
    assert index.remove(victim.source) == {victim.key}
    assert index.yields_to(claims[0]) == another
    assert index.remove(another.source) == {another.key, *(claim.key for claim in claims)}
    assert index.yields_to(claims[0]) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["evil", "shop", "other"]),
            st.sampled_from(["a", "b"]),
            st.sampled_from(["x", "y"]),
            st.sampled_from([True, False, None]),
        ),
        max_size=25,
    )
)
def test_what_a_claim_yields_to_is_what_others_claim_without_the_privilege(
    steps: list[tuple[str, str, str, bool | None]],
) -> None:
    index = ClaimIndex()
    for namespace, name, path, downstream in steps:
        made = tenant(namespace, name, downstream=bool(downstream), created="1", path=path)
        if downstream is None:
            index.remove(made.source)
        else:
            index.replace(made.source, [made])
        claims = [claim for key in index.keys() for claim in index.claims(key)]  # noqa: SIM118
        for claim in claims:
            plain = [
                other
                for other in claims
                if other.key.spiffe_id == claim.key.spiffe_id
                and other.source.namespace != claim.source.namespace
                and not other.attributes.is_privileged
            ]
            expected = bool(plain) and claim.attributes.is_privileged
            assert (index.yields_to(claim) is not None) == expected
            assert index.yields_to(claim) in [*plain, None]
