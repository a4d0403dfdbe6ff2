"""Our templates against Go's: a corpus with Go's answers, and random templates asked of Go."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hack.tool_build import required
from tests.unit.gotemplate.corpus import (
    ANSWERS,
    POD,
    Answer,
    Case,
    answer,
    answers_of_go,
    cases,
)
from tests.unit.gotemplate.oracle import Oracle, check


@pytest.fixture(scope="module")
def expected() -> list[Answer]:
    found: list[Answer] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return found


def test_the_corpus_is_large(expected: list[Answer]) -> None:
    assert len(cases()) == len(expected) >= 400


def test_every_case_of_the_corpus_is_answered_as_go_answers_it(expected: list[Answer]) -> None:
    differing = [
        (case.template, ours, theirs)
        for case, theirs in zip(cases(), expected, strict=True)
        if (ours := answer(case)) != theirs
    ]
    assert differing == []


@pytest.mark.real
def test_the_answers_are_those_of_go(expected: list[Answer]) -> None:
    assert answers_of_go(required() / "templateoracle", cases()) == expected


_FIELDS = st.sampled_from(
    [
        ".",
        "$",
        ".TrustDomain",
        ".PodMeta.Name",
        ".PodMeta.Labels",
        ".PodMeta.Labels.app",
        ".PodMeta.Labels.none",
        ".PodMeta.Generation",
        ".PodMeta.UID",
        ".PodMeta.CreationTimestamp",
        ".PodMeta.DeletionTimestamp",
        ".PodMeta.OwnerReferences",
        ".PodSpec.Containers",
        ".PodSpec.Priority",
        ".PodSpec.HostNetwork",
        ".PodSpec.NodeSelector",
        ".PodSpec.RestartPolicy",
        ".NodeMeta.Labels.zone",
        ".Owner.Kind",
        ".Missing",
        ".PodMeta.Missing",
        "$x",
    ]
)
_CONSTANTS = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.sampled_from(['"a"', '"%d"', '"%v|%s"', "`raw`", "true", "nil", "1.5", "'x'", "0x1F", '""']),
)
_FUNCTIONS = st.sampled_from(
    ["print", "println", "len", "index", "slice", "not", "and", "or", "eq", "ne", "lt", "le", "gt",
     "ge", "html", "js", "urlquery", 'printf "%v"', 'printf "%5d"', 'printf "%q"', 'printf "%T"',
     'printf "%-8s|"', "call"]
)  # fmt: skip


def _operands(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(_FIELDS, _CONSTANTS, inner.map(lambda pipe: f"({pipe})"))


def _commands(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operands = _operands(inner)
    calls = st.builds(
        lambda name, arguments: " ".join([name, *arguments]),
        _FUNCTIONS,
        st.lists(operands, max_size=3),
    )
    return st.one_of(operands, calls, calls)


_PIPELINES = st.recursive(
    _FIELDS,
    lambda inner: st.lists(_commands(inner), min_size=1, max_size=3).map(" | ".join),
    max_leaves=6,
)


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    trims = st.sampled_from(["", "-"])
    return st.one_of(
        st.sampled_from(["text", " ", "\n", "a\tb "]),
        st.builds(
            lambda left, pipe, right: "{{" + (left and "- ") + pipe + (right and " -") + "}}",
            trims,
            _PIPELINES,
            trims,
        ),
        _PIPELINES.map(lambda pipe: "{{$x := " + pipe + "}}"),
        _PIPELINES.map(lambda pipe: "{{$x = " + pipe + "}}"),
        st.builds("{{{{if {}}}}}{}{{{{else}}}}{}{{{{end}}}}".format, _PIPELINES, inner, inner),
        st.builds("{{{{with {}}}}}{}{{{{end}}}}".format, _PIPELINES, inner),
        st.builds("{{{{range {}}}}}{}{{{{else}}}}{}{{{{end}}}}".format, _PIPELINES, inner, inner),
        st.builds("{{{{range $i, $x := {}}}}}{{{{$i}}}}{}{{{{end}}}}".format, _PIPELINES, inner),
        st.builds("{{{{range {}}}}}{{{{break}}}}{}{{{{end}}}}".format, _PIPELINES, inner),
    )


_TEMPLATES = st.recursive(
    st.just("t"),
    lambda inner: st.lists(_statements(inner), min_size=1, max_size=3).map("".join),
    max_leaves=5,
).map(lambda text: "{{$x := 1}}" + text)


@pytest.mark.real
@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(_TEMPLATES)
def test_random_templates_are_answered_as_go_answers_them(oracle: Oracle, text: str) -> None:
    check(oracle, Case(text, "pod", POD))


@pytest.mark.real
@example(text="0`00000éé`")
@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="{}-./*|()$\"'`:=,% \n0123456789abefiknrdxéΩ", max_size=40))
def test_any_text_is_parsed_or_refused_as_go_does(oracle: Oracle, text: str) -> None:
    check(oracle, Case("{{" + text, "none"))
