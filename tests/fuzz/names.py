"""SPIFFE IDs, trust domains, selectors, labels, URLs of endpoints, volume attributes."""

import re

from hypothesis import strategies as st

from api.durations import parse_duration
from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from registrar.claims.validation import check_dns_name, check_federation
from registrar.errors import InvalidField
from registrar.identity.endpointurl import as_server_writes
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.identity.selectors import Selector, canonical, parse_selector
from registrar.identity.spiffeid import (
    check_spiffe_id,
    check_workload_id,
    full_id,
    path_of,
    trust_domain_of,
)
from registrar.spire.convert import from_proto, to_proto
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated, text_of

# Written anew from the specification (SPIFFE ID, section 2), not taken from the product.
_ID = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)+)")
_SEGMENTS = st.sampled_from(
    ["a", "ns", "spire", ".", "..", "...", "", "%2e", "A_b-c.d", "é", "a b", "x" * 300, "\0", "?q"]
)
_DOMAINS = st.sampled_from(
    ["example.org", "a", "x" * 255, "x" * 256, "", "A.org", "a:8081", "u@a", "127.0.0.1", "..", "é"]
)
_IDS = st.builds(
    lambda scheme, domain, segments: scheme + "/".join([domain, *segments]),
    st.sampled_from(["spiffe://", "SPIFFE://", "spiffe:/", "https://", "", "spiffe://spiffe://"]),
    _DOMAINS,
    st.lists(_SEGMENTS, max_size=12),
)
ID_SEEDS = (
    b"spiffe://example.org/ns/shop/sa/web",
    b"spiffe://example.org/spire/agent/k8s_psat/c/1",
    b"/ns/shop",
    b"https://[::1]:8443/bundle?x=%20#f",
)


def _ids(data: bytes) -> None:
    text = text_of(data)
    try:
        found = check_spiffe_id(text, path="spec.spiffeID")
    except InvalidField:
        matched = _ID.fullmatch(text)
        segments = matched[2].split("/")[1:] if matched else []
        is_id = matched is not None and not {".", ".."} & set(segments) and len(text) <= 2048
        assert not is_id, f"refused: {text!r}"
        _others(text)
        raise
    assert _ID.fullmatch(found), found
    assert not {".", ".."} & set(path_of(found).split("/"))
    assert f"spiffe://{trust_domain_of(found)}{path_of(found)}" == found
    entry = Entry(
        "a.b", EntryKey.of(found, "spiffe://example.org/p", [Selector("k8s", "ns:a")]), Attributes()
    )
    assert from_proto(to_proto(entry)) == entry
    _others(text)


def _others(text: str) -> None:
    for check in (
        lambda: check_workload_id(text, path="a", trust_domain="example.org"),
        lambda: check_spiffe_id(full_id(text, "example.org", path="a"), path="a"),
        lambda: check_federation([text], path="a", trust_domain="example.org"),
        lambda: check_dns_name(text, path="a"),
    ):
        try:
            check()
        except InvalidField:
            continue
    try:
        url = as_server_writes(text)
    except ValueError:
        return
    assert as_server_writes(url) == url, url


ID = Target(
    "spiffe-id",
    _ids,
    st.one_of(
        _IDS.map(lambda text: text.encode("utf-8", "replace")),
        mutated(ID_SEEDS, (b"spiffe://", b"/../", b"//", b"*")),
        ANY,
    ),
    refused=(InvalidField,),
    seeds=ID_SEEDS,
)

_KEYS = st.sampled_from(
    ["app", "a.b/c", "a/b/c", "-a", "a" * 64, "", "é", "a/", "/a", "kubernetes.io/x"]
)
_VALUES = st.sampled_from(["web", "", "a b", "-", "x" * 64, "é", "\0", "a:b:c", ":", "k8s:", ":v"])
_SELECTORS = st.lists(
    st.one_of(_KEYS, _VALUES, st.sampled_from(["In", "NotIn", "Exists", "Gt"])), max_size=8
)
SELECTOR_SEEDS = (b"k8s:ns:default", b"app\nIn\nweb\ndb", b"unix:uid:0\nk8s:sa:x")


def _selectors(data: bytes) -> None:
    parts = text_of(data).split("\n")
    found = []
    for part in parts:
        try:
            selector = parse_selector(part, path="spec.selectors")
        except InvalidField:
            continue
        assert str(selector) == part
        found.append(selector)
    assert canonical(reversed(canonical(found))) == canonical(found)
    key, operator, *values = [*parts, "", ""]
    matches = compile_selector(
        LabelSelector(
            match_labels={key: operator},
            match_expressions=(
                LabelSelectorRequirement(key=key, operator=operator, values=tuple(values)),
            ),
        ),
        path="spec.podSelector",
    )
    assert matches.matches({key: operator}) in {True, False}


SELECTOR = Target(
    "selector",
    _selectors,
    st.one_of(
        _SELECTORS.map("\n".join).map(lambda text: text.encode("utf-8", "replace")),
        mutated(SELECTOR_SEEDS, (b"In\n", b":", b"/")),
        ANY,
    ),
    refused=(InvalidField,),
    seeds=SELECTOR_SEEDS,
)


def _durations(data: bytes) -> None:
    # The message is the caller's to quote, in an InvalidField.
    try:
        parse_duration(text_of(data))
    except ValueError:
        return


DURATION = Target(
    "duration",
    _durations,
    st.one_of(
        st.lists(
            st.sampled_from(["1", "-", ".", "h", "ms", "µs", "9" * 400, "0", "e9", " "]), max_size=9
        )
        .map("".join)
        .map(str.encode),
        ANY,
    ),
    seeds=(b"1h30m", b"1.5s"),
)
