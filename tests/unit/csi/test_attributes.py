"""Volume attributes: untrusted text."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registrar.csi.attributes import check_file_name, wish_of
from registrar.csi.wish import JWT, PKCS12, Classic, Wish
from registrar.errors import InvalidField

DRAFT_FILE = "credential-bundle.private-key.pem"
OLD_DRAFT = {"profile": "2026-02"}


def refused(**attributes: str) -> str:
    with pytest.raises(InvalidField) as caught:
        wish_of(attributes)
    return str(caught.value)


def test_nothing_asked_for_is_the_classic_layout() -> None:
    assert wish_of({"csi.storage.k8s.io/pod.name": "web-1"}) == Wish()


def test_everything_that_can_be_asked_for() -> None:
    assert wish_of(
        {
            "certificateFile": "tls/cert.pem",
            "keyFile": "tls/key.pem",
            "bundleFile": "ca.pem",
            "federatedBundleFolder": "others",
            "hint": "internal",
            "uid": "1000",
            "gid": "2000",
            "keyMode": "0400",
            "fileMode": "440",
            "jwtAudiences": "db, cache,db",
            "jwtFile": "token",
            "jwtBundles": "true",
            "jwtBundleFile": "keys.json",
            "bundleMapFile": "envoy/trust_bundles.json",
            "pkcs12File": "store.p12",
            "pkcs12Password": "x",
        }
    ) == Wish(
        classic=Classic(
            certificate="tls/cert.pem", key="tls/key.pem", bundle="ca.pem", federated="others"
        ),
        hint="internal",
        uid=1000,
        gid=2000,
        key_mode=0o400,
        file_mode=0o440,
        jwt=(JWT(audiences=("db", "cache"), file="token"),),
        jwt_bundles="keys.json",
        bundle_map="envoy/trust_bundles.json",
        pkcs12=PKCS12(file="store.p12", password="x"),
    )
    assert wish_of({"layout": "spiffe-files", "svids": "all"}).all_svids


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "..",
        "../key",
        "a/../../b",
        "..data",
        "..data/svid.pem",
        "a//b",
        "a/",
        "a/./b",
        "a\\b",
        "a\0b",
        "-rf",
        "a b",
        "a" * 200,
        "a/b/c/d/e",
        "ключ",
    ],
)
def test_no_file_name_leaves_the_volume_or_takes_its_own_names(name: str) -> None:
    assert "volumeAttributes.keyFile" in refused(keyFile=name)


@given(st.text(max_size=30))
def test_a_name_that_is_allowed_stays_below_the_volume(name: str) -> None:
    try:
        check_file_name(name, path="x")
    except InvalidField:
        return
    parts = name.split("/")
    assert not name.startswith("/")
    assert all(part not in {"", "."} and not part.startswith("..") for part in parts)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"mode": "secret"}, "write files or workload-api"),
        ({"layout": "helm"}, "write classic or spiffe-files"),
        ({"profile": "2020-01"}, "write 2026-08 or 2026-02"),
        ({"keyMode": "0444"}, "write 0440 or stricter"),
        ({"keyMode": "0600"}, "write 0440 or stricter"),
        ({"fileMode": "0666"}, "write 0444 or stricter"),
        ({"keyMode": "rw"}, "in octal"),
        ({"uid": "-1"}, "write a number"),
        ({"uid": "4294967295"}, "write a number"),
        ({"gid": "wheel"}, "write a number"),
        ({"spiffeID": "web"}, "spiffe://"),
        ({"hint": "a", "spiffeID": "spiffe://example.org/a"}, "keep one of them"),
        ({"hint": "a", "svids": "all"}, "not together"),
        ({"layout": "spiffe-files", "keyFile": "key.pem"}, "names of its own"),
        ({"mode": "workload-api", "hint": "a"}, "means nothing"),
        ({"mode": "workload-api", "jwtTokens": "a: b"}, "means nothing"),
        ({"jwtAudiences": ",".join(map(str, range(17)))}, "more than 16"),
        ({"fsGroup": "5"}, "unknown attribute"),
        ({"keyfile": "a"}, "did you mean keyFile?"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(attributes: dict[str, str], words: str) -> None:
    assert words in refused(**attributes)


def test_each_line_asks_for_a_token_in_a_file_of_its_own() -> None:
    written = "\r\n  db.token: db, db\n\ntokens/web:\tspiffe://a.test/x ,https://b.test:443\r\n"
    assert wish_of({"jwtTokens": written}).jwt == (
        JWT(audiences=("db",), file="db.token"),
        JWT(audiences=("spiffe://a.test/x", "https://b.test:443"), file="tokens/web"),
    )
    both = wish_of({"jwtAudiences": "a", "jwtTokens": "b: b", "jwtFile": "c"}).jwt
    assert both == (JWT(audiences=("a",), file="c"), JWT(audiences=("b",), file="b"))
    assert wish_of({"jwtTokens": " \n "}).jwt == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("token", "write 'file: audience, audience'"),
        ("token:", "no audience empty"),
        ("token: ", "no audience empty"),
        ("token: ,", "no audience empty"),
        ("token: a,,b", "no audience empty"),
        ("token: a,", "no audience empty"),
        ("token:db", "a blank after the colon"),
        ("https://db.test", "a blank after the colon"),
        (": db", "write a name below the volume"),
        ("../token: db", "write a name below the volume"),
        ("..data: db", "write a name below the volume"),
        ("- token: db", "write a name below the volume"),
        # What is left of lines in folded text (>) instead of block text (|).
        ("a: db b: cache", "the audience 'db b: cache' has a blank in it"),
        ("a: d\0b", "has a blank in it"),
        ("t: " + ",".join(map(str, range(17))), "more than 16 audiences"),
        ("good: a\nbad: ", "'bad:'"),
        ("a: x\nb: x\na: y", "a is there twice"),
        ("\n".join(f"t{number}: x" for number in range(17)), "'17 lines': write 16 at most"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(line: str, words: str) -> None:
    message = refused(jwtTokens=line)
    assert message.startswith("spec.volumes[].csi.volumeAttributes.jwtTokens: ")
    assert words in message


def test_a_value_that_is_long_does_not_fill_the_message() -> None:
    for attributes in ({"jwtTokens": "x" * 100_000}, {"keyFile": "x" * 100_000}):
        assert len(refused(**attributes)) < 1000


@pytest.mark.parametrize(
    ("blamed", "other", "attributes"),
    [
        ("jwtTokens", "keyFile", {"jwtTokens": "svid_key.pem: a"}),
        ("jwtTokens", "jwtFile", {"jwtTokens": "jwt_svid.token: a", "jwtAudiences": "b"}),
        ("jwtTokens", "jwtFile", {"jwtTokens": "t: a", "jwtAudiences": "b", "jwtFile": "t"}),
        ("jwtTokens", "jwtTokens", {"jwtTokens": "t: a\nt/u: b"}),
        ("jwtTokens", "jwtTokens", {"jwtTokens": "t/u: b\nt: a"}),
        ("jwtTokens", "federatedBundleFolder", {"jwtTokens": "federated: a"}),
        ("jwtTokens", "jwtBundleFile", {"jwtTokens": "jwt_bundle.json: a", "jwtBundles": "true"}),
        ("bundleMapFile", "bundleFile", {"bundleMapFile": "bundle.pem"}),
        ("bundleMapFile", "federatedBundleFolder", {"bundleMapFile": "federated"}),
        ("bundleMapFile", "numbers", {"bundleMapFile": "0", "svids": "all"}),
        (
            "bundleMapFile",
            "for bundles",
            {"bundleMapFile": "a.spiffe-trust-bundle.pem", "layout": "spiffe-files"},
        ),
        ("keyFile", "bundleFile", {"keyFile": "bundle.pem"}),
        ("bundleFile", "certificateFile", {"bundleFile": "svid.pem/ca"}),
        ("certificateFile", "keyFile", {"certificateFile": "svid_key.pem", "hint": "x"}),
        ("federatedBundleFolder", "bundleFile", {"federatedBundleFolder": "bundle.pem/x"}),
        ("pkcs12File", "certificateFile", {"pkcs12File": "tls", "certificateFile": "tls/a"}),
        ("bundleFile", "numbers", {"bundleFile": "7", "svids": "all"}),
        ("bundleFile", "keyFile", {"bundleFile": "7/svid_key.pem", "svids": "all"}),
        ("jwtTokens", "layout", {"jwtTokens": DRAFT_FILE + ": a", "layout": "spiffe-files"}),
        (
            "jwtTokens",
            "for bundles",
            {"jwtTokens": "a.trust-bundle.pem/b: a", "layout": "spiffe-files", **OLD_DRAFT},
        ),
    ],
)
def test_names_that_clash_are_refused_before_anything_is_written(
    blamed: str, other: str, attributes: dict[str, str]
) -> None:
    message = refused(**attributes)
    assert message.startswith(f"spec.volumes[].csi.volumeAttributes.{blamed}: ")
    assert other in message
    assert message.endswith("give it another name")


@pytest.mark.parametrize(
    "attributes",
    [
        {"certificateFile": "tls/a", "keyFile": "tls/b", "jwtTokens": "tls/c: x"},
        {"federatedBundleFolder": "tls", "certificateFile": "tls/a"},
        # Each SVID has a folder of its own, with its own files.
        {"svids": "all", "bundleFile": "svid.pem", "jwtTokens": "bundle.pem: a"},
        {"svids": "all", "bundleFile": "0/ca.pem", "federatedBundleFolder": "1"},
        {"svids": "all", "bundleFile": "07"},
        # A file that nobody asks for takes no name.
        {"jwtFile": "svid.pem", "jwtBundleFile": "svid.pem", "uid": "1"},
        {"layout": "spiffe-files", "jwtTokens": "svid.pem: a\nfederated: b"},
        {"layout": "spiffe-files", "bundleMapFile": "trust_bundles.json"},
        {"layout": "spiffe-files", **OLD_DRAFT, "jwtTokens": DRAFT_FILE + ": a"},
    ],
)
def test_names_that_do_not_clash_are_taken(attributes: dict[str, str]) -> None:
    assert wish_of(attributes) != Wish()


def test_every_attribute_is_in_the_documentation() -> None:
    root = Path(__file__).resolve().parents[3]
    code = (root / "registrar/csi/attributes.py").read_text(encoding="utf-8")
    page = (root / "docs/howto/deliver-svids-as-files.md").read_text(encoding="utf-8")
    names = re.findall(r'attributes\.(?:text|choice|file|number|mode)\("(\w+)"', code)
    assert len(names) > 15
    assert [name for name in names if f"`{name}`" not in page] == []


def test_the_sample_asks_for_several_tokens() -> None:
    sample = Path(__file__).resolve().parents[3] / "config/samples/csi/pod.yaml"
    pods = {pod["metadata"]["name"]: pod for pod in yaml.safe_load_all(sample.read_text())}
    (volume,) = pods["several-tokens"]["spec"]["volumes"]
    assert [token.file for token in wish_of(volume["csi"]["volumeAttributes"]).jwt] == [
        "tokens/db",
        "tokens/cache",
    ]
