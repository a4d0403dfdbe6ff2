"""CSI Identity: who the plugin is and whether it works."""

from collections.abc import Callable
from typing import TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from api.proto import csi_pb2, csi_pb2_grpc

DRIVER_NAME = "csi.spire.io"

Context: TypeAlias = grpc.aio.ServicerContext[Message, Message]


class IdentityService(csi_pb2_grpc.IdentityServicer):
    """``is_ready`` tells whether volumes can be published now."""

    def __init__(self, *, name: str, version: str, is_ready: Callable[[], bool]) -> None:
        self._name = name
        self._version = version
        self._is_ready = is_ready

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
        return csi_pb2.ProbeResponse(ready=BoolValue(value=self._is_ready()))
