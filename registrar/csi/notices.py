"""What Pods are told of their volumes: each trouble once, however often it is met, and its end.

A kubelet asks for a volume again and again as long as it cannot be had. What was said is kept
over that, until the volume is well or not wanted any more.
"""

from collections import OrderedDict
from typing import Protocol

from registrar.csi.ailments import Ailment
from registrar.csi.volume import PodInfo, Volume

WELL = "VolumeUpToDate"
"""Reason of the Event at the end of whatever was said before."""
_REMEMBERED = 4_096
"""Volumes of which it is known what was said: more than any node has."""


class Sayer(Protocol):
    """Reports an Event on a Pod; never blocks."""

    def warn(self, pod: PodInfo, reason: str, message: str) -> None:
        """Something that a person should do something about."""
        ...

    def inform(self, pod: PodInfo, reason: str, message: str) -> None:
        """Something that is as it should be."""
        ...


class Notices:
    """What was said, by volume."""

    def __init__(self, sayer: Sayer) -> None:
        self._sayer = sayer
        self._said: OrderedDict[str, set[str]] = OrderedDict()

    def begin(self, volume: Volume, ailment: Ailment) -> bool:
        """A volume has a trouble; said once for each reason. Tells whether it is new."""
        said = self._said.setdefault(volume.id, set())
        self._said.move_to_end(volume.id)
        if ailment.reason in said:
            return False
        said.add(ailment.reason)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        message = f"volume {volume.name}: {ailment.message}"
        self._sayer.warn(volume.pod, ailment.reason, message)
        return True

    def end(self, volume: Volume, message: str) -> bool:
        """A volume is well; said where a trouble was. Tells whether one was."""
        if not self._said.pop(volume.id, None):
            return False
        self._sayer.inform(volume.pod, WELL, f"volume {volume.name}: {message}")
        return True

    def forget(self, volume_id: str) -> None:
        """A volume is not wanted any more."""
        self._said.pop(volume_id, None)
