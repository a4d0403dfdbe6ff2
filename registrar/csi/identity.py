"""CSI Identity: who the plugin is and whether it works."""

from typing import TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from api.proto import csi_pb2, csi_pb2_grpc

DRIVER_NAME = "csi.spire.io"

Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]


class IdentityService(csi_pb2_grpc.IdentityServicer):
    """To be served once volumes can be published."""

    def __init__(self, *, name: str, version: str) -> None:
        self._name = name
        self._version = version

    async def GetPluginInfo(
        self,
        request: csi_pb2.GetPluginInfoRequest,  # noqa: ARG002 - the interface's
        context: Context,  # noqa: ARG002
    ) -> csi_pb2.GetPluginInfoResponse:
        """The name that CSIDriver and Pods know it by."""
        return csi_pb2.GetPluginInfoResponse(name=self._name, vendor_version=self._version)

    async def GetPluginCapabilities(
        self,
        request: csi_pb2.GetPluginCapabilitiesRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        """None: there is no controller, and volumes are on every node."""
        return csi_pb2.GetPluginCapabilitiesResponse()

    async def Probe(
        self,
        request: csi_pb2.ProbeRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> csi_pb2.ProbeResponse:
        """Whether it works; an agent that is away does not make it unhealthy."""
        return csi_pb2.ProbeResponse(ready=BoolValue(value=True))
