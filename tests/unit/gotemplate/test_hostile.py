"""Templates that are made to hold the registrar up: refused soon, whatever they call."""

import itertools
import time

import pytest

from registrar.gotemplate.errors import TemplateError, TemplateLimitError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.limits import Limits, Meter
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value
from tests.support.cputime import soon

_LONG = "a" * 60_000
_WIDE = "é" * 30_000
_ENDLESS = "{{ range 99999 }}%s{{ end }}"


def data(**spec: object) -> Value:
    """A Pod with many labels, and with that specification."""
    return pod_data(
        trust_domain="example.org",
        cluster_name="c",
        cluster_domain="cluster.local",
        pod_metadata={
            "name": "web",
            "labels": {f"label-{number}": "x" for number in range(1024)},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        pod_spec=spec,
        node_metadata={},
        node_spec={},
    )


def using(text: str, call: str) -> str:
    """A loop that calls something of a long text again and again."""
    return f"{{{{ $l := `{text}` }}}}" + _ENDLESS % f"{{{{ $y := {call} }}}}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(using("2" * 60_000, "$.PodMeta.CreationTimestamp.Format $l"), id="Format"),
        pytest.param(using("2" * 1000, "$.PodMeta.CreationTimestamp.Format $l"), id="Format often"),
        pytest.param(
            _ENDLESS % "{{ $y := $.PodMeta.CreationTimestamp.String }}", id="a time's text"
        ),
        pytest.param(using(_LONG, "printf `%q` $l"), id="quoted"),
        pytest.param(using(_LONG, "printf `%#q` $l"), id="raw"),
        pytest.param(using(_LONG[:20_000], "printf `% x` $l"), id="hexadecimal"),
        pytest.param(using(_WIDE, "js $l"), id="js"),
        pytest.param(using(_LONG, "html $l"), id="html"),
        pytest.param(using(_WIDE, "urlquery $l"), id="urlquery"),
        pytest.param(using(_WIDE, "index $l 1"), id="index"),
        pytest.param(using(_WIDE, "slice $l 1 2"), id="slice"),
        pytest.param(using(_WIDE, "len $l"), id="len"),
        pytest.param(using(_WIDE, "lt $l $l"), id="lt"),
        pytest.param(using(_LONG, "eq $l " + "$l " * 900), id="eq of many"),
        pytest.param(using("%d" * 20_000, "printf $l"), id="verbs"),
        pytest.param(using("%[" * 20_000, "printf $l 1"), id="brackets that nothing closes"),
        pytest.param(_ENDLESS % "{{ $y := printf `%60000d` 1 }}", id="width"),
        pytest.param(_ENDLESS % "{{ $y := printf `%.60000f` 1.5 }}", id="precision"),
        pytest.param(_ENDLESS % ("{{ $y := and " + "1 " * 900 + "}}"), id="and of many"),
        pytest.param(
            _ENDLESS % ("{{ $y := " + "(" * 90 + "1" + ")" * 90 + " }}"), id="parentheses"
        ),
        pytest.param(_ENDLESS % ("{{ $y := $" + ".PodMeta" * 900 + " }}"), id="a long chain"),
        pytest.param(_ENDLESS % "{{ $y := eq $.PodSpec $.PodSpec }}", id="whole objects"),
        pytest.param(_ENDLESS % "{{ $y := print $.PodMeta.Labels }}", id="a whole map"),
        pytest.param(
            _ENDLESS % "{{ range $.PodMeta.Labels }}{{ break }}{{ end }}", id="sorting a map"
        ),
        pytest.param(_ENDLESS % "{{ $y := $.PodSpec.Tolerations }}", id="reading a long list"),
        pytest.param(_ENDLESS % "{{ $y := slice $.PodSpec.Tolerations 1 2 }}", id="part of a list"),
        pytest.param("{{ 1" + "|print" * 10_000 + " }}", id="a long pipeline"),
        pytest.param("{{ print " + "1 " * 30_000 + " }}", id="many arguments"),
        pytest.param("{{ " + "9" * 60_000 + " }}", id="a long number"),
        pytest.param("{{ ." + "9" * 60_000 + " }}", id="a long fraction"),
        pytest.param("{{ 0x" + "f" * 60_000 + " }}", id="a long hexadecimal number"),
        pytest.param("{{ 1e" + "9" * 60_000 + " }}", id="a long exponent"),
        pytest.param("{{ " + "1_" * 30_000 + " }}", id="underscores"),
        pytest.param("{{ " + "a" * 60_000 + " }}", id="a long name"),
        pytest.param('{{ "' + "\\" * 60_001 + '" }}', id="a text that does not end"),
        pytest.param("{{/* " + "*" * 60_000, id="a comment that does not end"),
    ],
)
def test_a_hostile_template_is_refused_soon(text: str) -> None:
    tolerations = [{"key": f"key-{number}"} for number in range(5000)]
    with soon(), pytest.raises(TemplateError):
        Template.parse("t", text).render(data(tolerations=tolerations))


