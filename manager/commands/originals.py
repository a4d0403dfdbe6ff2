"""The arguments of the binaries that we replace, for a container whose image alone is swapped.

They have no subcommands, write long flags with one dash or two, in any order,
and spire-controller-manager's has flags for its log and an old one for the
socket. What they mean here is said once; ``configuration.py`` uses it.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

_LONG_WITH_ONE_DASH = re.compile(r"-[A-Za-z][A-Za-z0-9_-]+(=.*)?", re.DOTALL)
_OURS = frozenset({"--help", "--version", "-h"})

_IDLE = {
    "zap_stacktrace_level": "stack traces follow unexpected errors alone",
    "zap_time_encoding": "times are RFC 3339 in UTC",
}


def as_ours(arguments: Sequence[str], default_files: Sequence[Path]) -> list[str]:
    """The arguments as our parser takes them: ``run`` in front where there is no command."""
    given = [
        f"-{argument}" if _LONG_WITH_ONE_DASH.fullmatch(argument) else argument
        for argument in arguments
    ]
    if given:
        is_bare = given[0].startswith("-") and given[0] not in _OURS
    else:
        is_bare = any(path.exists() for path in default_files)
    return ["run", *given] if is_bare else given


def add_original_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that only spire-controller-manager's binary has."""
    group = parser.add_argument_group("flags of spire-controller-manager")
    group.add_argument(
        "--spire-api-socket", metavar="PATH", help="SPIRE server's socket, if the file names none"
    )
    group.add_argument(
        "--zap-devel",
        type=boolean,
        nargs="?",
        const=True,
        metavar="BOOLEAN",
        help="true: log_level debug and log_format text, false: info and json; the file wins",
    )
    group.add_argument(
        "--zap-log-level", type=_level, metavar="LEVEL", help="as --log-level; a number is debug"
    )
    group.add_argument(
        "--zap-encoder", choices=("console", "json"), help="console: --log-format text"
    )
    for name, why in _IDLE.items():
        group.add_argument("--" + name.replace("_", "-"), metavar="TEXT", help=f"nothing: {why}")


def original_overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """What the flags of the original's log override, by our keys."""
    found = {}
    if arguments.zap_log_level is not None:
        found["log_level"] = str(arguments.zap_log_level)
    if arguments.zap_encoder is not None:
        found["log_format"] = "json" if arguments.zap_encoder == "json" else "text"
    return found


def original_fallbacks(arguments: argparse.Namespace) -> dict[str, str]:
    """What counts where the file says nothing, by our keys."""
    found = {}
    if arguments.spire_api_socket:
        found["server_socket_path"] = str(arguments.spire_api_socket)
    if arguments.zap_devel is not None:
        found["log_level"] = "debug" if arguments.zap_devel else "info"
        found["log_format"] = "text" if arguments.zap_devel else "json"
    return found


def original_warnings(arguments: argparse.Namespace) -> list[str]:
    """What a person should know of the flags that were given."""
    warnings = [
        f"--{name.replace('_', '-')} does nothing here: {why}"
        for name, why in _IDLE.items()
        if getattr(arguments, name) is not None
    ]
    if arguments.spire_api_socket:
        warnings.append(
            "--spire-api-socket is deprecated, and counts only where the file names no socket: "
            "write spireServerSocketPath there"
        )
    return warnings


def boolean(text: str) -> bool:
    """As Go's flags take it. Raises ValueError, which argparse turns into a message."""
    words = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _level(text: str) -> str:
    """A level of the original's log; a number counts up in verbosity from debug."""
    word = text.lower()
    levels = {"dpanic": "error", "panic": "error", "fatal": "error"}
    if word in {"debug", "info", "warn", "error"}:
        return word
    if word in levels:
        return levels[word]
    if re.fullmatch("[1-9][0-9]{0,2}", word):
        return "debug"
    raise argparse.ArgumentTypeError(
        f"{text!r}: write debug, info, error, panic or a number from 1"
    )
