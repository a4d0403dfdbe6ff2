"""What a term knows: the names of keys."""

from tests.support.builders import make_key
from tests.support.shared import a_shared_state


def test_a_key_whose_name_is_taken_gets_another_one() -> None:
    shared, key, other = a_shared_state(), make_key("/a"), make_key("/b")
    name = shared.name_of(key)
    shared.rename(key, taken_by=other)
    assert shared.holder(name) == other
    assert shared.name_of(key) != name


def test_a_key_that_was_forgotten_while_the_server_was_asked_has_no_name_to_give_up() -> None:
    shared, key, other = a_shared_state(), make_key("/a"), make_key("/b")
    name = shared.name_of(key)
    shared.forget(key)
    shared.rename(key, taken_by=other)
    assert shared.holder(name) is None
    assert shared.name_of(key) == name
