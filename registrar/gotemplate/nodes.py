"""The tree of a template. ``str`` of a node is its source, as messages quote it."""

from dataclasses import dataclass, field
from typing import TypeAlias, Union

from registrar.gotemplate.lexer import quoted


@dataclass(slots=True)
class Text:
    """What stands between actions."""

    at: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Dot:
    """``.``"""  # noqa: D400 - that is all there is to say

    at: int

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil:
    """``nil``, without a type."""

    at: int

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Bool:
    """A boolean constant."""

    at: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True)
class String:
    """A string constant; ``source`` has its quotes."""

    at: int
    source: str
    value: str

    def __str__(self) -> str:
        return self.source


@dataclass(slots=True)
class Number:
    """A numeric constant, under each type that can hold it; None for those that cannot."""

    at: int
    source: str
    integer: int | None = None
    unsigned: int | None = None
    real: float | None = None
    complex_: complex | None = None

    def __str__(self) -> str:
        return self.source


@dataclass(slots=True)
class Field:
    """``.a.b``: fields of dot."""

    at: int
    names: list[str]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Variable:
    """``$x.a.b``: a variable, and fields of it."""

    at: int
    names: list[str]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(slots=True)
class Identifier:
    """The name of a function."""

    at: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain:
    """Fields of anything else: ``(pipeline).a.b``."""

    at: int
    node: "Operand"
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return inner + "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Command:
    """A function or value with arguments."""

    at: int
    args: list["Operand"] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({arg})" if isinstance(arg, Pipe) else str(arg) for arg in self.args)


@dataclass(slots=True)
class Pipe:
    """Commands, each the last argument of the next, with variables that take the result."""

    at: int
    commands: list[Command] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    assigns: bool = False

    def __str__(self) -> str:
        head = ""
        if self.variables:
            names = ", ".join(str(variable) for variable in self.variables)
            head = f"{names} {'=' if self.assigns else ':='} "
        return head + " | ".join(str(command) for command in self.commands)


Operand: TypeAlias = Union[  # noqa: UP007 - it names itself
    Dot, Nil, Bool, String, Number, Field, Variable, Identifier, Chain, Pipe
]


@dataclass(slots=True)
class Action:
    """``{{pipeline}}``."""

    at: int
    pipe: Pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


@dataclass(slots=True)
class Branch:
    """``if``, ``with`` or ``range``."""

    at: int
    keyword: str
    pipe: Pipe
    body: "List"
    otherwise: "List | None" = None

    def __str__(self) -> str:
        middle = "" if self.otherwise is None else "{{else}}" + str(self.otherwise)
        return f"{{{{{self.keyword} {self.pipe}}}}}{self.body}{middle}{{{{end}}}}"


@dataclass(slots=True)
class Jump:
    """``break`` or ``continue``."""

    at: int
    keyword: str

    def __str__(self) -> str:
        return "{{" + self.keyword + "}}"


@dataclass(slots=True)
class Call:
    """``{{template "name" pipeline}}``."""

    at: int
    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        argument = "" if self.pipe is None else f" {self.pipe}"
        return "{{template " + quoted(self.name) + argument + "}}"


Statement: TypeAlias = Text | Action | Branch | Jump | Call
Node: TypeAlias = Operand | Command | Statement


@dataclass(slots=True)
class List:
    """Statements, one after the other."""

    at: int
    nodes: list[Statement] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(str(node) for node in self.nodes)

    @property
    def is_empty(self) -> bool:
        """Whether it holds nothing but space."""
        return all(isinstance(node, Text) and not node.text.strip() for node in self.nodes)
