"""The rights that the process must have on the API server, declared beside what uses them.

Caches declare what they read and sources what they write; ``manager.rights`` gathers both, so that
`doctor` asks for the very rights that the mode uses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from api.kinds import Kind
from api.meta import KubeObject

T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one resource; without a ``namespace`` in all, without a ``name`` on all.

    ``resource`` is a plural, with ``/status`` behind it for the subresource.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """In words for people."""
        return f"{self.verb} {self.on}"

    @property
    def on(self) -> str:
        """What it is about, in words for people."""
        plural, slash, subresource = self.resource.partition("/")
        resource = f"{plural}.{self.group}" if self.group else plural
        named = f" {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{resource}{slash}{subresource}{named}{where}"


@dataclass(frozen=True, slots=True)
class Need:
    """A right, and what happens ``without`` it; ``is_vital``: identities are missing then."""

    right: Right
    without: str
    is_vital: bool = True


READ = ("list", "watch")
MADE = ("create", "patch", "delete")
RECORD = "record"
"""No verb of the API: the admission policy of the manifests knows registrars by it."""


def on(
    kind: Kind[T],
    verbs: Iterable[str],
    *,
    without: str,
    is_vital: bool = True,
    namespace: str = "",
    name: str = "",
) -> list[Need]:
    """These verbs on a kind."""
    return [
        Need(Right(verb, kind.group, kind.plural, namespace, name), without, is_vital)
        for verb in verbs
    ]


def on_status(kind: Kind[T]) -> list[Need]:
    """Writing the statuses of a kind."""
    right = Right("patch", kind.group, f"{kind.plural}/status")
    return [Need(right, "objects do not say what became of them", is_vital=False)]
