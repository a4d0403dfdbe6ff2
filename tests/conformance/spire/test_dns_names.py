"""Which DNS names a server takes into an entry; far more than may stand in DNS."""

import grpc

from api.proto import types_pb2
from tests.conformance.spire.conftest import Target

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])
"""253 characters in labels of 63."""

ACCEPTED = [
    *("web", "WEB.Example", "123", "1.2.3.4", "::1"),
    *("web_1", "_web._tcp.example"),
    *("not a name", " web", "web ", "web\n", "a\tb", "a\nb", "a. .b", "*. web", "a\0b", "a\x7fb"),
    *("http://web", "web:80", "web/x", "a@b", "a,b", "a%b", '"', "'"),
    *("m--svc", "abc--d", "a-b--c"),
    *("*.web", "*.xn--mnchen-3ya.example"),
    *("xn--mnchen-3ya.example", "xn--ls8h.example", "xn--zca", "xn--4gbrim", "web.xn--4gbrim"),
    *("a" * 63, LONGEST, f"*.{LONGEST}"),
]
REFUSED = {
    "": "empty or only whitespace",
    " ": "empty or only whitespace",
    "\n": "empty or only whitespace",
    "*.": "empty or only whitespace",
    ".": "domain ends with dot",
    "web.": "domain ends with dot",
    "web. ": "domain ends with dot",
    "*.web.": "domain ends with dot",
    "a..b": 'invalid label "a..b"',
    ".web": 'invalid label ".web"',
    "my--svc": 'invalid label "my--svc"',
    "ab--": 'invalid label "ab--"',
    "ab--c": 'invalid label "ab--c"',
    "-web": 'invalid label "-web"',
    "web-": 'invalid label "web-"',
    "*": "wildcard must be first label",
    "*web": "wildcard must be first label",
    "we*b": "wildcard must be first label",
    "a.*.web": "wildcard must be first label",
    "* .web": "wildcard must be first label",
    " *.web": "wildcard must be first label",
    "**": "too many wildcards",
    "*.*.web": "too many wildcards",
    "münchen.example": "name must be ascii",
    "XN--mnchen-3ya.example": "idna error",
    "xn--Mnchen-3ya": "idna error",
    "xn--": "idna error",
    "xn--a": "idna error",
    "xn--0-zmc": "idna error",
    "xn--fo-xn--": "idna error",
    "xn--99999999": "idna error",
    "1.xn--4gbrim": "invalid label",
    "xn--abc-": "",
    "a" * 64: "idna error",
    f"{LONGEST}b": "idna error",
    f"*.{LONGEST}b": "idna error",
}


def named(target: Target, number: int, *dns_names: str) -> types_pb2.Entry:
    entry = target.entry(f"/web-{number}")
    entry.dns_names.extend(dns_names)
    return entry


async def test_these_names_are_accepted_and_kept_as_they_are(target: Target) -> None:
    results = await target.create(
        *(named(target, number, name) for number, name in enumerate(ACCEPTED))
    )
    answered = {
        name: list(result.entry.dns_names) or result.status.message
        for name, result in zip(ACCEPTED, results, strict=True)
    }
    assert answered == {name: [name] for name in ACCEPTED}


async def test_these_names_are_refused_and_it_says_why(target: Target) -> None:
    results = await target.create(
        *(named(target, number, name) for number, name in enumerate(REFUSED))
    )
    for (name, why), result in zip(REFUSED.items(), results, strict=True):
        assert result.status.code == INVALID_ARGUMENT, name
        assert "invalid DNS name: " in result.status.message, name
        assert why in result.status.message, name


async def test_a_wildcard_may_stand_beside_a_name_that_it_covers(target: Target) -> None:
    await target.created(named(target, 0, "*.example.org", "web.example.org"))


async def test_an_update_is_held_to_the_same(target: Target) -> None:
    (created,) = await target.created(named(target, 0))
    mask = types_pb2.EntryMask(dns_names=True)
    odd = types_pb2.Entry(id=created.id, dns_names=["not a name"])
    assert list((await target.update(odd, mask)).entry.dns_names) == ["not a name"]
    bad = types_pb2.Entry(id=created.id, dns_names=["my--svc"])
    assert (await target.update(bad, mask)).status.code == INVALID_ARGUMENT
    assert list((await target.get(created.id)).dns_names) == ["not a name"]
