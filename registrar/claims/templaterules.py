"""The controller manager's rule for Pods: all templates that select one. Pure.

The Pod reconciler asks it. A fallback applies where nothing else does, the oldest of two
templates that ask for one entry has it, and what a template made of the Pod before stays
while it fails.
"""

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.judged import Judged
from registrar.claims.podrules import INVALID_DNS_NAME, Wanted
from registrar.claims.podtemplate import PodTemplate, Surroundings, source_of
from registrar.claims.rendering import Owner, PodView, render
from registrar.claims.tally import Part
from registrar.claims.unmet import ANOTHER_APPLIES, Unmet
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey

RENDER_FAILED = "RenderFailed"
"""Reason of a Pod that a template selects and cannot be rendered for."""
INPUT_UNKNOWN = "InputUnknown"
"""Reason where that is no fault of the template: what it speaks of is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatedView:
    """What is known of one Pod.

    ``selecting`` are the templates that select it, the oldest first. ``pod`` is what they see
    of it; None where nothing applies, for ``unmet``, such as that it is not bound to a node, or for
    ``problem``, which concerns all of them. ``owner_problem`` and ``services_problem`` say what
    cannot be had. ``unreadable`` are templates of which no good version is known, and
    ``last_good`` what the very Pod claimed before, or the SPIRE server holds for it.
    """

    selecting: Sequence[PodTemplate]
    pod: PodView | None = None
    unmet: Unmet | None = None
    problem: str = ""
    owner: Owner | None = None
    owner_problem: str = ""
    services_problem: str = ""
    unreadable: frozenset[Claimant] = frozenset()
    last_good: Sequence[Claim] = ()


@dataclass(slots=True)
class ByTemplate:
    """What came of one Pod under each template, by the template's name.

    ``lacking`` are those of the ``failures`` that are no fault of the template.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    lacking: set[str] = field(default_factory=set)
    masked: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    unmet: dict[str, Unmet] = field(default_factory=dict)

    def lack(self, failures: Mapping[str, str]) -> None:
        """Note what a template speaks of and cannot be known."""
        self.failures.update(failures)
        self.lacking.update(failures)

    def mask(self, claim: Claim, winner: Claim) -> None:
        """Note that another claim is older."""
        name = claim.subject.name
        self.parts[name] = Part.MASKED
        # Few objects win over many Pods' claims: one text serves them all.
        self.masked[name] = sys.intern(str(winner.subject))

    def mask_all(self, claims: Iterable[Claim], winner: Callable[[EntryKey], Claim | None]) -> None:
        """Count as masked what an older object of another kind asks for too."""
        for claim in claims:
            older = winner(claim.key)
            if older is not None and older.subject != claim.subject:
                self.mask(claim, older)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatedWanted(Wanted):
    """What one Pod should have; ``rendered`` are the claims that are not kept from before."""

    rendered: tuple[Claim, ...] = ()
    by_template: ByTemplate = field(default_factory=ByTemplate)


