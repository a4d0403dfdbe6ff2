"""Configuration and manifests: HCL from its grammar, YAML with what YAML is feared for."""

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from api.codec import DecodeError
from api.documents import MOST_LEVELS, load_yaml_documents
from registrar.settings.hcl import Items, Scalar, Table, Value, parse
from registrar.settings.hcltokens import HCLError
from registrar.settings.load import interpret
from registrar.settings.manager import expand_environment, unset_variables
from registrar.settings.problems import ConfigError
from registrar.settings.yamltree import YAMLError, parse_yaml
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated, text_of

_KEYS = st.sampled_from(
    [
        "trust_domain", "cluster", "mode", "log_level", "server_socket_path", "server_address",
        "metrics_addr", "addr", "port", "agent_socket_path", "disabled_namespaces", "a", "b",
        "entryIDPrefix", "kind", "apiVersion", "cacheNamespaces", "ignoreNamespaces", "webhook",
        "leader_election", "x" * 3000, "é", '"quoted"', '"a.b"', "a.b", "a-b", "true", "1",
    ]
)  # fmt: skip
_SCALARS = st.sampled_from(
    [
        "1", "-1", "0", "010", "08", "0x1f", "9" * 400, "1e400", "1.5", ".5", "-", "true", "false",
        "null", '""', '"text"', '"${a"', '"${ "}" }"', '"\\x80"', '"\\ud800"', '"\\U00110000"',
        '"\\400"', "<<X\nbody\nX\n", "<<-X\n  body\n  X\n", "<<X\n", "'a'", '"30s"', '"1h1h1h"',
        '"*.example.org"', '"(a+)+$"', '"[::1]:8080"', '":99999"', '"spiffe://x/y"', "bare",
    ]
)  # fmt: skip


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    entry = st.builds("{} = {}\n".format, _KEYS, inner)
    block = st.builds(
        lambda key, labels, body: f"{key} {' '.join(labels)} {{\n{body}}}\n",
        _KEYS,
        st.lists(st.sampled_from(['"x"', '"y"', "z"]), max_size=3),
        st.lists(entry, max_size=3).map("".join),
    )
    return st.one_of(
        st.lists(entry, max_size=4).map("".join).map("{{\n{}}}".format),
        st.lists(inner, max_size=4).map(", ".join).map("[{}]".format),
        st.builds(
            lambda text, times: "[" * times + text + "]" * times,
            inner,
            st.sampled_from([63, 64, 65, 3000]),
        ),
        block.map("{{\n{}}}".format),
    )


_HCL_VALUES = st.recursive(_SCALARS, _blocks, max_leaves=8)
_HCL = st.lists(
    st.one_of(
        st.builds("{} = {}\n".format, _KEYS, _HCL_VALUES),
        st.builds('{} "{}" {{ a = {} }}\n'.format, _KEYS, _KEYS, _HCL_VALUES),
        st.builds(
            lambda key, times: "".join(f'{key} "{n}" {{ b = 1 }}\n' for n in range(times)),
            _KEYS,
            st.sampled_from([2, 100]),
        ),
        st.builds(
            lambda key, times: "".join(f"{key}{n} = 1\n" for n in range(times)),
            st.sampled_from(["a", "mode", "a" * 500]),
            st.sampled_from([2, 100]),
        ),
        st.builds(
            lambda key, times: f"{key} = [{'1,' * times}]\n", _KEYS, st.sampled_from([2, 800])
        ),
        st.sampled_from(["# c\n", "// c\n", "/* c */", "/* c", "\ufeff", "\0", "\x80", "\r\n"]),
    ),
    max_size=8,
).map("".join)

HCL_SEEDS = (
    b'trust_domain = "example.org"\ncluster = "c"\nserver_socket_path = "/tmp/s.sock"\n',
    b'mode = "crd"\ntrust_domain = "a"\nagent_socket_path = "/a"\npod_controller = true\n',
    b'plugins { a "b" { plugin_data { x = <<E\nhe\nE\n} } }\n',
    b'{"trust_domain": "example.org", "cluster": "c", "x": [1, null, {"y": "\\u00e9"}]}',
)

_YAML_SCALARS = st.sampled_from(
    [
        "1", "-1", "010", "0o7", "0x_", "0b_", "1:1:1", "1_0", "9" * 400, "1e400", ".inf", ".nan",
        "true", "yes", "on", "~", "null", "''", '"a"', '"\\ud800"', '"\\0"', "*a", "*b", "&a x",
        "&b [x, x]", "!!int x", "!!float x", "!!binary x", "!!set {a}", "!!omap [a: 1]", "!!null x",
        "!!timestamp x", "!!python/name:os.system", "!x y", "2020-01-01", "12:30:45", "<<", "=",
        "|\n  a\n", ">-\n  a\n", "30s", "[::1]:80", "x" * 3000, "\x1b", "\u2028", "- a", "? a",
    ]
)  # fmt: skip


