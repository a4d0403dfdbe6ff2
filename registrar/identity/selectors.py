"""Selectors, ``type:value``, and their canonical order."""

from collections.abc import Iterable
from typing import NamedTuple

from registrar.errors import InvalidField


class Selector(NamedTuple):
    """One property that an agent or its workload attestor vouches for."""

    type: str
    value: str

    def __str__(self) -> str:
        """``type:value``."""
        return f"{self.type}:{self.value}"


def parse_selector(text: str, *, path: str) -> Selector:
    """Read ``type:value``; the value may hold colons. Raises InvalidField."""
    type_, colon, value = text.partition(":")
    if not colon or not type_ or not value:
        raise InvalidField(path, text, "a selector is written type:value, such as k8s:ns:default")
    return Selector(type_, value)


def canonical(selectors: Iterable[Selector]) -> tuple[Selector, ...]:
    """The set of selectors in its one order: sorted, nothing twice."""
    return tuple(sorted(set(selectors)))
