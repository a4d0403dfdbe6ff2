"""Which module needs which, and in which order they come and go."""

import pytest

from registrar.errors import InvalidField
from topology.modules import MODULES, dependents, named, with_needed


def names(modules: list[object]) -> list[str]:
    return [getattr(module, "name", "") for module in modules]


def test_every_module_comes_after_those_that_it_needs() -> None:
    seen: set[str] = set()
    for module in MODULES.values():
        assert set(module.needs) <= seen
        seen.add(module.name)


def test_names_are_read_in_the_order_of_the_modules() -> None:
    assert names([*named(["all"], path="MODULE")]) == list(MODULES)
    assert names([*named(["nested", "nested"], path="MODULE")]) == ["nested"]
    with pytest.raises(InvalidField, match=r"MODULE.*nestd.*nested.*all"):
        named(["nestd"], path="MODULE")


def test_what_is_needed_comes_along_and_what_depends_is_known() -> None:
    for module in MODULES.values():
        together = names([*with_needed([module])])
        assert set(module.needs) <= set(together)
        for needed in module.needs:
            assert module in dependents([MODULES[needed]])
    assert dependents(list(MODULES.values())) == []
