"""Logs: what a line holds, where it goes, and that writing it never waits."""

import json
import logging
from pathlib import Path

import pytest

from registrar.errors import InvalidField
from registrar.telemetry.logging import Throttle, configure, kv, log_context, parse_level

log = logging.getLogger("test")


def test_a_text_line_holds_message_and_key_values(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure("info", "text", path):
        log.info("entry created", extra=kv(entry_id="x.1", note='a "b" c', number=3))
    line = path.read_text()
    assert "INFO    entry created entry_id=x.1" in line
    assert 'note="a \\"b\\" c" number=3' in line


def test_a_value_cannot_forge_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure("info", "text", path):
        log.info("x", extra=kv(name="a\n2026-01-01 ERROR forged"))
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("value", ["\x7f" * 3_000_000, ValueError("\x7f" * 3_000_000)])
def test_a_long_value_is_cut(tmp_path: Path, log_format: str, value: str | Exception) -> None:
    path = tmp_path / "log"
    with configure("info", "json" if log_format == "json" else "text", path):
        log.info("refused", extra=kv(object=value, why="it is wrong"))
        log.error("failed", exc_info=ValueError(value))
    text = path.read_text()
    assert "(3000000 characters)" in text
    assert "it is wrong" in text
    assert len(text) < 500_000


def test_a_json_line_is_one_object(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure("info", "json", path):
        log.warning("entry created", extra=kv(entry_id="x.1", error=KeyError("k"), number=3))
    document = json.loads(path.read_text())
    assert document["message"] == "entry created"
    assert (document["level"], document["logger"]) == ("warning", "test")
    assert (document["entry_id"], document["number"]) == ("x.1", 3)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_exception_comes_with_its_stack(tmp_path: Path, log_format: str) -> None:
    path = tmp_path / "log"
    with configure("info", "json" if log_format == "json" else "text", path):
        try:
            int("bug")
        except ValueError:
            log.exception("failed")
    assert "test_logging.py" in path.read_text()


def test_the_context_of_the_work_is_on_every_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure("info", "json", path):
        token = log_context.set({"reconcile_id": "pod-7"})
        log.info("x")
        log_context.reset(token)
        log.info("y")
    first, second = map(json.loads, path.read_text().splitlines())
    assert first["reconcile_id"] == "pod-7"
    assert "reconcile_id" not in second


def test_lines_below_the_level_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure("WARN", "text", path):
        log.info("quiet")
        log.warning("loud")
    assert "quiet" not in path.read_text()
    assert "loud" in path.read_text()


def test_without_a_file_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with configure("info"):
        log.info("hello")
    assert "hello" in capfd.readouterr().err


def test_an_unknown_level_is_refused_by_name() -> None:
    with pytest.raises(InvalidField, match="log_level: 'loud'"):
        parse_level("loud")


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    with (
        pytest.raises(InvalidField, match="log_path"),
        configure("info", "text", tmp_path / "nowhere" / "log"),
    ):
        pass


def test_the_logging_of_before_is_back_afterwards(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    with configure("debug", "text", tmp_path / "log"):
        assert logging.getLogger().handlers != before
    assert logging.getLogger().handlers == before


def test_a_throttle_lets_one_through_and_counts_the_rest() -> None:
    throttle = Throttle(10)
    assert throttle.allow("Busy", 0) == 0
    assert throttle.allow("Busy", 5) is None
    assert throttle.allow("Other", 5) == 0
    assert throttle.allow("Busy", 9.9) is None
    assert throttle.allow("Busy", 10) == 2


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_in_a_line_steers_a_terminal(tmp_path: Path, log_format: str) -> None:
    hostile = "a\x1b[31m\x9b2J\x7f\u202e\ud800\U000e0001b"
    path = tmp_path / "log"
    with configure("info", "json" if log_format == "json" else "text", path):
        try:
            {"known": 1}[hostile]
        except KeyError as error:
            log.exception("failed with %s", hostile, extra=kv(name=hostile, error=error))
    lines = path.read_text().splitlines()
    assert "failed with a" in lines[0]
    assert all(line.isprintable() for line in lines)
    if log_format == "json":
        (line,) = lines
        assert json.loads(line)["name"] == hostile


def test_a_full_disk_does_not_change_how_the_process_ends(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with configure("info", path=Path("/dev/full")):
        logging.getLogger("x").info("there is no room for this")
    assert "No space left on device" in capfd.readouterr().err
