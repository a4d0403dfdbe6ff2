"""How much work, time and memory one rendering may take: templates are not to be trusted.

Steps are counted, so that what a template may do is the same on every machine and at
every moment. Whatever is called costs steps by the size of what it handles, and is
charged before it is done. The clock is the last guard, for what costs more than it
was charged. It is the processor time of the thread, not the time of day: a template
that does little never fails because the machine had something else to do.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from registrar.gotemplate.errors import TemplateLimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """``steps`` counts evaluated nodes; sizes are characters; ``depth`` is nested templates.

    ``seconds`` is what all that shares one Meter may take by ``clock``.
    """

    template_size: int = 64 * 1024
    tokens: int = 1000
    """Words and signs of one text: parsing and compiling follow their number."""
    steps: int = 10_000
    output_size: int = 64 * 1024
    depth: int = 100
    nesting: int = 100
    """How deeply parentheses and control structures may stand in each other."""
    seconds: float = 0.04
    clock: Callable[[], float] = time.thread_time


DEFAULT = Limits()
_WORK_OF_A_STEP = 64
"""Characters that are looked through or copied in about the time of a step."""
_SPELLED_IN_A_STEP = 8
"""Characters that are handled one by one in about that time."""
_READ_IN_A_STEP = 2
"""Elements of a list that are made in that time."""
_COMPARED_IN_A_STEP = 16
_STEPS_BETWEEN_LOOKS = 64
"""How many steps are taken before the clock is looked at again."""
_MOST_AT_ONCE = 0.25
"""The part of the time that counts between two looks: the interpreter may stop to collect the
garbage of the whole process, which is no template's work."""


class Meter:
    """What is left of one rendering's share; it may be shared by several templates.

    ``started`` makes one that is timed. The clock is looked at for the first time when some
    steps are taken, or many at once are asked for: most templates do not get there.
    """

    __slots__ = ("_is_timed", "_looked_at", "_next_look", "_spent", "limits", "size", "steps")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.steps = limits.steps
        self.size = limits.output_size
        self._looked_at: float | None = None
        self._spent = 0.0
        self._is_timed = False
        self._next_look = max(limits.steps - _STEPS_BETWEEN_LOOKS, 0)

    @classmethod
    def started(cls, limits: Limits = DEFAULT) -> "Meter":
        """A meter with a limit of time."""
        meter = cls(limits)
        meter._is_timed = True
        return meter

    def step(self) -> None:
        """Take one step. Raises TemplateLimitError after the last, or when the time is up."""
        self.steps -= 1
        if self.steps < self._next_look:
            self._look()

    def charge(self, steps: int) -> None:
        """Take that many steps. Raises TemplateLimitError as ``step`` does."""
        self.steps -= steps
        if self.steps < self._next_look:
            self._look()

    def work(self, size: int) -> None:
        """Look through or copy that many characters. Raises TemplateLimitError."""
        self.charge(size // _WORK_OF_A_STEP)

    def spell(self, size: int) -> None:
        """Handle that many characters one by one. Raises TemplateLimitError."""
        self.charge(size // _SPELLED_IN_A_STEP)

    def read(self, count: int) -> None:
        """Make that many elements of a list. Raises TemplateLimitError."""
        self.charge(count // _READ_IN_A_STEP)

    def sort(self, count: int) -> None:
        """Sort that many elements. Raises TemplateLimitError."""
        self.charge(count * count.bit_length() // _COMPARED_IN_A_STEP)

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

    def _look(self) -> None:
        if self.steps < 0:
            raise TemplateLimitError(
                f"the template takes more than {self.limits.steps} steps: let it loop less, or "
                "handle shorter texts"
            )
        if self._is_timed and self._is_late():
            raise TemplateLimitError(
                f"the template takes more than {self.limits.seconds * 1000:.0f} ms: let it loop "
                "less, or handle shorter texts"
            )
        # Zero is looked at again: below it is too much.
        self._next_look = max(self.steps - _STEPS_BETWEEN_LOOKS, 0)

    def _is_late(self) -> bool:
        now, most = self.limits.clock(), self.limits.seconds
        if self._looked_at is not None:
            self._spent += min(now - self._looked_at, most * _MOST_AT_ONCE)
        self._looked_at = now
        return self._spent > most
