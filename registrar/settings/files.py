"""Configuration files: their text, and what stands in an HCL one."""

from collections.abc import Mapping
from pathlib import Path

from registrar.settings.hcl import parse
from registrar.settings.hcltokens import HCLError
from registrar.settings.problems import ConfigError, ConfigProblem
from registrar.settings.reader import Reader


def read_text(path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([ConfigProblem(path, None, "", f"cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([ConfigProblem(path, line, "", "is not UTF-8 text")]) from error


def read_hcl(
    text: str,
    path: Path,
    overrides: Mapping[str, str],
    fallbacks: Mapping[str, str] | None = None,
) -> Reader:
    """A reader of what stands in a text; keys that stand twice are reported.

    Raises ConfigError for a mistake in the syntax.
    """
    try:
        document = parse(text)
    except HCLError as error:
        place = error.at
        problem = ConfigProblem(path, place.line, "", error.message, place.column)
        raise ConfigError([problem]) from error
    reader = Reader(path, document.root, overrides, fallbacks=fallbacks)
    reader.report_repeated(document.repeated)
    return reader
