"""The last warnings of the log, kept for people."""

import logging

import pytest

from registrar.telemetry.logging import kv
from registrar.telemetry.recent import MOST, recent

log = logging.getLogger("some.part")


def test_the_newest_warnings_are_kept_the_newest_first() -> None:
    with recent() as kept:
        for number in range(MOST + 5):
            log.warning("trouble", extra=kv(number=number))
        log.info("all is well")
        assert len(kept.lines) == MOST
        assert kept.lines[0].endswith(f"trouble number={MOST + 4}")
    log.warning("afterwards")
    assert "afterwards" not in kept.lines[0]


@pytest.mark.usefixtures("caplog")
def test_a_line_is_one_line_without_its_stack() -> None:
    with recent() as kept:
        try:
            int("a\nb")
        except ValueError:
            log.exception("broken\nline")
        (line,) = kept.lines
    assert "\n" not in line
    assert "Traceback" not in line
