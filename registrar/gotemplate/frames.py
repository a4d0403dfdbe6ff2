"""What one run of a template knows: its variables, its output, and where it is."""

from typing import NoReturn

from registrar.gotemplate.errors import TemplateExecError
from registrar.gotemplate.lexer import quoted
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.values import Value


class Place:
    """A node as errors name it. Its words are made only when an error needs them."""

    __slots__ = ("_at", "_name", "_node", "_text", "_tree")

    def __init__(self, name: str, text: str, tree: str, node: object, at: int) -> None:
        self._name = name
        self._text = text
        self._tree = tree
        self._node = node
        self._at = at

    def error(self, message: str) -> TemplateExecError:
        """The error that this happened here."""
        line = self._text.count("\n", 0, self._at) + 1
        start = self._text.rfind("\n", 0, self._at) + 1
        column = len(self._text[start : self._at].encode("utf-8", "surrogateescape"))
        return TemplateExecError(
            f"template: {self._name}:{line}:{column}: executing {quoted(self._tree)} "
            f"at <{self._node}>: {message}"
        )


class Frame:
    """One run of one tree. ``place`` is the node that was looked at last, as Go keeps it."""

    __slots__ = ("depth", "meter", "out", "place", "variables")

    def __init__(
        self, dot: Value, out: list[str], meter: Meter, depth: int, place: Place | None = None
    ) -> None:
        self.variables: list[tuple[str, Value]] = [("$", dot)]
        self.out = out
        self.meter = meter
        self.depth = depth
        self.place = place

    def fail(self, message: str) -> NoReturn:
        """Raise TemplateExecError for the node that was looked at last."""
        if self.place is None:
            raise TemplateExecError(message)
        raise self.place.error(message)

    def variable(self, name: str) -> Value:
        """The innermost variable of that name."""
        return self.variables[self._find(name)][1]

    def assign(self, name: str, value: Value) -> None:
        """Give the innermost variable of that name another value."""
        self.variables[self._find(name)] = (name, value)

    def _find(self, name: str) -> int:
        variables = self.variables
        last = len(variables) - 1
        for place in range(last, -1, -1):
            if variables[place][0] == name:
                # A template with thousands of variables pays for the search.
                self.meter.work(last - place)
                return place
        self.fail(f"undefined variable: {name}")