class TemplateRules:
    """The rule. ``turn`` lets everybody else do something between two templates."""

    def __init__(self, surroundings: Surroundings, *, turn: Callable[[], Awaitable[None]]) -> None:
        self._surroundings = surroundings
        self._turn = turn

    async def want(self, view: TemplatedView) -> TemplatedWanted:
        """The claims of all templates that apply, each key once."""
        came = ByTemplate()
        came.parts.update((template.source.name, Part.SELECTED) for template in view.selecting)
        applied = applying(view.selecting)
        for template in view.selecting if len(applied) < len(view.selecting) else ():
            if template not in applied:
                came.unmet[template.source.name] = _not_needed(applied)
        claims: list[Claim] = []
        if view.problem:
            came.lack({template.source.name: view.problem for template in applied})
        elif view.unmet is not None:
            came.unmet.update((template.source.name, view.unmet) for template in applied)
        elif view.pod is not None:
            claims = await self._render(view.pod, applied, view, came)
        came.parts.update((name, Part.FAILED) for name in came.failures)
        rendered = _first_of_each(claims, came)
        failed = {source_of(name) for name in came.failures} | view.unreadable
        kept = _kept(view.last_good, failed, {claim.key for claim in rendered})
        return TemplatedWanted(
            claims=(*rendered, *kept), unmet=view.unmet, rendered=tuple(rendered), by_template=came
        )

    async def _render(
        self, pod: PodView, templates: Sequence[PodTemplate], view: TemplatedView, came: ByTemplate
    ) -> list[Claim]:
        """What the templates make of the Pod; what is wrong is noted."""
        claims = []
        for number, template in enumerate(templates):
            if number:
                # One template may take its whole budget of time; many must not take it at once.
                await self._turn()
            name = template.source.name
            lacking = _lacking(template, view)
            if lacking:
                came.lack({name: lacking})
                continue
            left_out: list[str] = []
            try:
                claims.append(render(template, pod, self._surroundings, left_out.append))
            except InvalidField as error:
                came.failures[name] = _said_of(error, pod)
                continue
            if left_out:
                came.left_out[name] = left_out[0]
        return claims


def applying(selecting: Sequence[PodTemplate]) -> list[PodTemplate]:
    """The templates that apply: fallbacks only where nothing else does."""
    others = [template for template in selecting if not template.is_fallback]
    return others or list(selecting)


def judged_under(
    template: PodTemplate,
    wanted: TemplatedWanted,
    labels: Mapping[str, str],
    namespace_labels: Mapping[str, str],
) -> Judged:
    """What came of a Pod with those labels, in a Namespace with these, under one template."""
    name, came = template.source.name, wanted.by_template
    failure, left_out = came.failures.get(name, ""), came.left_out.get(name, "")
    reason = INPUT_UNKNOWN if name in came.lacking else RENDER_FAILED
    unmet = came.unmet.get(name)
    if name not in came.parts:
        unmet = template.unmet(labels, namespace_labels)
    return Judged(
        by=template.source,
        claims=tuple(claim for claim in wanted.claims if claim.template == template.source),
        unmet=unmet,
        problem=Problem(reason, failure) if failure else None,
        masked_by=came.masked.get(name, ""),
        warnings={INVALID_DNS_NAME: left_out} if left_out else {},
    )


def _not_needed(applied: Sequence[PodTemplate]) -> Unmet:
    """Why a fallback does not apply where others do."""
    others = ", ".join(template.source.name for template in applied)
    return Unmet(ANOTHER_APPLIES, "spec.fallback", f"absent where {others} applies too", "true")


def _lacking(template: PodTemplate, view: TemplatedView) -> str:
    """What the template asks for and cannot have; empty for nothing."""
    if template.needs_owner and view.owner is None:
        return view.owner_problem or "the controller that owns it is not known"
    return view.services_problem if template.needs_services else ""


def _first_of_each(claims: Iterable[Claim], came: ByTemplate) -> list[Claim]:
    """The oldest claim on each key; the others are masked."""
    first: dict[EntryKey, Claim] = {}
    for claim in claims:
        winner = first.setdefault(claim.key, claim)
        if winner is claim:
            came.parts[claim.subject.name] = Part.TO_SET
        else:
            came.mask(claim, winner)
    return list(first.values())


def _kept(
    last_good: Iterable[Claim], failed: set[Claimant], rendered: set[EntryKey]
) -> list[Claim]:
    """Fail static: what a template made of the Pod before stays while it fails.

    Where no record tells which template made it, any failure keeps it.
    """
    if not failed:
        return []
    return [
        claim
        for claim in last_good
        if claim.key not in rendered and (claim.template is None or claim.template in failed)
    ]


def _said_of(error: InvalidField, pod: PodView) -> str:
    """What is wrong, without the Pod, which whoever shows it names: many fail for one reason."""
    if error.value == str(pod.key):
        return f"{error.path}: {error.remedy}"
    return str(error)
