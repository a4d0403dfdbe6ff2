"""How the kubelet learns of the driver: it finds our socket in its registry folder, and asks.

The node-driver-registrar sidecar does the same for drivers that do not.
"""

import logging
from pathlib import Path

from api.errors import shortened
from api.proto import pluginregistration_pb2, pluginregistration_pb2_grpc
from registrar.csi.identity import Context
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_MOST_SHOWN = 1000
"""Characters of what the kubelet says; the probes repeat it."""
NOT_ASKED = "the kubelet has not asked yet"


class RegistrationService(pluginregistration_pb2_grpc.RegistrationServicer):
    """``endpoint`` is the driver's socket as the kubelet sees it."""

    def __init__(self, *, name: str, endpoint: Path) -> None:
        self._name = name
        self._endpoint = endpoint
        self.problem: str | None = NOT_ASKED
        """None once the kubelet has taken the driver on."""

    async def GetInfo(
        self,
        request: pluginregistration_pb2.InfoRequest,  # noqa: ARG002 - the interface's
        context: Context,  # noqa: ARG002
    ) -> pluginregistration_pb2.PluginInfo:
        """Who asks to be taken on."""
        return pluginregistration_pb2.PluginInfo(
            type="CSIPlugin",
            name=self._name,
            endpoint=str(self._endpoint),
            supported_versions=["1.0.0"],
        )

    async def NotifyRegistrationStatus(
        self,
        request: pluginregistration_pb2.RegistrationStatus,
        context: Context,  # noqa: ARG002
    ) -> pluginregistration_pb2.RegistrationStatusResponse:
        """Whether the kubelet did."""
        if request.plugin_registered:
            self.problem = None
            log.info("the kubelet has registered the driver", extra=kv(name=self._name))
        else:
            why = shortened(request.error, _MOST_SHOWN)
            self.problem = f"the kubelet refuses the driver: {why}"
            log.error("the kubelet refuses the driver", extra=kv(error=why))
        return pluginregistration_pb2.RegistrationStatusResponse()
