"""A template, parsed once and rendered many times."""

from collections.abc import Mapping

from registrar.gotemplate.builtins import BUILTINS
from registrar.gotemplate.compiler import Compiler, Run
from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.frames import Frame
from registrar.gotemplate.limits import DEFAULT, Limits, Meter
from registrar.gotemplate.parser import Parser
from registrar.gotemplate.values import Value, joined


class Template:
    """Made by ``parse``; two of the same name and text are equal.

    ``size`` is how many words and signs it has.
    """

    __slots__ = ("_limits", "_run", "name", "size", "text")

    def __init__(self, name: str, text: str, runs: Mapping[str, Run], limits: Limits) -> None:
        self.name = name
        self.text = text
        self._run = runs[name]
        self._limits = limits
        self.size = 0

    @classmethod
    def parse(cls, name: str, text: str, *, limits: Limits = DEFAULT) -> "Template":
        """Parse a text. Raises TemplateError: Go's words, or that it is beyond the limits."""
        if len(text) > limits.template_size:
            raise TemplateLimitError(
                f"template: {name}: longer than {limits.template_size} characters"
            )
        text = joined(text)
        try:
            parser = Parser(name, text, BUILTINS.keys(), limits)
            trees = parser.parse()
            runs = Compiler(name, text, trees).compile()
        except RecursionError:
            raise TemplateLimitError(f"template: {name}: nested too deeply") from None
        made = cls(name, text, runs, limits)
        made.size = parser.size
        return made

    def render(self, data: Value, meter: Meter | None = None) -> str:
        """What the template makes of the data. Raises TemplateError.

        With a meter it takes from what that has left, else from a share of its own.
        """
        out: list[str] = []
        meter = Meter.started(self._limits) if meter is None else meter
        try:
            self._run(Frame(data, out, meter, 0), data)
        except RecursionError:
            # Templates that call each other from within many conditions.
            raise TemplateLimitError(f"template: {self.name}: nested too deeply") from None
        return joined(*out)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Template):
            return NotImplemented
        return (self.name, self.text) == (other.name, other.text)

    def __hash__(self) -> int:
        return hash((self.name, self.text))