def _nodes(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.builds("{}: {}".format, _KEYS, inner), max_size=4).map(", ".join)
    anchor = st.sampled_from(["", "&a ", "&b ", "&a &b ", "!!map ", "!!seq ", "!!int "])
    return st.one_of(
        st.builds("{}{{{}}}".format, anchor, pairs),
        st.builds("{}[{}]".format, anchor, st.lists(inner, max_size=4).map(", ".join)),
        st.builds("{{<<: {}, a: {}}}".format, inner, inner),
        st.builds("{{<<: [{}, {}], a: 1}}".format, inner, inner),
        st.builds(
            lambda text, times: "[" * times + text + "]" * times,
            inner,
            st.sampled_from([31, 64, 3000]),
        ),
        st.builds("{{? {} : {}}}".format, inner, inner),
    )


_YAML_NODES = st.recursive(_YAML_SCALARS, _nodes, max_leaves=8)


def _laughs(levels: int, width: int, merge: str) -> str:
    lines = ["a0: &a0 {x: 1, y: 2}" if merge else "a0: &a0 [x, y]"]
    for level in range(1, levels):
        names = ", ".join([f"*a{level - 1}"] * width)
        inner = f"{{<<: [{names}], k{level}: 1}}" if merge else f"[{names}]"
        lines.append(f"a{level}: &a{level} {inner}")
    return "\n".join(lines)


_YAML = st.one_of(
    st.lists(st.builds("{}: {}\n".format, _KEYS, _YAML_NODES), max_size=6).map("".join),
    st.lists(_YAML_NODES, max_size=4).map("\n---\n".join),
    st.builds(_laughs, st.integers(1, 9), st.integers(1, 9), st.sampled_from(["", "<<"])),
    st.builds(
        lambda times: "".join(f"{' ' * n}a:\n" for n in range(times)),
        st.sampled_from([60, 70, 300]),
    ),
    st.builds(
        lambda mark, times: mark * times,
        st.sampled_from(["- ", "? ", "[", "a: {", "--- \n", "&a "]),
        st.sampled_from([60, 3000]),
    ),
)

YAML_SEEDS = (
    (
        b"apiVersion: spire.spiffe.io/v1alpha1\nkind: ControllerManagerConfig\nclusterName: c\n"
        b"trustDomain: example.org\nignoreNamespaces: [kube-system]\nmetrics: {bindAddress: ':1'}\n"
        b"leaderElection: {leaderElect: true, leaseDuration: 15s}\n"
    ),
    b"a: &a [1, 2]\nb: *a\nc: {<<: {x: 1}, y: 2}\n---\n- 1\n- 'x'\n",
    (
        b"apiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\nmetadata: {name: x}\n"
        b"spec: {spiffeID: 'spiffe://a/b', parentID: 'spiffe://a/c', selectors: ['k8s:ns:d']}\n"
    ),
)


def _depth(value: Value) -> int:
    """Levels of a tree, by a loop: nothing here may be what it is to prevent."""
    levels, level = 0, [value]
    while level:
        levels += 1
        level = [
            inner
            for found in level
            if not isinstance(found, Scalar)
            for inner in (
                found.values
                if isinstance(found, Items)
                else [e.value for e in found.entries.values()]
            )
        ]
    return levels


REFUSED = (HCLError, YAMLError, DecodeError, ConfigError)


def _settings(text: str, name: str) -> None:
    interpret(text, path=Path(name))


def _either(*readers: Callable[[str], object]) -> Callable[[bytes], None]:
    """Every reader reads every input: that one refuses it must not hide what another does."""

    def run(data: bytes) -> None:
        text, refusal = text_of(data), None
        for reader in readers:
            try:
                reader(text)
            except REFUSED as error:
                refusal = error
        if refusal is not None:
            raise refusal

    return run


def _hcl(text: str) -> None:
    document = parse(text)
    assert isinstance(document.root, Table)
    assert _depth(document.root) <= 66
    assert len(document.repeated) <= 1000


def _yaml(text: str) -> None:
    for document in load_yaml_documents(text):
        # Not by msgspec: it would not say what is no JSON.
        json.dumps(document)


def _yaml_tree(text: str) -> None:
    for document in parse_yaml(text):
        assert _depth(document.root) <= MOST_LEVELS + 1


def _variables(text: str) -> None:
    unset = unset_variables(text, {"A": "b"})
    assert len(expand_environment(text, {"A": "b"})) <= len(text) + text.count("$")
    assert unset == sorted(set(unset))


HCL = Target(
    "hcl",
    _either(_hcl, lambda text: _settings(text, "a.conf"), _variables),
    st.one_of(
        _HCL.map(lambda text: text.encode("utf-8", "replace")),
        mutated(HCL_SEEDS, (b"a {", b"= ", b"<<X\n", b"/*")),
        ANY,
    ),
    refused=REFUSED,
    steps=(300_000, 1500),
    memory=(16 * 2**20, 4000),
    seeds=HCL_SEEDS,
    few=30,
)
YAML = Target(
    "yaml",
    _either(
        _yaml,
        _yaml_tree,
        lambda text: _settings(f"kind: ControllerManagerConfig\n{text}", "a.yaml"),
    ),
    st.one_of(
        _YAML.map(lambda text: text.encode("utf-8", "replace")),
        mutated(YAML_SEEDS, (b"&a ", b"*a", b"<<: ", b"---\n", b"!!int ")),
        ANY,
    ),
    refused=REFUSED,
    steps=(1_500_000, 1500),
    memory=(24 * 2**20, 4000),
    seeds=YAML_SEEDS,
    few=30,
)
