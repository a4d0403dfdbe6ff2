"""The index of Pods, against a walk over all of them."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from api.meta import ObjectKey
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import Surroundings, compile_template
from registrar.claims.templateset import TemplateSet

NAMES = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), NAMES, max_size=2)
KEYS = st.builds(ObjectKey, NAMES, NAMES)
PODS = st.dictionaries(KEYS, st.tuples(LABELS, st.sampled_from(["", "n1", "n2"])), max_size=9)
SURROUNDINGS = Surroundings("example.org", "c", "d")


def requirement(key: str, operator: str, values: list[str]) -> LabelSelectorRequirement:
    return LabelSelectorRequirement(
        key=key, operator=operator, values=tuple(values) if "In" in operator else ()
    )


SELECTORS = st.builds(
    LabelSelector,
    match_labels=st.dictionaries(st.sampled_from(["x", "y"]), NAMES, max_size=1),
    match_expressions=st.lists(
        st.builds(
            requirement,
            st.sampled_from(["x", "y"]),
            st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
            st.lists(NAMES, min_size=1, max_size=2),
        ),
        max_size=2,
    ).map(tuple),
)


def filled(pods: dict[ObjectKey, tuple[dict[str, str], str]]) -> PodIndex:
    index = PodIndex()
    for key, (labels, node) in pods.items():
        index.put(key, labels, node)
    return index


@given(PODS, PODS, st.booleans())
def test_it_finds_what_a_walk_finds_after_any_changes(
    before: dict[ObjectKey, tuple[dict[str, str], str]],
    after: dict[ObjectKey, tuple[dict[str, str], str]],
    early: bool,
) -> None:
    index = filled(before)
    if early:
        index.use_label("x")
    for key in before.keys() - after.keys():
        index.remove(key)
    for key, (labels, node) in after.items():
        index.put(key, labels, node)
    index.use_label("x")
    assert set(index.all()) == set(after)
    for name in "abc":
        assert set(index.in_namespaces([name])) == {k for k in after if k.namespace == name}
        with_label = {k for k, (labels, _) in after.items() if labels.get("x") == name}
        assert set(index.with_label("x", {name})) == with_label
    for node in ("n1", "n2"):
        assert index.on_node(node) == {k for k, (_, n) in after.items() if n == node}


@given(PODS, SELECTORS, st.sets(NAMES))
def test_the_candidates_of_a_template_are_the_pods_that_it_selects(
    pods: dict[ObjectKey, tuple[dict[str, str], str]],
    selector: LabelSelector,
    namespaces: set[str],
) -> None:
    templates = TemplateSet(filled(pods))
    spec = ClusterSPIFFEIDSpec(spiffe_id_template="/x", pod_selector=selector)
    template = compile_template(ClusterSPIFFEID(spec=spec), SURROUNDINGS)
    templates.put(template)

    def labels_of() -> Callable[[ObjectKey], dict[str, str] | None]:
        return lambda key: pods[key][0] if key in pods else None

    found = templates.candidates(template, namespaces=namespaces, labels_of=labels_of())
    matcher = compile_selector(selector, path="s")
    assert found == {
        key
        for key, (labels, _) in pods.items()
        if key.namespace in namespaces and matcher.matches(labels)
    }
