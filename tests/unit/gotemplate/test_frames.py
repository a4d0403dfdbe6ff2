"""Where an error stands, and what variables cost."""

import pytest

from registrar.gotemplate.errors import TemplateExecError
from registrar.gotemplate.frames import Frame, Place
from registrar.gotemplate.limits import Limits, Meter


def test_an_error_names_line_and_byte_of_its_place() -> None:
    text = "one\né {{ .X }}"
    place = Place("t", text, "inner", ".X", text.index(".X"))
    assert str(place.error("no")) == 'template: t:2:6: executing "inner" at <.X>: no'


def test_the_innermost_variable_of_a_name_counts() -> None:
    frame = Frame("dot", [], Meter(Limits()), 0)
    frame.variables += [("$x", 1), ("$x", 2)]
    frame.assign("$x", 3)
    assert frame.variable("$x") == 3
    assert frame.variables == [("$", "dot"), ("$x", 1), ("$x", 3)]


def test_a_variable_that_is_not_there_fails() -> None:
    with pytest.raises(TemplateExecError, match=r"undefined variable: \$y"):
        Frame(None, [], Meter(Limits()), 0).variable("$y")


def test_the_search_among_many_variables_is_work() -> None:
    frame = Frame(None, [], Meter(Limits(steps=100)), 0)
    frame.variables += [(f"${number}", number) for number in range(640)]
    frame.variable("$")
    assert frame.meter.steps == 90
