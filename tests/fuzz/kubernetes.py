"""What an API server sends: lines of a watch, lists, refusals, and questions to the webhooks."""

import json
from collections.abc import Callable

from hypothesis import strategies as st

from api.codec import DecodeError, JSONValue, convert, decode, decode_object
from api.core import Pod
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    POD,
    SPIFFE_ID,
    SPIRE_ENTRY,
    Kind,
)
from api.meta import KubeObject
from registrar.admission.review import BadReviewError, Verdict, answer, read_review
from registrar.claims.admission import (
    problem_of_static_entry,
    problem_of_template,
    problem_of_trust_domain,
)
from registrar.claims.podtemplate import Surroundings
from registrar.claims.spiffeid import claim_of
from registrar.errors import InvalidField
from registrar.kube.errors import MOST_RETRY_SECONDS, KubeError, error_for, read_status
from registrar.kube.lines import LineSplitter
from registrar.kube.received import Received
from registrar.kube.store import Store, version_of
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated

_SURROUNDINGS = Surroundings("example.org", "c", "cluster.local")
_JSON_SCALARS = st.sampled_from(
    [
        None, True, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, 1e308, "", "a", "example.org", "é\u202e",
        "\0", "\x1b[31m", "spiffe://example.org/a", "https_web", "{{ .PodMeta.Name }}", "{{",
        "k8s:ns:a", "x" * 3000, "9" * 400, "2026-01-01T00:00:00Z", "Exists", "1h", "https://a/b",
    ]
)  # fmt: skip
_FIELDS = st.sampled_from(
    [
        "kind", "apiVersion", "metadata", "spec", "status", "name", "namespace", "uid", "labels",
        "annotations", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp",
        "selector", "spiffeId", "spiffeID", "parentId", "parentID", "dnsNames", "selectors",
        "spiffeIDTemplate", "podSelector", "matchLabels", "matchExpressions", "key", "operator",
        "values", "dnsNameTemplates", "workloadSelectorTemplates", "federatesWith", "ttl", "hint",
        "trustDomain", "bundleEndpointURL", "bundleEndpointProfile", "type", "trustDomainBundle",
        "className", "fallback", "admin", "downstream", "conditions", "nodeName", "continue",
        "items", "object", "message", "reason", "code", "details", "retryAfterSeconds", "x" * 300,
    ]
)  # fmt: skip


def _json(inner: st.SearchStrategy[JSONValue]) -> st.SearchStrategy[JSONValue]:
    return st.one_of(
        st.dictionaries(_FIELDS, inner, max_size=5),
        st.lists(inner, max_size=4),
    )


_VALUES: st.SearchStrategy[JSONValue] = st.recursive(_JSON_SCALARS, _json, max_leaves=12)
_OBJECTS = st.builds(
    lambda meta, spec, more: {"metadata": meta, "spec": spec, **more},
    st.one_of(st.dictionaries(_FIELDS, _VALUES, max_size=5), _VALUES),
    st.one_of(st.dictionaries(_FIELDS, _VALUES, max_size=8), _VALUES),
    st.dictionaries(_FIELDS, _VALUES, max_size=3),
)
_DEEP = st.builds(
    lambda opening, inner, closing, times: opening * times + inner + closing * times,
    st.sampled_from([b'{"a":', b"[", b'{"object":', b'{"metadata":{"labels":', b'[{"spec":']),
    st.just(b"1"),
    st.sampled_from([b"}", b"]", b"}}", b"}]", b""]),
    st.sampled_from([50, 1000, 20_000]),
)


def _dumped(value: JSONValue) -> bytes:
    return json.dumps(value).encode()


_EVENTS = st.builds(
    lambda type_, obj: _dumped({"type": type_, "object": obj}),
    st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "", 1, None]),
    _OBJECTS,
)
_LISTS = st.builds(
    lambda meta, items: _dumped({"metadata": meta, "items": items}),
    _VALUES,
    st.one_of(st.lists(_OBJECTS, max_size=4), _VALUES),
)
WATCH_SEEDS = (
    (
        b'{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"b","uid":"u",'
        b'"resourceVersion":"7","labels":{"a":"b"}},"spec":{"nodeName":"n"}}}\n'
    ),
    b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}\n',
    b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"m"}}\n',
    b'{"metadata":{"resourceVersion":"1","continue":"c"},"items":[{"metadata":{"name":"a"}}]}',
    b'{"kind":"Status","code":429,"reason":"TooManyRequests","details":{"retryAfterSeconds":9e9}}',
)


