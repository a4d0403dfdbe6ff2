"""Hostile texts to every decoder that reads what others wrote: an answer or an error, and soon.

Each text meets each decoder. An error must be the decoder's own, so that its caller
reports it at the object, and must hold nothing that steers a terminal.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from api.codec import Decoder, convert, decode, decode_object
from api.core import Pod
from api.documents import load_yaml_documents
from api.durations import parse_duration
from api.errors import MOST_SHOWN, InvalidField, printable
from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from api.meta import Condition, KubeObject, ObjectMeta, set_condition
from registrar.admission.review import read_review
from registrar.csi.attributes import wish_of
from registrar.csi.jwtsvid import subject_of
from registrar.identity.bundle import parse_bundle
from registrar.identity.publishedbundle import parse_published
from registrar.identity.spiffeid import check_spiffe_id, check_trust_domain
from registrar.kube.client import read_page
from registrar.kube.errors import MOST_RETRY_SECONDS, KubeError, error_for, read_status
from registrar.kube.kubeconfig import KubeConfig
from registrar.kube.store import version_of
from registrar.settings.hcl import parse, parse_scalar
from registrar.settings.load import interpret
from registrar.settings.manager import expand_environment, unset_variables
from registrar.settings.yamltree import parse_yaml
from registrar.spire.errors import error_of
from registrar.telemetry.health import parse_address
from tests.support.cputime import soon

DIGITS = "9" * 5000
DEEP = 200_000


def _bomb() -> str:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *levels])


def _merging_bomb() -> str:
    levels = [
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: 1}}" for n in range(1, 9)
    ]
    return "\n".join(["a0: &a0 {x: 1, y: 2, z: 3}", *levels])


TEXTS = {
    "asterisks": "*" * 100_000 + "x",
    "letters": "a" * 1_000_000,
    "letters and a mark": "a" * 1_000_000 + "!",
    "dots": "." * 1_000_000,
    "spaces": " " * 1_000_000,
    "spaces in a line": "a" + " " * 60_000 + "b",
    "line breaks": "\n" * 100_000,
    "dollars": "${" * 100_000,
    "quotes": '"' * 100_000,
    "backslashes": "\\" * 100_001,
    "comments": "/*" * 100_000,
    "heredocs": "a = <<X\n" * 10_000,
    "labels": "a " * 100_000 + "{}",
    "labelled blocks": "".join(f'a "b{n}" {{}}\n' for n in range(1000)),
    "many unknown keys": "".join(f"metrics_addrs{n} = 1\n" for n in range(500)),
    "a long key of a list": f"{'a' * 100_000} = [{'1,' * 100}]",
    "a long key whose keys stand twice": "a" * 100_000 + " {\n" + "b = 1\n" * 500 + "}",
    "digits": DIGITS,
    "digits after a sign": f"-{DIGITS}",
    "digits with a unit": f"{DIGITS}h",
    "a long fraction": f"0.{DIGITS}s",
    "hours": "1h" * 100_000,
    "nothing, often": "0s" * 1_000_000,
    "an exponent": f"1e{DIGITS}",
    "digits in JSON": f'{{"a": {DIGITS}, "kind": {DIGITS}}}',
    "digits in a block": f"a = {DIGITS}",
    "digits in YAML": f"a: {DIGITS}",
    "base 60": "a: 1" + ":1" * 100_000,
    "brackets": "[" * DEEP,
    "closed brackets": "[" * DEEP + "]" * DEEP,
    "objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "objects in a request": '{"request":' * DEEP + "1" + "}" * DEEP,
    "lists in a block": "a = " + "[" * DEEP,
    "blocks": "a {" * DEEP,
    "YAML mappings": "".join(f"{' ' * n}a:\n" for n in range(1000)),
    "YAML lists": "- " * DEEP,
    "YAML keys": "? " * DEEP,
    "a bomb of aliases": _bomb(),
    "a bomb of merged aliases": _merging_bomb(),
    "an alias in itself": "a: &a [*a]",
    "an alias of nothing": "a: *a",
    "a tag": "a: !!python/object/apply:os.system ['true']",
    "a wrong tag": "a: !!int b",
    "a key that is a list": "? [a]\n: b",
    "escapes": "a: \x1b[31m\x9b2J\x07\u202e",
    "escapes in JSON": json.dumps({"kind": "\x1b[31m\x9b2J\x07\u202e"}),
    "escapes in a block": 'a\x1b[31m = "\x1b[31m"',
    "escapes in an ID": "spiffe://example.org/\x1b[31m\x9b2J\u202e",
    "a lone surrogate": "a: \ud800",
    "a lone surrogate in JSON": '{"kind": "\\ud800"}',
    "zero bytes": "\0" * 100_000,
    "zero bytes in JSON": '{"kind": "a\\u0000b"}',
    "nothing": "",
}


def _duration(text: str) -> None:
    # The message is the caller's to quote, in an InvalidField.
    with contextlib.suppress(ValueError):
        parse_duration(text)


def _server_error(text: str) -> None:
    status = read_status(text.encode(errors="surrogatepass"))
    for error in (error_for(429, status), KubeError(text), error_of(13, text)):
        assert str(error).isprintable()


def _condition(text: str) -> None:
    (found,) = set_condition((), Condition(type="Ready", status="False", message=text))
    assert found.message.isprintable()


def _attributes(text: str) -> None:
    fields = ("uid", "keyFile", "keyMode", "jwtTokens", "jwtAudiences", "hint")
    for given in ({text: "x"}, *({name: text} for name in fields)):
        with contextlib.suppress(InvalidField):
            wish_of(given)
    wish_of({text: text})


def _kubeconfig(text: str, folder: Path) -> None:
    path = folder / "kubeconfig"
    path.write_bytes(text.encode(errors="surrogatepass"))
    KubeConfig([path], named_by="kubeconfig", context="")(False)  # noqa: FBT003


DECODERS: dict[str, Callable[[str], object]] = {
    "JSON": lambda text: decode(_bytes(text), KubeObject),
    "JSON text": lambda text: decode(text, KubeObject),
    "JSON decoder": lambda text: Decoder(Pod).decode(_bytes(text)),
    "JSON object": lambda text: decode_object(_bytes(text)),
    "value": lambda text: convert({"kind": text, "metadata": [[text]]}, KubeObject),
    "review": lambda text: read_review(_bytes(text)),
    "list": lambda text: read_page(_bytes(text)),
    "server's error": _server_error,
    "condition": _condition,
    "bundle": lambda text: parse_bundle(text, trust_domain="a.test", path="spec.bundle"),
    "published bundle": lambda text: parse_published(text, trust_domain="a.test", path="where"),
    "SPIFFE ID": lambda text: check_spiffe_id(text, path="spec.spiffeID"),
    "trust domain": lambda text: check_trust_domain(text, path="spec.trustDomain"),
    "duration": _duration,
    "label selector": lambda text: compile_selector(
        LabelSelector(
            match_labels={text: text},
            match_expressions=(LabelSelectorRequirement(key=text, operator=text, values=(text,)),),
        ),
        path="spec.podSelector",
    ),
    "resource version": lambda text: version_of(ObjectMeta(resource_version=text)),
    "volume attributes": _attributes,
    "token": lambda text: subject_of(_bytes(text)),
    "address": parse_address,
    "YAML": load_yaml_documents,
    "YAML tree": parse_yaml,
    "HCL": parse,
    "HCL on the command line": parse_scalar,
    "variables": lambda text: (expand_environment(text, {}), unset_variables(text, {})),
    "configuration": lambda text: interpret(text, path=Path("c.conf")),
    "controller manager's configuration": lambda text: interpret(
        f"kind: ControllerManagerConfig\n{text}", path=Path("c.yaml")
    ),
}


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def check(decoder: Callable[[str], object], text: str) -> None:
    try:
        with soon():
            decoder(text)
    except (ValueError, KubeError) as error:
        # Several problems of a file stand on lines of their own.
        lines = str(error).splitlines()
        assert all(line.isprintable() for line in lines), lines
        assert sum(map(len, lines)) < 10 * MOST_SHOWN * 4


@pytest.mark.may_block
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_a_hostile_text_gets_an_answer_or_an_error_and_soon(
    decoder: Callable[[str], object], text: str
) -> None:
    check(decoder, text)


@pytest.mark.may_block
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_kubeconfig_gets_an_error_and_soon(tmp_path: Path, text: str) -> None:
    with soon(), pytest.raises(InvalidField, match="kubeconfig") as caught:
        _kubeconfig(text, tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("seconds", [f"{DIGITS}", "1e300"])
def test_a_server_cannot_make_us_wait_for_ever(seconds: str) -> None:
    body = f'{{"details": {{"retryAfterSeconds": {seconds}}}}}'.encode()
    error = error_for(429, read_status(body), retry_after=float(DIGITS))
    assert getattr(error, "retry_after", 0.0) == MOST_RETRY_SECONDS


def test_an_error_shows_what_steers_a_terminal_as_escapes() -> None:
    error = InvalidField("a\x1b[31m\nb", "c\x9b\u202e", "use \x07d")
    assert str(error) == r"a\x1b[31m\nb: 'c\x9b\u202e': use \x07d"
    assert error.path == "a\x1b[31m\nb"


def test_an_error_shows_the_beginning_of_a_long_value() -> None:
    text = str(InvalidField("spec.x", "y" * 1_000_000, "shorten it"))
    assert len(text) < MOST_SHOWN + 100
    assert "(1000000 characters)" in text


def test_what_is_printable_stays_as_it_is() -> None:
    text = "Grüße, 世界 'a' \\ \"b\""
    assert printable(text) == text
