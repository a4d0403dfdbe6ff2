"""The command line of `make topology`, as far as it goes without a node."""

import pytest

from hack import topology


def test_a_module_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert topology.main(["nestd"]) == 2
    said = capsys.readouterr().err
    assert "nestd" in said
    assert "nested" in said
