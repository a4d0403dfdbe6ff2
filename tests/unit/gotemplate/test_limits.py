"""What one rendering may take."""

import pytest

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.limits import Limits, Meter


def test_the_step_after_the_last_is_refused() -> None:
    meter = Meter(Limits(steps=2))
    meter.step()
    meter.step()
    with pytest.raises(TemplateLimitError, match="more than 2 steps"):
        meter.step()


def test_a_text_may_be_as_long_as_the_output_and_costs_by_its_size() -> None:
    meter = Meter(Limits(steps=10, output_size=640))
    meter.text(640)
    assert meter.steps == 0
    with pytest.raises(TemplateLimitError, match="text of more than 640 characters"):
        meter.text(641)


def test_all_that_is_written_counts() -> None:
    meter = Meter(Limits(output_size=10))
    meter.output(6)
    meter.output(4)
    with pytest.raises(TemplateLimitError, match="output has more than 10 characters"):
        meter.output(1)
