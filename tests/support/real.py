"""Real servers in tests: the rule for tests marked `real`.

The mark names what a test needs, `real("spire")` or `real("control plane", "spire")`; without a
name that is the control plane. Tests never build it by surprise, for it takes minutes: without
the binaries they are skipped and say so. Where nothing may be skipped (`CI=true`, or
`SPIRE_REGISTRAR_REAL=1` on a developer's machine) all is built before the first test, and a
failing build fails the run.
"""

import os

import pytest

from hack import envoy, tool_build
from hack.compilers import ToolError
from hack.node import machine
from hack.node.preparation import prepare

_CONTROL_PLANE = "control plane"
_NODE = "node"
_ENVOY = "envoy"
_TOOLSETS = {
    _CONTROL_PLANE: tool_build.CONTROL_PLANE,
    "spire": tool_build.SPIRE,
    "helm": tool_build.HELM,
    _NODE: tool_build.NODE,
}


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
        prepare(say, install=is_required())
    except ToolError as error:
        raise pytest.UsageError(f"real servers are required: {error}") from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked `real` for which there is nothing to run them against."""
    if is_required():
        return
    missing = {
        name: f"{tools.title} is not built: make {'cluster' if name == _NODE else 'tools'}"
        for name, tools in _TOOLSETS.items()
        if tool_build.installed(tools) is None
    }
    if not envoy.program().exists():
        missing[_ENVOY] = "Envoy is not installed: make tools"
    if _NODE not in missing and (reason := machine.lacks()):
        missing[_NODE] = reason
    for item in items:
        for name in sorted(_needs(item) & missing.keys()):
            item.add_marker(pytest.mark.skip(reason=missing[name]))


def _needs(item: pytest.Item) -> set[str]:
    found: set[str] = set()
    for mark in item.iter_markers("real"):
        names = mark.args or (_CONTROL_PLANE,)
        unknown = [name for name in names if name not in {*_TOOLSETS, _ENVOY}]
        if unknown:
            raise pytest.UsageError(
                f"{item.nodeid}: real({unknown[0]!r}): not in {[*_TOOLSETS, _ENVOY]}"
            )
        found.update(names)
    return found
