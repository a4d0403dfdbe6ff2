import pytest

from registrar.errors import InvalidField
from workloads.policy import parse_policy

WHO = "spiffe://example.org/client"
POLICY = parse_policy(
    """
ingress:
  allow:
    spiffe://example.org/client:
      - {path: /public, methods: [GET]}
      - {path: /orders/, methods: [GET, POST]}
    spiffe://example.org/admin:
      - {path: /, methods: ["*"]}
egress:
  audiences:
    Server.example:9443: spiffe://example.org/server
    other.example: other
""",
    path="policy.yaml",
)


@pytest.mark.parametrize(
    ("who", "method", "target"),
    [
        (WHO, "GET", "/public"),
        (WHO, "GET", "/public?q=/../x"),
        (WHO, "GET", "/public/"),
        (WHO, "GET", "/public/a.b/c"),
        (WHO, "POST", "/orders"),
        (WHO, "POST", "/orders/1"),
        ("spiffe://example.org/admin", "DELETE", "/whatever"),
        ("spiffe://example.org/admin", "GET", "/"),
    ],
)
def test_what_is_allowed_is_allowed(who: str, method: str, target: str) -> None:
    assert POLICY.why_refused(who, method, target) == ""


@pytest.mark.parametrize(
    ("who", "method", "target", "why"),
    [
        (WHO, "POST", "/public", "may not POST /public"),
        (WHO, "GET", "/publicity", "may not GET"),
        (WHO, "GET", "/Public", "may not GET"),
        (WHO, "get", "/public", "may not get"),
        (WHO, "GET", "/", "may not GET"),
        ("spiffe://example.org/other", "GET", "/public", "may do nothing"),
        ("", "GET", "/public", "may do nothing"),
    ],
)
def test_everything_else_is_not(who: str, method: str, target: str, why: str) -> None:
    assert why in POLICY.why_refused(who, method, target)


@pytest.mark.parametrize(
    "target",
    [
        "/public/../admin",
        "/public/..",
        "/public/%2e%2e/admin",
        "/public/%2E./admin",
        "/public%2f..%2fadmin",
        "/public//admin",
        "//public",
        "/public\\..\\admin",
        "/public/.",
        "/public;a=b",
        "/public#x",
        "/public\x00",
        "/publi\u0441",
        "public",
        "",
        "http://x/public",
    ],
)
def test_what_can_be_read_in_two_ways_is_not_allowed(target: str) -> None:
    assert "several ways" in POLICY.why_refused("spiffe://example.org/admin", "GET", target)


def test_a_host_has_an_audience_by_its_port_or_without() -> None:
    assert POLICY.audience_for("server.example:9443") == "spiffe://example.org/server"
    assert POLICY.audience_for("SERVER.example:9443") == "spiffe://example.org/server"
    assert POLICY.audience_for("other.example:80") == POLICY.audience_for("other.example")
    for host in ("server.example", "server.example:80", "", "other.example.org", ":80"):
        assert POLICY.audience_for(host) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "nothing is allowed"),
        ("ingres: {}", "ingres"),
        ("[]", "policy.yaml"),
        ("a: [", "line"),
        ("", "documents"),
        ("ingress: {allow: {example.org/a: []}}", "a SPIFFE ID starts with"),
        ("ingress: {allow: {spiffe://a/b: [{path: x, methods: [GET]}]}}", r"\[0\].path"),
        ("ingress: {allow: {spiffe://a/b: [{path: /a/../b, methods: [GET]}]}}", r"\[0\].path"),
        ("ingress: {allow: {spiffe://a/b: [{path: /}]}}", r"\[0\].methods"),
        ("ingress: {allow: {spiffe://a/b: [{path: /, methods: [get]}]}}", "GET and POST"),
        ("egress: {audiences: {server: ''}}", r"egress.audiences\[server\]"),
    ],
)
def test_a_wrong_file_says_where(text: str, why: str) -> None:
    with pytest.raises(InvalidField, match=why):
        parse_policy(text, path="policy.yaml")
