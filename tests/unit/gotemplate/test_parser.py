"""Tokens to trees, and what is said of texts that are none."""

import pytest

from registrar.gotemplate.builtins import BUILTINS
from registrar.gotemplate.errors import TemplateLimitError, TemplateParseError
from registrar.gotemplate.limits import DEFAULT, Limits
from registrar.gotemplate.parser import Parser


def parse(text: str, limits: Limits = DEFAULT) -> dict[str, str]:
    trees = Parser("t", text, BUILTINS.keys(), limits).parse()
    return {name: str(tree) for name, tree in trees.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a{{ .B.C | print 1 }}", "a{{.B.C | print 1}}", id="pipeline"),
        pytest.param("{{ (index .A 0).B }}", "{{(index .A 0).B}}", id="chain"),
        pytest.param("{{ $x := 1 }}{{ $x = 2 }}", "{{$x := 1}}{{$x = 2}}", id="variables"),
        pytest.param(
            "{{ if .A }}1{{ else if .B }}2{{ else }}3{{ end }}",
            "{{if .A}}1{{else}}{{if .B}}2{{else}}3{{end}}{{end}}",
            id="else if is an if in else",
        ),
        pytest.param(
            "{{ with .A }}1{{ else with .B }}2{{ end }}",
            "{{with .A}}1{{else}}{{with .B}}2{{end}}{{end}}",
            id="else with",
        ),
        pytest.param(
            "{{ range $i, $e := .L }}{{ break }}{{ continue }}{{ end }}",
            "{{range $i, $e := .L}}{{break}}{{continue}}{{end}}",
            id="range",
        ),
        pytest.param('{{ template "a" .B }}', '{{template "a" .B}}', id="template"),
    ],
)
def test_a_tree_reads_as_its_source(text: str, expected: str) -> None:
    assert parse(text) == {"t": expected}


def test_each_definition_is_a_tree_of_its_own() -> None:
    text = '{{ define "a" }}1{{ end }}{{ block "b" . }}2{{ end }}'
    assert parse(text) == {"t": '{{template "b" .}}', "a": "1", "b": "2"}


def test_an_empty_definition_does_not_replace_another() -> None:
    assert parse('{{ define "a" }}1{{ end }}{{ define "a" }} {{ end }}')["a"] == "1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{{ .A } }}", 't:1: unexpected "}" in operand', id="brace"),
        pytest.param("\n{{ foo }}", 't:2: function "foo" not defined', id="unknown function"),
        pytest.param("{{ $x }}", 't:1: undefined variable "$x"', id="unknown variable"),
        pytest.param("{{ if 1 }}", "t:1: unexpected EOF", id="no end"),
        pytest.param("{{ end }}", "t:1: unexpected {{end}}", id="end of nothing"),
        pytest.param("{{ break }}", "t:1: {{break}} outside {{range}}", id="break outside"),
        pytest.param("{{ 1 | 2 }}", "t:1: non executable command in pipeline stage 2", id="stage"),
        pytest.param("{{ 1.B }}", 't:1: bad number syntax: "1.B"', id="field of a number"),
        pytest.param('{{ "a".B }}', 't:1: unexpected . after term "\\"a\\""', id="field of a text"),
        pytest.param(
            "{{ .A\n\n", "t:3: unclosed action started at t:1", id="where the action began"
        ),
        pytest.param(
            '{{ block "a" . }}\n{{ else }}',
            "t:1: unexpected {{else}} in block clause",
            id="a block is named by its first line",
        ),
        pytest.param(
            '{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}',
            't:1: template: multiple definition of template "a"',
            id="defined twice",
        ),
    ],
)
def test_a_text_that_is_no_template_is_refused_in_the_words_of_go(text: str, message: str) -> None:
    with pytest.raises(TemplateParseError) as raised:
        parse(text)
    assert str(raised.value) == f"template: {message}"


@pytest.mark.parametrize("text", ["{{ ((1)) }}", "{{ if 1 }}" * 3 + "{{ end }}" * 3])
def test_what_lies_in_too_many_is_refused(text: str) -> None:
    with pytest.raises(TemplateLimitError, match="nested deeper than 2"):
        parse(text, Limits(nesting=2))
