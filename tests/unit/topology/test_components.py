"""Which components a module is brought up with."""

import pytest

from registrar.errors import InvalidField
from topology.components import COMPONENTS, choose
from topology.modules import MODULES, named, with_needed


def test_what_a_component_needs_comes_along_in_the_module_that_has_it() -> None:
    modules = with_needed(named(["oidc"], path="MODULE"))
    chosen = choose(["oidc-tls"], modules, path="--component")
    assert {each.name: chosen.of(each) for each in modules} == {
        "nested": ["csi"],
        "oidc": ["oidc-tls"],
    }


def test_each_module_gets_its_own_once() -> None:
    modules = named(["all"], path="MODULE")
    chosen = choose(["rsa", "ephemeral", "rsa"], modules, path="--component")
    assert chosen.of(MODULES["federated"]) == ["ephemeral", "rsa"]
    assert chosen.of(MODULES["oidc"]) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("cis", "use one of csi"), ("oidc-tls", "it is for oidc"), ("", "use one of")],
)
def test_one_that_cannot_be_had_is_named(name: str, words: str) -> None:
    with pytest.raises(InvalidField, match=rf"--component.*{words}"):
        choose([name], [MODULES["nested"]], path="--component")


def test_modules_and_components_that_are_named_exist() -> None:
    for each in COMPONENTS.values():
        assert set(each.modules) <= set(MODULES)
        assert set(each.needs) <= set(COMPONENTS)