def test_sorting_a_map_costs_more_than_looking_through_it() -> None:
    meter = Meter(Limits())
    Template.parse("t", "{{ range .PodMeta.Labels }}{{ break }}{{ end }}").render(data(), meter)
    assert meter.limits.steps - meter.steps >= 1024 * 10 // 16


def test_a_list_costs_nothing_until_its_elements_are_asked_for() -> None:
    containers = [{"name": f"c{number}"} for number in range(5000)]
    meter = Meter(Limits())
    text = "{{ (index .PodSpec.Containers 4999).Name }} {{ len .PodSpec.Containers }}"
    assert Template.parse("t", text).render(data(containers=containers), meter) == "c4999 5000"
    assert meter.limits.steps - meter.steps < 10


def test_the_clock_is_the_last_guard() -> None:
    ticks = itertools.count()
    limits = Limits(steps=10**9, seconds=0.04, clock=lambda: next(ticks) / 100)
    with pytest.raises(TemplateLimitError, match="more than 40 ms"):
        Template.parse("t", _ENDLESS % "", limits=limits).render(data())


def test_a_template_that_does_little_does_not_depend_on_the_clock() -> None:
    ticks = itertools.count()
    limits = Limits(clock=lambda: next(ticks) * 1000.0)
    text = "/ns/{{ .PodMeta.Namespace }}/{{ .PodMeta.Name }}{{ range 10 }}x{{ end }}"
    made = Template.parse("t", text, limits=limits).render(data())
    assert made == "/ns//web" + "x" * 10


def test_one_pause_of_the_process_fails_no_template() -> None:
    readings = itertools.chain([0.0, 100.0], itertools.repeat(100.001))
    limits = Limits(clock=lambda: next(readings))
    text = "{{ range 1000 }}x{{ end }}"
    assert Template.parse("t", text, limits=limits).render(data()) == "x" * 1000


def test_the_clock_is_that_of_the_work_and_not_of_the_day() -> None:
    assert Limits().clock is time.thread_time


def test_templates_may_share_one_budget() -> None:
    meter = Meter(Limits(steps=100))
    template = Template.parse("t", "{{ range 60 }}{{ end }}")
    template.render(data(), meter)
    with pytest.raises(TemplateLimitError):
        template.render(data(), meter)


@pytest.mark.parametrize(
    "amount",
    ["9" * 60_000, "1" * 60_000 + "x", "1e999999999", "1e-999999999", "." * 60_000, 10**4500],
    ids=["digits", "digits and a letter", "exponent", "negative exponent", "points", "number"],
)
def test_an_amount_beyond_measure_is_none(amount: object) -> None:
    limits = {"resources": {"limits": {"cpu": amount}}}
    text = "{{ (index .PodSpec.Containers 0).Resources.Limits.Cpu.String }}"
    with soon():
        assert Template.parse("t", text).render(data(containers=[limits])) == "0"


def test_a_large_amount_has_a_float() -> None:
    limits = {"resources": {"limits": {"cpu": "1e999"}}}
    text = "{{ (index .PodSpec.Containers 0).Resources.Limits.Cpu.AsApproximateFloat64 }}"
    assert Template.parse("t", text).render(data(containers=[limits])) == "+Inf"


def test_a_number_that_no_field_holds_is_zero() -> None:
    assert Template.parse("t", "{{ .PodSpec.Priority }}").render(data(priority=10**5000)) == "0"


@pytest.mark.parametrize("port", ["9" * 5000, 10**5000], ids=["text", "number"])
def test_a_port_of_many_digits_is_zero(port: object) -> None:
    probe = {"livenessProbe": {"httpGet": {"port": port}}}
    text = "{{ (index .PodSpec.Containers 0).LivenessProbe.HTTPGet.Port.IntValue }}"
    assert Template.parse("t", text).render(data(containers=[probe])) == "0"


def test_the_first_day_of_the_calendar_has_a_time_in_every_zone() -> None:
    early = pod_data(
        trust_domain="example.org",
        cluster_name="c",
        cluster_domain="",
        pod_metadata={"creationTimestamp": "0001-01-01T00:00:00+12:00"},
        pod_spec={},
        node_metadata={},
        node_spec={},
    )
    assert Template.parse("t", "{{ .PodMeta.CreationTimestamp.Year }}").render(early) == "1"
