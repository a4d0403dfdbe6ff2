"""How much work and memory one rendering may take: templates are not to be trusted."""

from dataclasses import dataclass

from registrar.gotemplate.errors import TemplateLimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """``steps`` counts evaluated nodes; sizes are characters; ``depth`` is nested templates."""

    template_size: int = 64 * 1024
    steps: int = 100_000
    output_size: int = 64 * 1024
    depth: int = 100
    nesting: int = 100
    """How deeply parentheses and control structures may stand in each other."""


DEFAULT = Limits()
_WORK_OF_A_STEP = 64
"""Characters or elements that are looked through in about the time of a step."""


class Meter:
    """What is left of one rendering's share."""

    __slots__ = ("limits", "size", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.size = limits.output_size

    def step(self) -> None:
        """Take one step. Raises TemplateLimitError after the last."""
        self.steps -= 1
        if self.steps < 0:
            raise TemplateLimitError(
                f"the template takes more than {self.limits.steps} steps: let it loop less"
            )

    def work(self, size: int) -> None:
        """Look through that many characters or elements, which is work but makes nothing.

        The next step finds it out when that was too much.
        """
        self.steps -= size // _WORK_OF_A_STEP

    def text(self, size: int) -> None:
        """Make a text of that many characters. Raises TemplateLimitError when it is too long."""
        if size > self.limits.output_size:
            raise TemplateLimitError(
                f"the template makes a text of more than {self.limits.output_size} characters"
            )
        # Work follows the size: many middling texts are as bad as a long one.
        self.work(size)

    def output(self, size: int) -> None:
        """Write that many characters. Raises TemplateLimitError when the output is too long."""
        self.size -= size
        if self.size < 0:
            raise TemplateLimitError(
                f"the output has more than {self.limits.output_size} characters"
            )
