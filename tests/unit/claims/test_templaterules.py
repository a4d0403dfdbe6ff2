"""Templates over one Pod: fallbacks, masking, what is kept while one fails, and turns."""

from collections.abc import Sequence
from dataclasses import replace

from api.labels import LabelSelector
from api.meta import ObjectKey, ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.claim import Claim
from registrar.claims.judged import Judged
from registrar.claims.podtemplate import PodTemplate, Surroundings, compile_template, source_of
from registrar.claims.rendering import Owner, PodView, view_of
from registrar.claims.tally import Part
from registrar.claims.templaterules import (
    RENDER_FAILED,
    TemplatedView,
    TemplatedWanted,
    TemplateRules,
    applying,
    judged_under,
)
from registrar.claims.unmet import ANOTHER_APPLIES, POD_SELECTOR, not_bound
from tests.support.builders import make_claim

AROUND = Surroundings("example.org", "prod", "cluster.local")
BROKEN = "{{ .PodMeta.Name.Oops }}"
POD = PodView(
    ObjectKey("shop", "web"),
    "u-1",
    {},
    view_of(
        surroundings=AROUND,
        pod_metadata={"name": "web", "namespace": "shop", "uid": "u-1"},
        pod_spec={},
        node_metadata={"name": "n", "uid": "n-1"},
        node_spec={},
        owner=Owner("Pod", "web"),
    ),
)


def template(name: str, text: str = "", **spec: object) -> PodTemplate:
    """A template of that name, by default for the ID /<name>; names sort as ages do."""
    spec["spiffe_id_template"] = text or f"/{name}"
    meta = ObjectMeta(name=name, uid=name, creation_timestamp="2026-01-01T00:00:00Z")
    obj = ClusterSPIFFEID(metadata=meta, spec=ClusterSPIFFEIDSpec(**spec))  # type: ignore[arg-type]
    return compile_template(obj, AROUND)


