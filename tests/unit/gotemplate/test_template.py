"""What the corpus cannot show: limits, and that nothing of Python can be reached."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrar.gotemplate.errors import TemplateError, TemplateExecError, TemplateLimitError
from registrar.gotemplate.limits import Limits
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import STRING, GoType, PlainStruct, Slice, slice_of
from tests.unit.gotemplate.corpus import Case, cases, data_of

POD = data_of(Case("", "pod"))


def render(text: str, limits: Limits | None = None) -> str:
    template = (
        Template.parse("t", text) if limits is None else Template.parse("t", text, limits=limits)
    )
    return template.render(POD)


@pytest.mark.parametrize(
    "text",
    [
        "{{ range 1000000000 }}{{ end }}",
        "{{ range 1000 }}{{ range 1000 }}{{ end }}{{ end }}",
        '{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        '{{ define "a" }}{{ template "a" }}{{ template "a" }}{{ end }}{{ template "a" }}',
        '{{ printf "%999999d" 1 }}',
        '{{ printf "%.999999f" 1.0 }}',
        '{{ printf "%*d" 999999 1 }}',
        '{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}',
        '{{ $x := "<<<<<<<<<<<<<<<<" }}{{ range 64 }}{{ $x = html $x $x }}{{ end }}',
        "{{ range 100000 }}xxxxxxxxxxxxxxxx{{ end }}",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ if 1 }}" * 500 + "{{ end }}" * 500,
        "x" * 100_000,
        '{{ define "a" }}'
        + "{{ if 1 }}" * 60
        + '{{ template "a" }}'
        + "{{ end }}" * 61
        + '{{ template "a" }}',
        "{{ if 0 }}" + "{{ else if 0 }}" * 3000 + "{{ end }}",
        "".join(f"{{{{ $a{n} := 1 }}}}" for n in range(3000))
        + "{{ range 99999 }}{{ if $a0 }}{{ end }}{{ end }}",
        '{{ $x := "' + "é" * 30_000 + '" }}{{ range 99999 }}{{ if lt $x $x }}{{ end }}{{ end }}',
    ],
)
def test_what_would_never_end_or_fill_the_memory_is_refused(text: str) -> None:
    with pytest.raises(TemplateLimitError):
        render(text)


def test_a_width_beyond_what_go_takes_makes_no_text() -> None:
    assert len(render('{{ printf "%999999999d" 1 }}')) < 100


def test_limits_can_be_set() -> None:
    assert render("{{ range 10 }}x{{ end }}", Limits(steps=20)) == "x" * 10
    with pytest.raises(TemplateLimitError):
        render("{{ range 10 }}x{{ end }}", Limits(steps=5))


@pytest.mark.parametrize(
    "name",
    ["__class__", "__init__", "__dict__", "field", "type", "is_addressable", "_fields", "items",
     "value", "target", "__globals__", "keys", "format", "Marshal", "SetName", "DeepCopy"],
)  # fmt: skip
@pytest.mark.parametrize("base", ["", ".PodMeta", ".PodSpec", ".TrustDomain", ".PodMeta.UID"])
def test_nothing_of_python_can_be_reached(base: str, name: str) -> None:
    with pytest.raises(TemplateExecError, match="can't evaluate field"):
        render("{{ " + f"{base}.{name}" + " }}")


def test_a_map_gives_its_entries_and_nothing_else() -> None:
    assert render("{{ .PodMeta.Labels.items }}") == "<no value>"


def test_a_whole_object_has_no_text() -> None:
    with pytest.raises(TemplateExecError, match=r"a whole v1\.PodSpec has no text"):
        render("{{ .PodSpec }}")


def test_what_lies_behind_the_end_of_a_slice_can_be_sliced_again() -> None:
    texts = Slice(slice_of(STRING), ["a", "b", "c"])
    data = PlainStruct(GoType("main.x", "struct", fields=("L",)), {"L": texts})
    text = "{{ $s := slice .L 0 1 }}{{ slice $s 0 3 }}"
    assert Template.parse("t", text).render(data) == "[a b c]"


@settings(max_examples=300)
@given(
    st.text(alphabet=st.sampled_from("{}.|$:=()\"'`-/* \nabcdefinrtuwxk0123456789"), max_size=60)
)
def test_any_text_renders_or_says_why_not(text: str) -> None:
    with contextlib.suppress(TemplateError):
        render("{{ .PodMeta.Name }}{{" + text)


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_a_template_renders_or_says_why_not(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(cases()))
    text = case.template
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        pieces = st.text(alphabet=st.characters(), max_size=3)
        text = text[:start] + data.draw(pieces) + text[start + data.draw(st.integers(0, 3)) :]
    with contextlib.suppress(TemplateError):
        Template.parse("t", text).render(data_of(case))


@pytest.mark.parametrize(
    "text", ["\ud800", '{{ "\ud800" }}', "{{ print `\ud800` }}", "{{/* \ud800 */}}\ufffd"]
)
def test_a_surrogate_that_stands_for_no_byte_becomes_the_replacement_character(text: str) -> None:
    assert render(text) == "\ufffd"


def test_a_byte_that_is_no_utf_8_stays_what_it_is() -> None:
    assert render('{{ "\\xff" }}{{ slice "é" 0 1 }}{{ slice "é" 1 }}') == "\udcffé"


def test_templates_of_the_same_name_and_text_are_equal() -> None:
    one, same, other = (Template.parse("t", text) for text in ("{{ 1 }}", "{{ 1 }}", "{{ 2 }}"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "{{ 1 }}"


def test_a_template_keeps_nothing_between_two_renderings() -> None:
    template = Template.parse("t", "{{ $x := 1 }}{{ range . }}{{ $x = . }}{{ end }}{{ $x }}")
    found = [template.render(Slice(slice_of(STRING), texts)) for texts in (["a"], [], ["b"])]
    assert found == ["a", "1", "b"]
