"""Which Namespaces are ignored: regular expressions that may match anywhere in a name.

They are RE2's, as in Go: whoever may create a Namespace chooses the text, and RE2 takes linear
time whatever pattern and text are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from registrar.claims.unmet import NAMESPACE_IGNORED, Unmet
from registrar.errors import InvalidField
from registrar.settings.patterns import Search, compile_search

_PLAIN = re.compile(r"[a-z0-9-]+")


@dataclass(slots=True)
class IgnoredNamespaces:
    """The patterns, compiled. Raises InvalidField for one that is none."""

    patterns: tuple[str, ...]
    _compiled: tuple[Search, ...] = field(init=False, default=())
    _known: dict[str, Unmet | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        compiled = []
        for number, pattern in enumerate(self.patterns):
            try:
                compiled.append(compile_search(pattern))
            except ValueError as error:
                raise InvalidField(
                    f"ignoreNamespaces[{number}]", pattern, f"not a regular expression: {error}"
                ) from error
        self._compiled = tuple(compiled)

    def matches(self, namespace: str) -> bool:
        """Whether the Namespace is ignored."""
        return self.unmet(namespace) is not None

    def unmet(self, namespace: str) -> Unmet | None:
        """Why the Pods of a Namespace get nothing: it is ignored; None for one that is not."""
        if namespace not in self._known:
            self._known[namespace] = self._judged(namespace)
        return self._known[namespace]

    def _judged(self, namespace: str) -> Unmet | None:
        for pattern, is_found in zip(self.patterns, self._compiled, strict=True):
            if is_found(namespace):
                wanted = f"no match of ignoreNamespaces' pattern {pattern!r}"
                return Unmet(NAMESPACE_IGNORED, "metadata.namespace", wanted, namespace)
        return None

    def by_accident(self, namespaces: Iterable[str]) -> dict[str, list[str]]:
        """Namespaces that a plain name without anchors hides though they have another name."""
        found: dict[str, list[str]] = {}
        plain = [pattern for pattern in self.patterns if _PLAIN.fullmatch(pattern)]
        for namespace in sorted(namespaces):
            if namespace in plain:
                continue
            for pattern in plain:
                if pattern in namespace:
                    found.setdefault(pattern, []).append(namespace)
        return found
