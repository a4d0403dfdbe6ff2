"""Which DNS names a SPIRE server takes into an entry: many more than DNS itself does.

A server looks at labels as IDNA does, but leaves out what says which characters a label may have;
so a space or a slash passes, and two hyphens in the wrong place do not.
"""

import unicodedata

from devcluster.spire.refusal import Refusal

MAX_NAME = 253
MAX_LABEL = 63

_PUNYCODE = "xn--"
_TEXT = frozenset(("Ll", "Lm", "Lo", "Mn", "Mc", "Nd", "No", "So"))
_RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
_LABEL_ASCII = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def check(name: str) -> None:
    """Refuse what a server refuses; its first label may be the wildcard ``*``."""
    try:
        _check(name)
    except Refusal as refusal:
        raise Refusal(f"invalid DNS name: {refusal}") from refusal


def _check(name: str) -> None:
    if not name.isascii():
        raise Refusal("name must be ascii")
    stars = name.count("*")
    if stars > 1:
        raise Refusal("too many wildcards")
    if stars and not name.startswith("*."):
        raise Refusal("wildcard must be first label")
    # Spaces around it are kept, but nobody looks at them.
    _check_labels(name.removeprefix("*.").strip(" \t\n\v\f\r"))


def _check_labels(name: str) -> None:
    if not name:
        raise Refusal("empty or only whitespace")
    if name.endswith("."):
        raise Refusal("domain ends with dot")
    labels = name.split(".")
    for label in labels:
        if not _is_label(label):
            raise _malformed(label or name)
    texts = [_text(label) for label in labels]
    if any(_RIGHT_TO_LEFT & _directions(text) for text in texts) and not all(
        _keeps_its_direction(text) for text in texts
    ):
        raise _malformed(name)
    if len(name) > MAX_NAME:
        raise _malformed(name)


def _malformed(what: str) -> Refusal:
    return Refusal(f'idna error\nidna: invalid label "{what}"')


def _is_label(label: str) -> bool:
    if not 0 < len(label) <= MAX_LABEL:
        return False
    if label.startswith(_PUNYCODE):
        return _is_punycode(label)
    return _has_right_hyphens(label, len(label))


def _has_right_hyphens(label: str, size: int) -> bool:
    if size > 4 and label[2:4] == "--":
        return False
    return not label.startswith("-") and not label.endswith("-")


def _is_punycode(label: str) -> bool:
    """Whether it stands for text that may be a label and has no other spelling.

    The tables of Unicode that IDNA has are not here; general categories come close.
    """
    try:
        text = _text(label)
    except UnicodeError:
        return False
    if text.isascii() or not unicodedata.is_normalized("NFC", text):
        return False
    if unicodedata.category(text[0]).startswith("M"):
        return False
    for character in text:
        fits = (
            character in _LABEL_ASCII
            if character.isascii()
            else unicodedata.category(character) in _TEXT
        )
        if not fits:
            return False
    if not _has_right_hyphens(text, len(text.encode())):
        return False
    return _PUNYCODE + text.encode("punycode").decode() == label


def _text(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    return label.removeprefix(_PUNYCODE).encode().decode("punycode")


def _directions(text: str) -> set[str]:
    return {unicodedata.bidirectional(character) for character in text}


def _keeps_its_direction(text: str) -> bool:
    """The rule of RFC 5893, section 2, for each label of a name that has one from right to left."""
    first = unicodedata.bidirectional(text[0])
    kinds = _directions(text)
    last = [kind for kind in map(unicodedata.bidirectional, text) if kind != "NSM"][-1:]
    if first == "L":
        return not kinds & _RIGHT_TO_LEFT and last in (["L"], ["EN"])
    if first not in {"R", "AL"} or "L" in kinds or {"EN", "AN"} <= kinds:
        return False
    return last in (["R"], ["AL"], ["EN"], ["AN"])
