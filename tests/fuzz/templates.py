"""Go templates, from their grammar: whole ones, and ones that want too much."""

from hypothesis import strategies as st

from registrar.gotemplate.errors import TemplateError
from registrar.gotemplate.kubernetes import pod_data
from registrar.gotemplate.limits import DEFAULT, Meter
from registrar.gotemplate.template import Template
from tests.fuzz.harness import Target
from tests.fuzz.mutation import ANY, mutated, text_of

_DATA = pod_data(
    trust_domain="example.org",
    cluster_name="c",
    cluster_domain="cluster.local",
    pod_metadata={
        "name": "web-1",
        "namespace": "shop",
        "labels": {f"label-{number}": "x" * number for number in range(64)},
        "annotations": {"a.b/c": "1 KiB: " + "é" * 1024},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"kind": "Job", "name": "j", "uid": "u", "controller": True}],
    },
    pod_spec={
        "serviceAccountName": "web",
        "nodeName": "n",
        "priority": 7,
        "tolerations": [{"key": f"key-{number}"} for number in range(500)],
        "containers": [
            {
                "name": f"c{number}",
                "image": "i",
                "args": ["a", "b"],
                "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http"}},
            }
            for number in range(20)
        ],
    },
    node_metadata={"name": "n", "labels": {"zone": "z"}},
    node_spec={"podCIDR": "10.0.0.0/24", "taints": [{"key": "t", "effect": "NoSchedule"}]},
)

_FIELDS = (
    ".",
    "$",
    ".TrustDomain",
    ".ClusterName",
    ".PodMeta",
    ".PodMeta.Name",
    ".PodMeta.Labels",
    ".PodMeta.Annotations",
    ".PodMeta.CreationTimestamp",
    ".PodMeta.CreationTimestamp.Unix",
    ".PodMeta.OwnerReferences",
    ".PodSpec.Containers",
    ".PodSpec.Tolerations",
    ".PodSpec.ServiceAccountName",
    ".PodSpec.Priority",
    ".NodeMeta.Labels.zone",
    ".NodeSpec.Taints",
    "(index .PodSpec.Containers 0).Resources.Limits.Cpu.String",
    "$x",
    ".Nothing",
    ".PodMeta.Labels.items.__class__",
)
_NUMBERS = (
    "0", "1", "-1", "7", "64", "99999", "1000000000", "9223372036854775807", "0x7fffffffffffffff",
    "1e308", "-0.0", "1_000", "0b1", "'a'", "1i", "1e-400", "0x1p-1074",
)  # fmt: skip
_TEXTS = (
    '""',
    '"a"',
    "`a`",
    '"é\\x00\\u202e"',
    "`" + "x" * 2000 + "`",
    '"' + "é" * 800 + '"',
    '"%s %d %v %q %x %+v %#v %T"',
    '"%1000000000d"',
    '"%*d"',
    '"%.*f"',
    '"%[1000000]d"',
    '"%[3]*.[2]*[1]f"',
    '"%60000s"',
    '"%.60000f"',
    '"%!"',
    '"%"',
    '"%' + "[" * 500 + '"',
    '"%#+0 -.3[2]v"',
    '"2006-01-02T15:04:05.999999999Z07:00"',
    '"(a+)+$"',
)
_FUNCTIONS = (
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js",
    "urlquery", "eq", "ne", "lt", "le", "gt", "ge", "call", "nothing",
)  # fmt: skip
_WORDS = st.sampled_from((*_FIELDS, *_NUMBERS, *_TEXTS, "nil", "true", "false"))


def _calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    call = st.builds(
        lambda function, given: " ".join([function, *given]),
        st.sampled_from(_FUNCTIONS),
        st.lists(inner, max_size=4),
    )
    piped = st.lists(call, min_size=1, max_size=4).map(" | ".join)
    nested = st.builds(
        lambda text, depth: "(" * depth + text + ")" * depth,
        piped,
        st.sampled_from([1, 2, 99, 101, 1000]),
    )
    often = st.builds(
        lambda text, times: " ".join([text] * times), inner, st.sampled_from([2, 300])
    )
    return st.one_of(call.map(lambda text: f"({text})"), nested, often)


