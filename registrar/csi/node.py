"""CSI Node: the kubelet's calls to volumes, and what went wrong to status codes.

Codes are those of the CSI specification. ``DEADLINE_EXCEEDED`` tells the
kubelet that a volume may be half-way there, so that it calls for its end too.
"""

import os
from pathlib import Path
from typing import NoReturn, Protocol

import grpc

from api.proto import csi_pb2, csi_pb2_grpc
from registrar.csi.identity import Context
from registrar.csi.refusals import Left, NotReady, OtherParameters
from registrar.csi.statuses import refuse
from registrar.csi.threads import in_thread
from registrar.csi.volume import (
    Volume,
    check_no_links,
    check_target,
    check_volume_id,
    volume_of,
)
from registrar.csi.volumes import Observer, Volumes
from registrar.csi.workloadapi import Exposed
from registrar.errors import InvalidField

_RPC = csi_pb2.NodeServiceCapability.RPC
_BYTES, _INODES = csi_pb2.VolumeUsage.BYTES, csi_pb2.VolumeUsage.INODES
_CAPABILITIES = (_RPC.GET_VOLUME_STATS, _RPC.VOLUME_CONDITION, _RPC.VOLUME_MOUNT_GROUP)


class PublishObserver(Observer, Protocol):
    """As ``volumes.Observer``."""

    def published(self, result: str) -> None:
        """A call has been answered."""


