"""Which Namespaces are ignored: regular expressions that may match anywhere in a name.

They are RE2's, as in Go: whoever may create a Namespace chooses the text, and RE2 takes linear
time whatever pattern and text are.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from registrar.errors import InvalidField
from registrar.settings.patterns import Search, compile_search

_PLAIN = re.compile(r"[a-z0-9-]+")


@dataclass(slots=True)
class IgnoredNamespaces:
    """The patterns, compiled. Raises InvalidField for one that is none."""

    patterns: tuple[str, ...]
    _compiled: tuple[Search, ...] = field(init=False, default=())
    _known: dict[str, bool] = field(init=False, default_factory=dict)

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
        known = self._known.get(namespace)
        if known is None:
            known = any(is_found(namespace) for is_found in self._compiled)
            self._known[namespace] = known
        return known

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