_PIPELINES = st.one_of(
    _WORDS,
    st.recursive(_WORDS, _calls, max_leaves=6),
    st.builds("{} | {}".format, _WORDS, st.sampled_from(_FUNCTIONS)),
)


def _controls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.builds(
            "{{{{ if {} }}}}{}{{{{ else }}}}{}{{{{ end }}}}".format, _PIPELINES, inner, inner
        ),
        st.builds("{{{{ with {} }}}}{}{{{{ end }}}}".format, _PIPELINES, inner),
        st.builds("{{{{ range {} }}}}{}{{{{ else }}}}-{{{{ end }}}}".format, _PIPELINES, inner),
        st.builds("{{{{ range $i, $x := {} }}}}{}{{{{ end }}}}".format, _PIPELINES, inner),
        st.builds("{{{{ range 99999 }}}}{}{{{{ end }}}}".format, inner),
        st.builds(
            '{{{{ define "t" }}}}{}{{{{ template {} . }}}}{{{{ end }}}}'
            '{{{{ template "t" . }}}}'.format,
            inner,
            st.sampled_from(['"t"', '"other"']),
        ),
        st.builds('{{{{ block "b" {} }}}}{}{{{{ end }}}}'.format, _PIPELINES, inner),
        st.builds(
            "{{{{ $x := {} }}}}{{{{ range 64 }}}}{{{{ $x = print $x $x }}}}{{{{ end }}}}{}".format,
            _PIPELINES,
            inner,
        ),
        st.builds(
            lambda text, times: "{{ if 1 }}" * times + text + "{{ end }}" * times,
            inner,
            st.sampled_from([3, 60, 99, 150, 2000]),
        ),
        st.builds(
            lambda text, times: "{{ if 0 }}" + "{{ else if 0 }}" * times + text + "{{ end }}",
            inner,
            st.sampled_from([3, 150, 3000]),
        ),
    )


_LEAVES = st.one_of(
    _PIPELINES.map("{{{{ {} }}}}".format),
    _PIPELINES.map("{{{{- {} -}}}}".format),
    _PIPELINES.map("{{{{ $x := {} }}}}".format),
    st.sampled_from(["x", " \n ", "{{ break }}", "{{ continue }}", "{{/* c */}}", "{{", "}}"]),
)
_TEMPLATES = st.builds("{{{{ $x := 1 }}}}{}".format, st.recursive(_LEAVES, _controls, max_leaves=8))

SEEDS = (
    b"spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
    b'{{ range $k, $v := .PodMeta.Labels }}{{ printf "%q=%-10s" $k $v }}{{ end }}',
    b"{{ with .PodSpec }}{{ (index .Containers 0).Name | html | js | urlquery }}{{ end }}",
    (
        b'{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ . }}{{ end }}'
        b'{{ template "a" .PodMeta.Name }}'
    ),
    b'{{ .PodMeta.CreationTimestamp.Format "2006-01-02" }}{{ slice .PodMeta.Name 0 2 }}',
    b'{{ if and (gt (len .PodSpec.Tolerations) 3) (ne .PodMeta.Name "") }}a{{ else }}b{{ end }}',
)


def run(data: bytes) -> None:
    """Parse and render; the work and the output keep to the limits."""
    template = Template.parse("t", text_of(data))
    meter = Meter(DEFAULT)
    text = template.render(_DATA, meter)
    assert len(text) <= DEFAULT.output_size
    assert 0 <= meter.steps <= DEFAULT.steps
    text.encode("utf-8", "surrogateescape")
    assert Template.parse("t", text_of(data)) == template


TARGET = Target(
    "template",
    run,
    st.one_of(
        _TEMPLATES.map(str.encode),
        mutated(SEEDS, (b"{{", b"}}", b"{{ range 99999 }}", b"{{ end }}", b"(", b"|print")),
        ANY,
    ),
    refused=(TemplateError,),
    # Ten thousand steps of the engine, some of which handle a text character by character.
    steps=(2_000_000, 1500),
    memory=(24 * 2**20, 4000),
    seeds=SEEDS,
    few=25,
)
