"""The components of deploy/ that the command can bring a module up with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from registrar.errors import InvalidField
from topology.modules import Module


@dataclass(frozen=True, slots=True)
class Component:
    """One of them: which modules have it, and which other components it cannot do without."""

    name: str
    modules: tuple[str, ...]
    needs: tuple[str, ...] = ()


_SERVERS = ("nested", "federated")
COMPONENTS: Mapping[str, Component] = MappingProxyType(
    {
        each.name: each
        for each in (
            Component("csi", ("nested",)),
            Component("oidc-tls", ("oidc",), needs=("csi",)),
            Component("envoy-files", ("workloads",), needs=("csi",)),
            Component("ephemeral", _SERVERS),
            Component("short-lives", _SERVERS),
            Component("rsa", _SERVERS),
            Component("ipv6", (*_SERVERS, "oidc")),
            Component("prometheus", ("nested",)),
        )
    }
)
"""In the order in which they are taken in."""


def components_of(module: Module) -> list[Component]:
    """All that a module can have."""
    return [each for each in COMPONENTS.values() if module.name in each.modules]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The components that somebody asked for, and those that these need."""

    names: tuple[str, ...] = ()

    def of(self, module: Module) -> list[str]:
        """Those that this module has."""
        return [name for name in self.names if module.name in COMPONENTS[name].modules]


NONE = Chosen()


def choose(names: Sequence[str], modules: Sequence[Module], *, path: str) -> Chosen:
    """The components of those names. Raises InvalidField for one that none of the modules has."""
    present = {module.name for module in modules}
    for name in names:
        if name not in COMPONENTS:
            raise InvalidField(path, name, f"use one of {', '.join(COMPONENTS)}")
        if not present.intersection(COMPONENTS[name].modules):
            raise InvalidField(
                path, name, f"it is for {', '.join(COMPONENTS[name].modules)}: name one of these"
            )
    wanted = set(names)
    for component in reversed([*COMPONENTS.values()]):
        if component.name in wanted:
            wanted.update(component.needs)
    return Chosen(tuple(name for name in COMPONENTS if name in wanted))
