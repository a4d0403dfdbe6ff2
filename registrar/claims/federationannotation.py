"""The Pod annotation ``spiffe.io/federatesWith``: trust domains, by commas."""

from collections.abc import Mapping
from typing import NamedTuple

from registrar.claims import validation
from registrar.claims.federation import is_pattern
from registrar.claims.validation import MAX_DOMAINS, MAX_PATTERNS
from registrar.errors import InvalidField

FEDERATES_WITH_ANNOTATION = "spiffe.io/federatesWith"
PATH = f"metadata.annotations[{FEDERATES_WITH_ANNOTATION}]"


_TOO_MANY = (
    f"left out with what follows: at most {MAX_DOMAINS} trust domains may stand here, "
    f"{MAX_PATTERNS} of them with '*'"
)


class Annotated(NamedTuple):
    """``domains`` can be asked for, sorted; ``problem`` says what else stands there, if it does."""

    domains: tuple[str, ...] = ()
    problem: str = ""


def annotated_names(annotations: Mapping[str, str]) -> list[str]:
    """What stands in the annotation, right or wrong, without the spaces around.

    Of more names than an entry may have only one too many is given: whoever creates the Pod
    chooses the length of the text.
    """
    parts = annotations.get(FEDERATES_WITH_ANNOTATION, "").split(",", MAX_DOMAINS + 1)
    return [name for part in parts[: MAX_DOMAINS + 1] if (name := part.strip())]


def annotated_federation(annotations: Mapping[str, str], trust_domain: str) -> Annotated:
    """What the annotation of a Pod asks for; one bad name costs the others nothing.

    Spaces around names do not matter; the server's own trust domain is left out.
    """
    domains: set[str] = set()
    problem = ""
    for number, name in enumerate(annotated_names(annotations)):
        try:
            found = set(validation.check_federation([name], path=PATH, trust_domain=trust_domain))
        except InvalidField as error:
            problem = problem or str(InvalidField(PATH, error.value, error.remedy))
            continue
        has_all_patterns = sum(map(is_pattern, domains)) >= MAX_PATTERNS
        if number >= MAX_DOMAINS or (is_pattern(name) and has_all_patterns and found - domains):
            problem = problem or str(InvalidField(PATH, name, _TOO_MANY))
            continue
        domains |= found
    return Annotated(tuple(sorted(domains)), problem)