def _watch(data: bytes) -> None:
    """Whatever the cuts, the same lines; each is an event, or an error of its own."""
    whole = LineSplitter(limit=2**22)
    lines = whole.feed(data + b"\n")
    assert lines == [line for line in data.split(b"\n") if line]
    cut, found = LineSplitter(limit=2**22), []
    for start in range(0, len(data), max(1, len(data) // 7)):
        found += cut.feed(data[start : start + max(1, len(data) // 7)])
    assert [*found, *cut.feed(b"\n")] == lines
    for kind in (POD, SPIFFE_ID, CLUSTER_SPIFFEID):
        _received(kind, lines[:20], data)
    _refused(data)


def _received(kind: Kind[KubeObject], lines: list[bytes], reply: bytes) -> None:
    received, store = Received(kind), Store[KubeObject]()
    for line in lines:
        try:
            event = received.read_event(line)
        except KubeError as error:
            assert str(error).isprintable()
            continue
        assert event.error.isprintable()
        if event.meta is None:
            continue
        version_of(event.meta)
        if event.object is None:
            store.observe_broken(event.meta, event.error)
        elif event.type == "DELETED":
            store.observe_deleted(event.meta)
        else:
            store.observe(event.object)
    try:
        good, bad, _ = received.read_list(reply)
    except KubeError:
        return
    listing = store.begin_list()
    for obj in good:
        listing.take(obj)
    for meta, why in bad:
        listing.take_broken(meta, why)
    list(listing.finish())


def _refused(data: bytes) -> None:
    status = read_status(data)
    for code in (0, 400, 409, 410, 429, 500, 599):
        error = error_for(code, status, call="GET /x", retry_after=1e300)
        assert str(error).isprintable()
        assert len(str(error)) < 4000
        assert getattr(error, "retry_after", 0.0) <= MOST_RETRY_SECONDS


WATCH = Target(
    "watch",
    _watch,
    st.one_of(
        st.lists(_EVENTS, max_size=4).map(b"\n".join),
        _LISTS,
        _VALUES.map(_dumped),
        mutated(WATCH_SEEDS, (b'"metadata":', b'"labels":', b"\n", b"{}")),
        _DEEP,
        ANY,
    ),
    steps=(200_000, 2000),
    memory=(16 * 2**20, 1500),
    seeds=WATCH_SEEDS,
)


def _review(kind: str, obj: JSONValue, old: JSONValue, more: dict[str, JSONValue]) -> bytes:
    request = {"uid": "u", "operation": "UPDATE", "object": obj, "oldObject": old}
    return _dumped(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {**request, "kind": {"group": "", "version": "v1", "kind": kind}, **more},
        }
    )


_REVIEWS = st.builds(
    _review,
    st.sampled_from(["Pod", "ClusterSPIFFEID", "", "x" * 3000]),
    st.one_of(_OBJECTS, _VALUES),
    st.one_of(_OBJECTS, _VALUES),
    st.dictionaries(
        st.sampled_from(["uid", "operation", "object", "namespace", "name", "dryRun", "kind"]),
        _VALUES,
        max_size=2,
    ),
)
REVIEW_SEEDS = (
    _review("Pod", {"metadata": {"name": "a"}, "spec": {"nodeName": "n"}}, None, {}),
    _review(
        "ClusterSPIFFEID",
        {
            "metadata": {"name": "a"},
            "spec": {
                "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}",
                "podSelector": {
                    "matchLabels": {"a": "b"},
                    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
                },
                "dnsNameTemplates": ["{{ .PodMeta.Name }}.x"],
                "workloadSelectorTemplates": ["k8s:ns:{{ .PodMeta.Namespace }}"],
                "federatesWith": ["*.example.org"],
                "ttl": "1h",
            },
        },
        None,
        {},
    ),
    _review(
        "ClusterFederatedTrustDomain",
        {
            "spec": {
                "trustDomain": "a.test",
                "bundleEndpointURL": "https://a.test/b",
                "bundleEndpointProfile": {
                    "type": "https_spiffe",
                    "endpointSPIFFEID": "spiffe://a/b",
                },
                "trustDomainBundle": '{"keys": []}',
            }
        },
        None,
        {},
    ),
    _review(
        "ClusterStaticEntry",
        {
            "spec": {
                "spiffeID": "spiffe://example.org/a",
                "parentID": "spiffe://example.org/b",
                "selectors": ["k8s:ns:a"],
                "x509SVIDTTL": "1h",
                "dnsNames": ["a.b"],
                "federatesWith": ["c.test"],
            }
        },
        None,
        {},
    ),
    _review(
        "SpiffeID",
        {
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {
                "spiffeId": "spiffe://example.org/a",
                "parentId": "spiffe://example.org/b",
                "selector": {"namespace": "b", "podName": "c", "arbitrary": ["k8s:x:y"]},
                "dnsNames": ["a"],
            },
        },
        None,
        {},
    ),
)


def _problem_of_spiffe_id(obj: object) -> str:
    spiffe_id = convert({}, SPIFFE_ID.type) if not isinstance(obj, SPIFFE_ID.type) else obj
    try:
        claim_of(
            spiffe_id, trust_domain="example.org", own_namespace="spire", allows_downstream=True
        )
    except InvalidField as error:
        return str(error)
    return ""


def _problems(raw: bytes) -> list[str]:
    """What each validator says of an object."""
    found = []
    problem_of: list[Callable[[], str]] = [
        lambda: problem_of_template(decode(raw, CLUSTER_SPIFFEID.type), _SURROUNDINGS),
        lambda: problem_of_static_entry(decode(raw, CLUSTER_STATIC_ENTRY.type), "example.org"),
        lambda: problem_of_trust_domain(
            decode(raw, CLUSTER_FEDERATED_TRUST_DOMAIN.type), "example.org"
        ),
        lambda: _problem_of_spiffe_id(decode(raw, SPIFFE_ID.type)),
        lambda: str(decode(raw, Pod).key) and "",
        lambda: str(decode(raw, SPIRE_ENTRY.type).key) and "",
        lambda: str(len(decode_object(raw))) and "",
    ]
    for problem in problem_of:
        try:
            found.append(problem())
        except DecodeError as error:
            found.append(str(error))
    return found


def _admission(data: bytes) -> None:
    question = read_review(data)
    for problem in _problems(bytes(question.request.object)):
        assert problem.isprintable()
        assert len(problem) < 100_000
        reply = answer(question, Verdict(allowed=not problem, message=problem))
        assert json.loads(json.dumps(reply))["response"]["uid"] == question.request.uid


ADMISSION = Target(
    "admission",
    _admission,
    st.one_of(
        _REVIEWS,
        mutated(REVIEW_SEEDS, (b'"object":', b'"spec":{', b"{{", b"*", b'"keys":[{}]')),
        _DEEP,
        ANY,
    ),
    refused=(BadReviewError,),
    steps=(400_000, 1500),
    memory=(16 * 2**20, 4000),
    seeds=REVIEW_SEEDS,
)
