"""What can be asked about: ``KIND/NAME`` as people write it."""

import re
from typing import NamedTuple

from api.crd import CUSTOM_KINDS
from api.kinds import CLUSTER_SPIFFE_ID, CLUSTER_SPIFFEID, POD
from registrar.claims.claim import Claimant
from registrar.errors import InvalidField

ENTRY, SPIFFE_ID = "entry", "spiffe-id"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_POD_WORDS = frozenset({"pod", "pods", "po"})


class Subject(NamedTuple):
    """``kind`` is a kind of Kubernetes, ENTRY or SPIFFE_ID."""

    kind: str
    namespace: str
    name: str

    @property
    def claimant(self) -> Claimant:
        """The object that is meant."""
        return Claimant(*self)

    @property
    def shown(self) -> str:
        """The name as people are shown it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def subject_of(text: str, namespace: str, *, is_manager: bool) -> Subject:
    """Read ``KIND/NAME``. Raises InvalidField.

    Two kinds have the same name but for letter case: ``is_manager`` says that the one of
    spire.spiffe.io is meant where the group is not named.
    """
    word, slash, name = text.partition("/")
    if not slash or not word or not name:
        raise InvalidField(
            "the subject", text, "write KIND/NAME, such as pod/web-1, entry/ID or spiffe-id/ID"
        )
    if word in {ENTRY, SPIFFE_ID}:
        return Subject(word, "", name)
    for field, value in (("the subject", name), ("--namespace", namespace)):
        if not _NAME.fullmatch(value):
            raise InvalidField(
                field, value, "no object can have that name: use small letters, digits, '-' and '.'"
            )
    if word.lower() in _POD_WORDS:
        return Subject(POD.kind, namespace, name)
    found = _kinds(word)
    if len(found) > 1:
        found = {CLUSTER_SPIFFEID.kind if is_manager else CLUSTER_SPIFFE_ID.kind: False}
    for kind, is_namespaced in found.items():
        return Subject(kind, namespace if is_namespaced else "", name)
    known = ", ".join(sorted({custom.singular for custom in CUSTOM_KINDS}))
    raise InvalidField(
        "the subject", text, f"the kind is none of pod, {known}, {ENTRY} and {SPIFFE_ID}"
    )


def _kinds(word: str) -> dict[str, bool]:
    """The kinds that a word may mean, and whether they have namespaces."""
    exact = {custom.kind.kind for custom in CUSTOM_KINDS if custom.kind.kind == word}
    found = {}
    for custom in CUSTOM_KINDS:
        kind = custom.kind
        plural = kind.resource.partition(".")[0]
        group = kind.api_version.partition("/")[0]
        words = {custom.singular, plural, kind.kind.lower(), *custom.short_names}
        words |= {f"{one}.{group}" for one in words}
        if kind.kind in exact or (not exact and word.lower() in words):
            found[kind.kind] = kind.namespaced
    return found
