"""The samples have every key, and the defaults that they show are the defaults."""

import re
from pathlib import Path

import pytest

from registrar.settings.csi import CSI_KEYS, interpret_csi
from registrar.settings.keys import KEYS
from registrar.settings.load import interpret
from registrar.settings.managerkeys import MANAGER_KEYS
from registrar.settings.samples import render_samples
from registrar.settings.workloadkeys import MODES, keys_of

ROOT = Path(__file__).resolve().parents[3]
TABLES = {
    "spire-k8s-registrar.conf": KEYS,
    "spire-controller-manager-config.yaml": MANAGER_KEYS,
    "csi.conf": CSI_KEYS,
    **{f"k8s-workload-registrar-{mode}.conf": keys_of(mode) for mode in MODES},
}


def settings(name: str, text: str) -> object:
    if name == "csi.conf":
        return interpret_csi(text, path=Path(name), environment={})
    return interpret(text, path=Path(name))


def with_defaults(text: str) -> str:
    """The sample with every key whose default is a value, as a person turns them on."""
    lines = [line for line in text.splitlines() if not line.startswith("##")]
    shown = [line for line in lines if not re.search(r"[=:] <.*>$", line)]
    return "".join(f"{line.removeprefix('# ')}\n" for line in shown)


@pytest.mark.parametrize("name", TABLES)
def test_a_sample_works_as_it_is(name: str) -> None:
    settings(name, render_samples()[name])


@pytest.mark.parametrize("name", TABLES)
def test_the_defaults_that_a_sample_shows_are_the_defaults(name: str) -> None:
    text = render_samples()[name]
    # A group whose keys are all told in words would turn the kinds off by being there; and the
    # template of the parent's ID is known by being empty.
    turned_on = re.sub(r"(?m)^(reconcile|parentIDTemplate):.*\n", "", with_defaults(text))
    assert turned_on.count("\n") > len(TABLES[name]) / 2
    assert settings(name, turned_on) == settings(name, text)


@pytest.mark.parametrize("name", TABLES)
def test_a_sample_has_every_key(name: str) -> None:
    text = render_samples()[name]
    for key in TABLES[name]:
        word = key.name.rpartition(".")[2]
        assert re.search(rf"^(# )? *{re.escape(word)}( =|:) ", text, re.MULTILINE), key.name


def test_the_samples_in_the_repository_are_fresh() -> None:
    folder = ROOT / "docs/reference/samples"
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert found == render_samples()
