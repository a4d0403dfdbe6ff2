"""What left a folder while something wrong came stays until that is right or gone."""

from api.meta import ObjectKey
from registrar.manifests.successors import Successors

A, B, C, D = (ObjectKey("", name) for name in "abcd")
NONE: frozenset[ObjectKey] = frozenset()


def test_what_left_alone_goes() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    assert successors.look([A], NONE, is_whole=True) == NONE


def test_what_left_while_a_right_one_came_goes() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    assert successors.look([A, C], NONE, is_whole=True) == NONE


def test_what_left_while_a_wrong_one_came_stays_until_that_is_right() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    assert successors.look([A, C], {C}, is_whole=True) == {B}
    assert successors.look([A, C, D], {C}, is_whole=True) == {B}
    assert successors.look([A, C, D], NONE, is_whole=True) == NONE
    # Once it is let go, the next fault of that object holds nothing.
    assert successors.look([A, C, D], {C}, is_whole=True) == NONE


def test_what_left_while_a_wrong_one_came_goes_with_that() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    assert successors.look([A, C], {C}, is_whole=True) == {B}
    assert successors.look([A], NONE, is_whole=True) == NONE


def test_one_that_was_wrong_before_holds_nothing() -> None:
    successors = Successors()
    successors.look([A, B, C], {C}, is_whole=True)
    assert successors.look([A, C], {C}, is_whole=True) == NONE


def test_what_came_back_is_no_longer_left() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    assert successors.look([A, C], {C}, is_whole=True) == {B}
    assert successors.look([A, B, C], {C}, is_whole=True) == NONE
    assert successors.look([A, C], {C}, is_whole=True) == NONE


def test_a_look_at_half_a_folder_tells_of_nothing_that_it_left() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=False)
    # The edit is seen before the folder is known to be whole.
    assert successors.look([A, C], {C}, is_whole=False) == NONE
    assert successors.look([A, C], {C}, is_whole=True) == {B}
    assert successors.look([A, C], NONE, is_whole=True) == NONE


def test_one_that_is_wrong_in_half_a_folder_holds_what_leaves_with_its_coming_only() -> None:
    successors = Successors()
    successors.look([A, B], NONE, is_whole=True)
    successors.look([A, B, C], {C}, is_whole=False)
    assert successors.look([A, C], {C}, is_whole=True) == NONE
