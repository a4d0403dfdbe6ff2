"""What a person reads of a wrong value."""

from api.errors import InvalidField


def test_field_value_and_remedy_are_named() -> None:
    assert str(InvalidField("spec.x", "a'b", "write b")) == 'spec.x: "a\'b": write b'


def test_a_long_value_is_cut_in_the_message_alone() -> None:
    error = InvalidField("spec.x", "v" * 60_000, "shorten it")
    assert len(str(error)) < 2600
    assert str(error).endswith("… (60000 characters)': shorten it")
    assert error.value == "v" * 60_000
