"""Our templates against Go's, over values of every kind: printf, functions, loops, mutations."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gotemplate.corpus import Case, answer, cases
from tests.unit.gotemplate.oracle import Oracle, check

_VALUES = st.sampled_from(
    [".I", ".Neg", ".Zero", ".I8", ".I16", ".I32", ".I64", ".U", ".U8", ".U16", ".U32",
     ".U64", ".F", ".F32", ".Big", ".C", ".T", ".S", ".Empty", ".Uni", ".Bad", ".Named",
     ".Bytes", ".Ints", ".Strings", ".NilInts", ".EmptyInts", ".M", ".MI", ".IM", ".NilM",
     ".NM", ".O.Inner", ".O.List", ".O.NilPtr", ".NilPO", ".NilPI", ".Any", ".NilAny",
     ".Anys", ".Nested"]
)  # fmt: skip
_CONSTANTS = st.sampled_from(
    ["1e6", "1e20", "1e21", "123456789.0", "0.0001", "0.00001", "1e-7", "3.0", "2.5",
     "0x1p-2", "0.0", "-0.0", "5e-324", "1.7976931348623157e308", "1i", "-1.5+2i", "'x'",
     "'世'", "0x10ffff", "-5", "0", "1", "2", "255", "9223372036854775807",
     "-9223372036854775808", "18446744073709551615", '""', '"a"', '"one"', '"<&>"', '"%d"',
     '"%v|%v"', "`raw`", "true", "false", "nil"]
)  # fmt: skip
_FIELDS = st.sampled_from(
    [".O", ".PO", ".PO.Ptr.A", ".PO.NilPtr.A", ".NilPO.Name", ".M.a", ".M.zz", ".NilM.x",
     ".IM.x", ".NM.k", ".MI.one", ".Missing", ".O.Missing", ".Any.X", ".NilAny.X",
     ".Anys.X", "$", "$.S", "$.M.a", ".", "$x", "$y", "$x.A", "$x.Name"]
)  # fmt: skip
_FUNCTIONS = st.sampled_from(
    ["print", "println", "len", "index", "slice", "not", "and", "or", "eq", "ne", "lt", "le", "gt",
     "ge", "html", "js", "urlquery", "call", "printf", 'printf "%v"', 'printf "%q"']
)  # fmt: skip
_INDEXES = st.sampled_from(["", "", "", "", "[1]", "[2]", "[0]", "[9]", "[x]", "[", "[]", "[1"])
_WIDTHS = st.sampled_from(["", "", "", "0", "1", "5", "12", "*", "[1]*", "[2]*"])
_PRECISIONS = st.sampled_from(["", "", "", ".", ".0", ".1", ".3", ".20", ".*", ".[1]*", ".-1"])
_VERBS = st.builds(
    "%{}{}{}{}{}{}".format,
    st.text(alphabet="+-# 0", max_size=3),
    _INDEXES,
    _WIDTHS,
    _PRECISIONS,
    _INDEXES,
    st.sampled_from("vvvTtbcdoOqxXUeEfFgGsw%zé"),
)
_FORMATS = st.lists(_VERBS, min_size=1, max_size=3).map("|".join)


@pytest.mark.real
@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(_FORMATS, st.lists(_VALUES | _CONSTANTS, max_size=4))
def test_random_formats_print_what_go_prints(oracle: Oracle, form: str, values: list[str]) -> None:
    quoted = json.dumps(form, ensure_ascii=False)
    case = Case(" ".join(["{{ printf", quoted, *values, "}}"]), "typed")
    ours = answer(case)
    if "refused" not in ours:
        assert ours == oracle.answer(case)


def _operands(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chains = st.builds("({}){}".format, inner, st.sampled_from(["", "", "", ".A", ".Name", ".X"]))
    return _VALUES | _FIELDS | _CONSTANTS | chains


def _pipelines(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operands = _operands(inner)
    calls = st.builds(
        lambda name, arguments: " ".join([name, *arguments]),
        _FUNCTIONS | _FIELDS,
        st.lists(operands, max_size=3),
    )
    return st.lists(operands | calls | calls, min_size=1, max_size=3).map(" | ".join)


_PIPELINES = st.recursive(_FIELDS | _VALUES, _pipelines, max_leaves=6)


def _statements(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(["", "$x := ", "$x, $y := ", "$y, $x := ", "$x = ", "$x, $y = "])
    ends = st.sampled_from(["", "{{break}}", "{{continue}}", "{{if eq . 2}}{{break}}{{end}}"])
    keywords = st.sampled_from(["if", "with", "if $x :=", "with $y :="])
    others = st.sampled_from(["{{else}}", "{{else if .I}}", "{{else with .S}}"])
    one = st.one_of(
        st.sampled_from(["text", " \n ", "{{- /* c */ -}}", '{{template "a" .S}}']),
        _PIPELINES.map("{{{{{}}}}}".format),
        st.builds("{{{{{} {}}}}}".format, st.sampled_from(["$x :=", "$x =", "$y ="]), _PIPELINES),
        st.builds(
            "{{{{{} {}}}}}{}{}{}{{{{end}}}}".format, keywords, _PIPELINES, inner, others, inner
        ),
        st.builds(
            "{{{{range {}{}}}}}[{{{{$x}}}}{}{}]{{{{else}}}}{}{{{{end}}}}".format,
            names,
            _PIPELINES,
            inner,
            ends,
            inner,
        ),
    )
    return st.lists(one, min_size=1, max_size=2).map("".join)


_TEMPLATES = st.recursive(st.just("t"), _statements, max_leaves=5).map(
    '{{{{$x := .O}}}}{{{{$y := 2}}}}{}{{{{define "a"}}}}{{{{$}}}}{{{{end}}}}'.format
)


@pytest.mark.real
@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(_TEMPLATES)
def test_random_templates_over_typed_values_are_answered_as_go_does(
    oracle: Oracle, text: str
) -> None:
    check(oracle, Case(text, "typed"))


_PIECES = st.sampled_from(
    ["", "{{", "}}", "{{- ", " -}}", "{{/*", "*/}}", "(", ")", "|", ":=", "=", ",", ".", "$x",
     "if ", "with ", "range ", "else ", "{{else}}", "{{end}}", '{{define "a"}}', '{{block "a" .}}',
     '{{template "a"}}', "{{break}}", "nil", '"', "`", "'", "1", "0x", "1i", "-", " ", "\n", "é",
     "\x00", "\u200b"]
)  # fmt: skip


@pytest.mark.real
@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_mutated_templates_are_parsed_or_refused_as_go_does(
    oracle: Oracle, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from(cases())).template
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        removed = data.draw(st.sampled_from([0, 0, 1, 2, 5]))
        text = text[:start] + data.draw(_PIECES) + text[start + removed :]
    check(oracle, Case(text, "typed"))