class NodeService(csi_pb2_grpc.NodeServicer):
    """``kubelet_dir`` is the folder that the kubelet works in, below which all targets lie."""

    def __init__(
        self, volumes: Volumes, *, node_name: str, kubelet_dir: Path, observer: PublishObserver
    ) -> None:
        self._volumes = volumes
        self._node_name = node_name
        self._kubelet_dir = kubelet_dir
        self._observer = observer

    async def NodePublishVolume(
        self, request: csi_pb2.NodePublishVolumeRequest, context: Context
    ) -> csi_pb2.NodePublishVolumeResponse:
        """Mount the volume and wait for its first files. Idempotent."""
        try:
            volume = self._checked(request)
            await in_thread(check_no_links, volume.target, self._kubelet_dir)
        except InvalidField as error:
            self._observer.published("refused")
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        try:
            # The kubelet is told why before it gives up, or it would never hear.
            await self._volumes.publish(volume, remaining_seconds=context.time_remaining())
        except NotReady as error:
            self._observer.published("no_svid")
            await refuse(context, grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
        except Exposed as error:
            self._observer.published("refused")
            await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except Left as error:
            self._observer.published("error")
            await refuse(context, grpc.StatusCode.ABORTED, str(error))
        except OtherParameters as error:
            self._observer.published("refused")
            await refuse(context, grpc.StatusCode.ALREADY_EXISTS, str(error))
        except OSError as error:
            self._observer.published("error")
            await _failed(context, error)
        self._observer.published("ok")
        return csi_pb2.NodePublishVolumeResponse()

    async def NodeUnpublishVolume(
        self, request: csi_pb2.NodeUnpublishVolumeRequest, context: Context
    ) -> csi_pb2.NodeUnpublishVolumeResponse:
        """Leave nothing of the volume; succeeds where there is nothing."""
        try:
            volume_id = check_volume_id(request.volume_id)
            target = check_target(request.target_path, self._kubelet_dir)
            await in_thread(check_no_links, target, self._kubelet_dir)
        except InvalidField as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        try:
            await self._volumes.unpublish(volume_id, Path(target))
        except OtherParameters as error:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"target_path: {error}")
        except OSError as error:
            await _failed(context, error)
        return csi_pb2.NodeUnpublishVolumeResponse()

    async def NodeGetVolumeStats(
        self, request: csi_pb2.NodeGetVolumeStatsRequest, context: Context
    ) -> csi_pb2.NodeGetVolumeStatsResponse:
        """How full the volume is, and whether something is wrong with it."""
        for name, value in (
            ("volume_id", request.volume_id),
            ("volume_path", request.volume_path),
        ):
            if not value:
                await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"{name}: it is missing")
        why = self._volumes.abnormal(request.volume_id)
        target = self._volumes.target_of(request.volume_id)
        if why is None or target != Path(request.volume_path):
            await refuse(
                context,
                grpc.StatusCode.NOT_FOUND,
                f"volume {request.volume_id} is not published at {request.volume_path}",
            )
        try:
            usage = await self._usage(request)
        except OSError as error:
            await refuse(context, grpc.StatusCode.NOT_FOUND, f"{request.volume_path}: {error}")
        return csi_pb2.NodeGetVolumeStatsResponse(
            usage=usage,
            volume_condition=csi_pb2.VolumeCondition(
                abnormal=bool(why), message=why or "the files are up to date"
            ),
        )

    async def _usage(self, request: csi_pb2.NodeGetVolumeStatsRequest) -> list[csi_pb2.VolumeUsage]:
        """What the volume itself takes, in bytes and files. Raises OSError."""
        if self._volumes.shows_folder(request.volume_id):
            # The disk below belongs to the agent's folder, and to much else: nothing of it is the
            # Pod's. A kubelet takes an answer without any usage for a failure, each minute.
            await in_thread(os.stat, request.volume_path)
            return [csi_pb2.VolumeUsage(unit=unit) for unit in (_BYTES, _INODES)]
        found = await in_thread(os.statvfs, request.volume_path)
        block = found.f_frsize
        return [
            csi_pb2.VolumeUsage(
                available=found.f_bavail * block,
                total=found.f_blocks * block,
                used=(found.f_blocks - found.f_bfree) * block,
                unit=_BYTES,
            ),
            csi_pb2.VolumeUsage(
                available=found.f_favail,
                total=found.f_files,
                used=found.f_files - found.f_ffree,
                unit=_INODES,
            ),
        ]

    async def NodeGetCapabilities(
        self,
        request: csi_pb2.NodeGetCapabilitiesRequest,  # noqa: ARG002 - the interface's
        context: Context,  # noqa: ARG002
    ) -> csi_pb2.NodeGetCapabilitiesResponse:
        """What it can do."""
        return csi_pb2.NodeGetCapabilitiesResponse(
            capabilities=[
                csi_pb2.NodeServiceCapability(rpc=_RPC(type=type_)) for type_ in _CAPABILITIES
            ]
        )

    async def NodeGetInfo(
        self,
        request: csi_pb2.NodeGetInfoRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> csi_pb2.NodeGetInfoResponse:
        """The node's name; as many volumes as it has Pods for."""
        return csi_pb2.NodeGetInfoResponse(node_id=self._node_name)

    async def NodeStageVolume(
        self,
        request: csi_pb2.NodeStageVolumeRequest,  # noqa: ARG002
        context: Context,
    ) -> csi_pb2.NodeStageVolumeResponse:
        """There is nothing to stage."""
        await _not_served(context)

    async def NodeUnstageVolume(
        self,
        request: csi_pb2.NodeUnstageVolumeRequest,  # noqa: ARG002
        context: Context,
    ) -> csi_pb2.NodeUnstageVolumeResponse:
        """There is nothing to stage."""
        await _not_served(context)

    async def NodeExpandVolume(
        self,
        request: csi_pb2.NodeExpandVolumeRequest,  # noqa: ARG002
        context: Context,
    ) -> csi_pb2.NodeExpandVolumeResponse:
        """There is nothing to expand."""
        await _not_served(context)

    def _checked(self, request: csi_pb2.NodePublishVolumeRequest) -> Volume:
        """The volume of a request. Raises InvalidField."""
        if not request.HasField("volume_capability"):
            raise InvalidField("volume_capability", "", "it is missing")
        capability = request.volume_capability
        if capability.WhichOneof("access_type") != "mount":
            raise InvalidField("volume_capability", "block", "only volumes that are mounted")
        volume = volume_of(
            volume_id=request.volume_id,
            target_path=request.target_path,
            context=request.volume_context,
            mount_group=capability.mount.volume_mount_group,
            kubelet_dir=self._kubelet_dir,
        )
        if not request.readonly:
            raise InvalidField(
                "readonly", "false", "write readOnly: true below csi: in the Pod's volume"
            )
        return volume


async def _failed(context: Context, error: OSError) -> NoReturn:
    await refuse(context, grpc.StatusCode.INTERNAL, f"{error.filename or 'the volume'}: {error}")


async def _not_served(context: Context) -> NoReturn:
    await refuse(context, grpc.StatusCode.UNIMPLEMENTED, "not a capability of this plugin")
