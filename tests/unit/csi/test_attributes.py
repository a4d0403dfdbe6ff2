"""Volume attributes: untrusted text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.csi.attributes import JWT, PKCS12, Classic, Wish, check_file_name, wish_of
from registrar.errors import InvalidField


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
        jwt=JWT(audiences=("db", "cache"), file="token"),
        jwt_bundles="keys.json",
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
        ({"jwtAudiences": ",".join(map(str, range(17)))}, "more than 16"),
        ({"fsGroup": "5"}, "unknown attribute"),
        ({"keyfile": "a"}, "did you mean keyFile?"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(attributes: dict[str, str], words: str) -> None:
    assert words in refused(**attributes)


def test_every_attribute_is_in_the_documentation() -> None:
    root = Path(__file__).resolve().parents[3]
    code = (root / "registrar/csi/attributes.py").read_text(encoding="utf-8")
    page = (root / "docs/howto/deliver-svids-as-files.md").read_text(encoding="utf-8")
    names = re.findall(r'attributes\.(?:text|choice|file|number|mode)\("(\w+)"', code)
    assert len(names) > 15
    assert [name for name in names if f"`{name}`" not in page] == []
