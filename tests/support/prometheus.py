"""Prometheus' programs in tests: they are fetched where nothing may be skipped."""

import pytest

from hack.compilers import ToolError
from hack.monitoring import prometheus
from hack.monitoring.prometheus import Programs
from tests.support.real import is_required


def need_programs() -> Programs:
    """Return them; skips the test where there are none, unless they are required."""
    programs = prometheus.found()
    if programs is not None:
        return programs
    if not is_required():
        pytest.skip("no prometheus and promtool here; CI=true fetches them")
    try:
        return prometheus.ensure(print)
    except ToolError as error:
        pytest.fail(str(error))
