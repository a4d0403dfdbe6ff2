"""The real control plane as a fixture, and the rule for tests marked `real`.

Tests never build it by surprise, for it takes minutes: without the binaries they are skipped and
say so. Where nothing may be skipped (`CI=true`, or `SPIRE_REGISTRAR_REAL=1` on a developer's
machine) it is built before the first test, and a failing build fails the run.
"""

import os
from collections.abc import Iterator

import pytest

from hack import tool_build
from hack.control_plane import ControlPlane, Identity, service_account

REGISTRAR = service_account("spire", "spire-registrar")
"""The service account of the manifests, with a token in `real_control_plane`."""

OUTSIDER = Identity("outsider")
"""Somebody without any rights, with a token in `real_control_plane`."""


def is_required() -> bool:
    """Tell whether a test that needs real servers must run rather than be skipped."""
    truths = ("1", "true")
    return os.environ.get("CI", "").lower() in truths or (
        os.environ.get("SPIRE_REGISTRAR_REAL", "").lower() in truths
    )


@pytest.hookimpl(trylast=True)  # the terminal must be there
def pytest_configure(config: pytest.Config) -> None:
    """Build what is required, in the process that hands out the tests; the others find it done."""
    if not is_required() or hasattr(config, "workerinput") or config.option.collectonly:
        return
    terminal = config.get_terminal_writer()

    def say(line: str) -> None:
        terminal.line(line)
        terminal.flush()

    try:
        tool_build.build(say)
    except tool_build.ToolError as error:
        raise pytest.UsageError(f"real servers are required: {error}") from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `real` when there is nothing to run them against."""
    if is_required() or tool_build.installed() is not None:
        return
    skip = pytest.mark.skip(reason="the real control plane is not built: make control-plane")
    for item in items:
        if item.get_closest_marker("real") is not None:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def real_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane, one for each test process; its logs stay in pytest's folder.

    Tests share it, so each works in namespaces of its own and leaves no cluster-wide object
    behind; one that stops a server starts it again.
    """
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane((REGISTRAR, OUTSIDER), folder) as plane:
        yield plane
