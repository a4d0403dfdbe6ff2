"""The Pod annotation ``spiffe.io/federatesWith``: trust domains, by commas."""

from collections.abc import Mapping
from typing import NamedTuple

from registrar.claims import validation
from registrar.errors import InvalidField

FEDERATES_WITH_ANNOTATION = "spiffe.io/federatesWith"
PATH = f"metadata.annotations[{FEDERATES_WITH_ANNOTATION}]"


class Annotated(NamedTuple):
    """``domains`` can be asked for, sorted; ``problem`` says what else stands there, if it does."""

    domains: tuple[str, ...] = ()
    problem: str = ""


def annotated_names(annotations: Mapping[str, str]) -> list[str]:
    """What stands in the annotation, right or wrong, without the spaces around."""
    parts = annotations.get(FEDERATES_WITH_ANNOTATION, "").split(",")
    return [name for part in parts if (name := part.strip())]


def annotated_federation(annotations: Mapping[str, str], trust_domain: str) -> Annotated:
    """What the annotation of a Pod asks for; one bad name costs the others nothing.

    Spaces around names do not matter; the server's own trust domain is left out.
    """
    domains: set[str] = set()
    problem = ""
    for name in annotated_names(annotations):
        try:
            domains |= set(
                validation.check_federation([name], path=PATH, trust_domain=trust_domain)
            )
        except InvalidField as error:
            problem = problem or str(InvalidField(PATH, error.value, error.remedy))
    return Annotated(tuple(sorted(domains)), problem)
