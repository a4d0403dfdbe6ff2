"""The real control plane as a fixture."""

from collections.abc import Iterator

import pytest

from hack.control_plane import ControlPlane, Identity, service_account

REGISTRAR = service_account("spire", "spire-registrar")
"""The service account of the manifests, with a token in `real_control_plane`."""

OUTSIDER = Identity("outsider")
"""Somebody without any rights, with a token in `real_control_plane`."""


@pytest.fixture(scope="session")
def real_control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A running control plane, one for each test process; its logs stay in pytest's folder.

    Tests share it, so each works in namespaces of its own and leaves no cluster-wide object
    behind; one that stops a server starts it again.
    """
    folder = tmp_path_factory.mktemp("control-plane")
    with ControlPlane((REGISTRAR, OUTSIDER), folder) as plane:
        yield plane
