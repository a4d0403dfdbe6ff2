"""The modules of deploy/: where they lie, what belongs to them, and which needs which."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from registrar.errors import InvalidField
from topology import labels


@dataclass(frozen=True, slots=True)
class Server:
    """A SPIRE server of a module; ``upstream`` is the one that signs its CA, if one does.

    ``prefix`` is the topology's, of which there may be several in a cluster.
    """

    name: str
    trust_domain: str
    upstream: str = ""
    prefix: str = ""

    @property
    def class_name(self) -> str:
        """The class of the objects that its registrar reads."""
        return self.prefix + self.name

    @property
    def chain_length(self) -> int:
        """Certificates in an X.509 SVID of its workloads, without the upstream authority's own."""
        return 3 if self.upstream else 2


@dataclass(frozen=True, slots=True)
class Module:
    """What is brought up and ended together. ``needs`` are modules that it cannot do without."""

    name: str
    namespace: str
    servers: tuple[Server, ...]
    needs: tuple[str, ...] = ()
    prefix: str = ""

    @property
    def selector(self) -> str:
        """The labels of all that belongs to it."""
        return f"{labels.PART_OF_KEY}={self.prefix}{labels.PART_OF},{labels.MODULE}={self.name}"


MODULES: Mapping[str, Module] = MappingProxyType(
    {
        module.name: module
        for module in (
            Module(
                "nested",
                "spire-nested",
                (
                    Server("root", "example.org"),
                    Server("nested-a", "example.org", upstream="root"),
                    Server("nested-b", "example.org", upstream="root"),
                ),
            ),
            Module(
                "federated",
                "spire-federated",
                (
                    Server("nested-c", "example.org", upstream="root"),
                    Server("auxiliary", "auxiliary.org"),
                ),
                needs=("nested",),
            ),
            Module("oidc", "spire-oidc", (), needs=("nested",)),
            Module("workloads", "spire-workloads", (), needs=("nested", "federated", "oidc")),
        )
    }
)
"""All modules, each after those that it needs."""

ALL = "all"


class Modules:
    """All modules of one topology; ``prefix`` begins the names of its namespaces and classes."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.all: Mapping[str, Module] = {
            name: replace(
                module,
                namespace=prefix + module.namespace,
                servers=tuple(replace(server, prefix=prefix) for server in module.servers),
                prefix=prefix,
            )
            for name, module in MODULES.items()
        }

    def named(self, names: list[str], *, path: str) -> list[Module]:
        """The modules of those names, each once and in their order. Raises InvalidField."""
        return [self.all[module.name] for module in named(names, path=path)]


WITHOUT_PREFIX = Modules()


def named(names: list[str], *, path: str) -> list[Module]:
    """The modules of those names, each once and in their order. Raises InvalidField."""
    for name in names:
        if name != ALL and name not in MODULES:
            raise InvalidField(path, name, f"use one of {', '.join([*MODULES, ALL])}")
    return [module for module in MODULES.values() if module.name in names or ALL in names]


def with_needed(modules: list[Module]) -> list[Module]:
    """These modules and all that they need, in the order in which they come up."""
    wanted = {module.name for module in modules}
    for module in reversed([*MODULES.values()]):
        if module.name in wanted:
            wanted.update(module.needs)
    prefix = modules[0].prefix if modules else ""
    return [module for module in Modules(prefix).all.values() if module.name in wanted]


def dependents(modules: list[Module]) -> list[Module]:
    """The modules that cannot do without these, but these themselves."""
    gone = {module.name for module in modules}
    found = []
    prefix = modules[0].prefix if modules else ""
    for module in Modules(prefix).all.values():
        if module.name not in gone and gone.intersection(module.needs):
            gone.add(module.name)
            found.append(module)
    return found
