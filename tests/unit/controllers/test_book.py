"""What a term knows: the names of keys."""

from tests.support.book import a_book
from tests.support.builders import make_key


def test_a_key_whose_name_is_taken_gets_another_one() -> None:
    book, key, other = a_book(), make_key("/a"), make_key("/b")
    name = book.name_of(key)
    book.rename(key, taken_by=other)
    assert book.holder(name) == other
    assert book.name_of(key) != name


def test_a_key_that_was_forgotten_while_the_server_was_asked_has_no_name_to_give_up() -> None:
    book, key, other = a_book(), make_key("/a"), make_key("/b")
    name = book.name_of(key)
    book.forget(key)
    book.rename(key, taken_by=other)
    assert book.holder(name) is None
    assert book.name_of(key) == name
