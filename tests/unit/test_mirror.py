"""Every product module has a test file of its own name, or a line in mirror.txt says why not."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
LIST = UNIT / "mirror.txt"
PRODUCT = ("api", "controllers", "manager", "registrar", "topology", "workloads")


def modules() -> list[str]:
    """What could have a behaviour: no generated stubs, no module that only calls another."""
    return [
        path.relative_to(ROOT).as_posix()
        for package in PRODUCT
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.name.startswith("__") and not path.is_relative_to(ROOT / "api" / "proto")
    ]


def own_test(module: str) -> Path:
    """Where a module's own tests lie: the rooms of ``registrar`` stand beside the packages."""
    path = Path(module.removeprefix("registrar/"))
    return UNIT / path.parent / f"test_{path.name}"


def listed() -> dict[str, list[str]]:
    """The lines of the list, by module or folder: what tests it, and why it is tested there."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    found = [line.split(": ", 2) for line in lines if line and not line.startswith("#")]
    assert len({module for module, *_ in found}) == len(found), "a module has two lines"
    return {module: rest for module, *rest in found}


@pytest.mark.parametrize("module", modules())
def test_every_module_has_its_own_tests_or_a_line_that_says_why_not(module: str) -> None:
    own = own_test(module)
    where = own.relative_to(ROOT)
    if own.exists():
        assert module not in listed(), f"{where} exists: take the line of {module} out of {LIST}"
    else:
        assert {module, module.rpartition("/")[0] + "/"} & listed().keys(), (
            f"write {where}, or a line in {LIST}: "
            f"'{module}: tests/that/test_it.py: why it has no file of its own'"
        )


@pytest.mark.parametrize("module", listed())
def test_every_line_names_a_module_what_tests_it_and_why(module: str) -> None:
    path = ROOT / module
    is_there = path.is_dir() if module.endswith("/") else path.is_file()
    assert is_there, f"{module} is gone: take its line out of {LIST}"
    rest = listed()[module]
    assert len(rest) == 2, f"the line of {module} is to be 'module: tests: why'"
    tests, why = rest
    assert tests.startswith("tests/"), tests
    assert (ROOT / tests).exists(), f"{tests}, which {module} is tested by, is gone"
    assert why.strip(), f"the line of {module} says no reason"
