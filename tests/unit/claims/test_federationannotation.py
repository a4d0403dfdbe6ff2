"""The annotation spiffe.io/federatesWith."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.federationannotation import FEDERATES_WITH_ANNOTATION, annotated_federation

DOMAINS = st.lists(st.from_regex(r"[a-z][a-z0-9.-]{0,10}[a-z]", fullmatch=True), max_size=5)
SPACES = st.sampled_from(["", " ", "  ", "\t"])


def asked(text: str) -> tuple[tuple[str, ...], str]:
    return annotated_federation({FEDERATES_WITH_ANNOTATION: text}, "example.org")


def test_without_the_annotation_there_is_nothing() -> None:
    assert annotated_federation({}, "example.org") == ((), "")


def test_one_bad_name_costs_the_others_nothing_and_is_named() -> None:
    domains, problem = asked("b.test,Bad!,a.test")
    assert domains == ("a.test", "b.test")
    assert FEDERATES_WITH_ANNOTATION in problem
    assert "Bad!" in problem


def test_the_servers_own_trust_domain_is_left_out() -> None:
    assert asked("example.org,a.test") == (("a.test",), "")


@given(domains=DOMAINS, before=SPACES, after=SPACES)
def test_spaces_order_and_repetition_do_not_matter(
    domains: list[str], before: str, after: str
) -> None:
    text = ",".join(f"{before}{name}{after}" for name in [*domains, *domains])
    assert asked(text) == (tuple(sorted(set(domains))), "")
