"""Makes ready what a node needs, once: Debian's packages, the servers, the images."""

import os
from pathlib import Path

from hack import browser, envoy, tool_build
from hack.compilers import Progress, ToolError
from hack.node import debian, images, machine


def may_install() -> bool:
    """Tell whether Debian's packages may be installed unasked: on a machine of a CI."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def prepare(progress: Progress, *, install: bool) -> tuple[Path, ...]:
    """Return the images, after building all that is missing, and installing it if `install`.

    Raises:
        ToolError: the machine lacks something, or a build failed; the message says what to do.

    """
    reason = machine.lacks()
    if reason:
        raise ToolError(reason)
    debian.ensure(progress, install=install)
    for tools in tool_build.TOOLSETS:
        tool_build.build(progress, tools)
    envoy.install(progress)
    try:
        browser.ensure(progress)
    except ToolError as error:
        # The pages are tested without it too.
        progress(f"going on without a browser: {error}")
    return images.build(progress)
