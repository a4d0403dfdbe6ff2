"""Go's engine, for the tests that hold ours against it."""

from collections.abc import Iterator

import pytest

from hack.tool_build import required
from tests.unit.gotemplate.oracle import Oracle


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    made = Oracle(required() / "templateoracle")
    yield made
    made.close()
