"""A topology under a prefix: one of several in a cluster, or in namespaces by a house's rule. Pure.

The prefix begins whatever two of them would share: namespaces, the classes of objects, the label by
which Pods are chosen, folders on the node, and names of objects that lie in no namespace.
"""

import re

from registrar.errors import InvalidField

_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,20}-)?")
_SHARED = re.compile(r"\bspire-(nested|federated|oidc|workloads|topology)\b")
_CLASS = re.compile(r"(\bclassName: )(?=\S)")
_UNPLACED = re.compile(r"^(\s*name: )(?=topology-)", re.MULTILINE)


def parse_prefix(text: str, *, path: str) -> str:
    """Check a prefix; none is one too. Raises InvalidField."""
    if text and not (_PREFIX.fullmatch(text) and text.endswith("-")):
        raise InvalidField(
            path,
            text,
            "write at most 22 lower case letters, digits and dashes, a letter first, a dash last, "
            "as in team-a-",
        )
    return text


def prefixed(rendered: str, prefix: str) -> str:
    """What kustomize wrote, under the prefix."""
    if not prefix:
        return rendered
    text = _SHARED.sub(lambda found: prefix + found[0], rendered)
    text = _CLASS.sub(lambda found: found[1] + prefix, text)
    return _UNPLACED.sub(lambda found: found[1] + prefix, text)
