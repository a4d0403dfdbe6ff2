"""The place that Go's error names, as Go counts it: lines from 1, bytes from 0."""

import pytest

from manager.rendering.mark import marked
from registrar.gotemplate.errors import TemplateError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.template import Template

DATA = pod_data(
    trust_domain="example.org",
    cluster_name="c",
    cluster_domain="d",
    pod_metadata={"name": "web"},
    pod_spec={},
    node_metadata={},
    node_spec={},
)


def error_of(text: str) -> str:
    with pytest.raises(TemplateError) as error:
        Template.parse("template", text).render(DATA)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "place"),
    [
        ("{{ .PodMeta.Foo }}", "{{ .PodMeta.Foo }}", ".Foo"),
        ("x\n  {{ .PodMeta.Foo }}", "  {{ .PodMeta.Foo }}", ".Foo"),
        ("ä€😀{{ .PodMeta.Foo }}", "ä€😀{{ .PodMeta.Foo }}", ".Foo"),
        ("a\tb{{ .PodMeta.Foo }}", "a b{{ .PodMeta.Foo }}", ".Foo"),
        ("{{ index .PodMeta.Name 99 }}", "{{ index .PodMeta.Name 99 }}", "index"),
    ],
)
def test_the_mark_stands_below_what_go_speaks_of(text: str, line: str, place: str) -> None:
    assert marked(error_of(text), {"template": text}) == [line, " " * line.index(place) + "^"]


def test_an_error_of_the_parser_has_a_line_and_no_column() -> None:
    text = "x\n{{ if }}\ny"
    assert marked(error_of(text), {"template": text}) == ["{{ if }}"]


def test_a_long_line_is_shown_around_the_place() -> None:
    text = f"{'a' * 500}{{{{ .PodMeta.Foo }}}}{'b' * 500}"
    line, mark = marked(error_of(text), {"template": text})
    assert len(line) == 120
    assert line[mark.index("^") :].startswith(".Foo")


@pytest.mark.parametrize(
    "message", ["nothing of Go's", "template: other:1:2: x", "template: template:99:1: x"]
)
def test_nothing_is_marked_where_the_message_names_no_place(message: str) -> None:
    assert marked(message, {"template": "{{ . }}"}) == []


def test_what_would_move_the_cursor_is_not_shown() -> None:
    text = "\x1b[2J{{ .PodMeta.Foo }}"
    assert "\x1b" not in "".join(marked(error_of(text), {"template": text}))
