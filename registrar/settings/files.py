"""Configuration files: their text, and what stands in an HCL one."""

from pathlib import Path

from registrar.settings.hcl import Document, parse
from registrar.settings.hcltokens import HCLError
from registrar.settings.problems import ConfigError, ConfigProblem

_MOST_BYTES = 2**20
"""Of a file. A ConfigMap of Kubernetes can hold no more."""


def read_text(path: Path) -> str:
    """The text of a file. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            message = f"is larger than {_MOST_BYTES} bytes: no configuration is"
            raise ConfigError([ConfigProblem(path, None, "", message)])
        return data.decode()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([ConfigProblem(path, None, "", f"cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([ConfigProblem(path, line, "", "is not UTF-8 text")]) from error


def parse_hcl(text: str, path: Path) -> Document:
    """What stands in a text. Raises ConfigError for a mistake in the syntax."""
    try:
        return parse(text)
    except HCLError as error:
        place = error.at
        problem = ConfigProblem(path, place.line, "", error.message, place.column)
        raise ConfigError([problem]) from error