class Turns:
    """Counts the turns that others have."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self) -> None:
        self.count += 1


async def want(
    *selecting: PodTemplate, turn: Turns | None = None, view: TemplatedView | None = None
) -> TemplatedWanted:
    view = view or TemplatedView(selecting=selecting, pod=POD)
    return await TemplateRules(AROUND, turn=turn or Turns()).want(view)


def paths(claims: Sequence[Claim]) -> list[str]:
    return [claim.key.spiffe_id.removeprefix("spiffe://example.org/") for claim in claims]


def test_a_fallback_applies_only_where_nothing_else_does() -> None:
    plain, fallback = template("a"), template("b", fallback=True)
    assert applying([plain, fallback]) == [plain]
    assert applying([fallback]) == [fallback]


async def test_a_fallback_that_does_not_apply_is_counted_as_selected_only() -> None:
    wanted = await want(template("a"), template("b", fallback=True))
    assert paths(wanted.claims) == ["a"]
    assert wanted.by_template.parts == {"a": Part.TO_SET, "b": Part.SELECTED}


async def test_the_oldest_of_two_that_ask_for_the_same_has_it() -> None:
    wanted = await want(template("a", "/same"), template("b", "/same"), template("c"))
    assert [claim.subject.name for claim in wanted.claims] == ["a", "c"]
    came = wanted.by_template
    assert came.parts == {"a": Part.TO_SET, "b": Part.MASKED, "c": Part.TO_SET}
    assert came.masked == {"b": "ClusterSPIFFEID a"}


async def test_an_older_object_of_another_kind_masks_too() -> None:
    wanted = await want(template("a"))
    older = make_claim("written")
    wanted.by_template.mask_all(wanted.rendered, lambda _: older)
    assert wanted.by_template.parts == {"a": Part.MASKED}
    assert wanted.by_template.masked == {"a": "ClusterSpiffeId written"}


async def test_one_that_fails_keeps_what_it_made_and_costs_the_others_nothing() -> None:
    before = (await want(template("a"), template("b"))).claims
    selecting = (template("a"), template("b", BROKEN), template("c"))
    view = TemplatedView(selecting=selecting, pod=POD, last_good=before)
    wanted = await want(view=view)
    assert paths(wanted.claims) == ["a", "c", "b"]
    assert paths(wanted.rendered) == ["a", "c"]
    assert wanted.by_template.parts["b"] is Part.FAILED
    assert "spec.spiffeIDTemplate" in wanted.by_template.failures["b"]


async def test_nothing_is_kept_while_all_is_well() -> None:
    before = (await want(template("a"), template("b"))).claims
    view = TemplatedView(selecting=(template("a"),), pod=POD, last_good=before)
    assert paths((await want(view=view)).claims) == ["a"]


async def test_what_no_record_tells_of_is_kept_while_anything_fails() -> None:
    (before,) = (await want(template("b"))).claims
    unknown = replace(before, template=None, uid="")
    view = TemplatedView(selecting=(template("a", BROKEN),), pod=POD, last_good=(unknown,))
    assert paths((await want(view=view)).claims) == ["b"]


async def test_what_a_template_made_that_cannot_be_read_is_kept() -> None:
    before = (await want(template("b"))).claims
    view = TemplatedView(
        selecting=(), pod=None, unreadable=frozenset({source_of("b")}), last_good=before
    )
    assert paths((await want(view=view)).claims) == ["b"]


async def test_without_its_node_all_that_apply_fail_and_keep() -> None:
    a = template("a")
    before = (await want(a)).claims
    view = TemplatedView(selecting=(a,), problem="its node n is not known", last_good=before)
    wanted = await want(view=view)
    assert paths(wanted.claims) == ["a"]
    assert wanted.rendered == ()
    assert wanted.by_template.failures == {"a": "its node n is not known"}


async def test_an_owner_that_is_not_known_fails_those_that_ask_for_it() -> None:
    asks = template("a", "/{{ .Owner.Name }}")
    wanted = await want(view=TemplatedView(selecting=(asks, template("b")), pod=POD))
    assert paths(wanted.claims) == ["b"]
    assert "owns it" in wanted.by_template.failures["a"]


async def test_services_that_cannot_be_read_fail_those_that_ask_for_them() -> None:
    asks = template("a", auto_populate_dns_names=True)
    view = TemplatedView(selecting=(asks,), pod=POD, services_problem="no right to read")
    assert (await want(view=view)).by_template.failures == {"a": "no right to read"}


async def test_others_have_a_turn_between_two_templates_and_not_for_one() -> None:
    turn = Turns()
    await want(template("a"), turn=turn)
    assert turn.count == 0
    await want(template("a"), template("b", BROKEN), template("c"), turn=turn)
    assert turn.count == 2


async def test_what_came_of_a_pod_under_each_template_is_told() -> None:
    plain, fallback = template("a"), template("b", fallback=True)
    masked, broken = template("c", "/a"), template("d", BROKEN)
    other = template("e", pod_selector=LabelSelector(match_labels={"app": "db"}))
    wanted = await want(plain, fallback, masked, broken)

    def judged(one: PodTemplate) -> Judged:
        return judged_under(one, wanted, {"app": "web"}, {})

    assert paths(judged(plain).claims) == ["a"]
    fallback_unmet, other_unmet = judged(fallback).unmet, judged(other).unmet
    assert fallback_unmet is not None
    assert fallback_unmet.reason == ANOTHER_APPLIES
    assert "a, c, d" in fallback_unmet.wanted
    assert judged(masked).masked_by == "ClusterSPIFFEID a"
    problem = judged(broken).problem
    assert problem is not None
    assert problem.reason == RENDER_FAILED
    assert other_unmet is not None
    assert (other_unmet.reason, other_unmet.found) == (POD_SELECTOR, "web")


async def test_a_pod_without_a_node_is_said_to_wait_for_one() -> None:
    a, unmet = template("a"), not_bound("")
    wanted = await want(view=TemplatedView(selecting=[a], unmet=unmet))
    assert wanted.unmet == unmet
    assert judged_under(a, wanted, {}, {}).unmet == unmet
