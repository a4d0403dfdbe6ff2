"""What somebody searches for, as the words of ``explain``."""

import re

from manager.explain.subjects import ENTRY, SPIFFE_ID, Subject, subject_of
from registrar.errors import InvalidField
from registrar.identity.spiffeid import SCHEME, check_spiffe_id

ANYTHING, POD_WORD = "any", "pod"
KINDS = {
    ANYTHING: "by what it looks like",
    POD_WORD: "a Pod (NAMESPACE/NAME)",
    SPIFFE_ID: "a SPIFFE ID",
    ENTRY: "an entry (its ID)",
}
"""What can be searched for, and how people are offered it."""

FIELD = "q"
MOST_LENGTH = 2048
"""Of what is searched for: no SPIFFE ID is longer."""
_ENTRY_ID = re.compile(r"[\x21-\x7e]{1,255}")


def searched(kind: str, written: str, *, trust_domain: str) -> Subject:
    """What is meant. Raises InvalidField."""
    value = written.strip()
    if kind not in KINDS:
        raise InvalidField("kind", kind, f"choose one of {', '.join(KINDS)}")
    if not value:
        raise InvalidField(FIELD, "", "write NAMESPACE/NAME, a SPIFFE ID or the ID of an entry")
    if len(value) > MOST_LENGTH:
        raise InvalidField(
            FIELD, f"{value[:32]}…", f"{len(value)} characters are more than {MOST_LENGTH}"
        )
    if kind == ANYTHING:
        kind = _kind_of(value)
    if kind == POD_WORD:
        namespace, slash, name = value.partition("/")
        if not slash or "/" in name:
            raise InvalidField(FIELD, value, "write a Pod as NAMESPACE/NAME, such as shop/web-1")
        return subject_of(f"{POD_WORD}/{name}", namespace, is_manager=False)
    if kind == SPIFFE_ID:
        return Subject(SPIFFE_ID, "", check_spiffe_id(value, path=FIELD, trust_domain=trust_domain))
    if not _ENTRY_ID.fullmatch(value):
        raise InvalidField(FIELD, value, "no entry has such an ID: it is ASCII without spaces")
    return Subject(ENTRY, "", value)


def _kind_of(value: str) -> str:
    if value.lower().startswith(SCHEME):
        return SPIFFE_ID
    return POD_WORD if "/" in value else ENTRY
