"""Waits until a workload is as it was asked to be: no old Pod left, all new ones ready."""

from collections.abc import Callable

from api.codec import JSONObject
from manager.migrate import swap
from manager.migrate.installation import Installation
from manager.migrate.objects import POD, Objects
from manager.migrate.reading import at, key_of, mapping, mappings, number, text, words
from manager.migrate.waiting import NotInTime, until_no


class Rollout:
    """One workload. ``timeout_seconds`` None waits for ever."""

    def __init__(
        self, objects: Objects, installation: Installation, *, timeout_seconds: float | None
    ) -> None:
        self._objects = objects
        self._installation = installation
        self._place = installation.place
        self._timeout = timeout_seconds

    async def stop(self, image: str) -> None:
        """Let the workload have no Pods, and wait. Raises NotInTime and KubeError."""
        await self._change(lambda there: swap.stopped(there, self._place))
        await self.stopped(image)

    async def take_out(self, image: str) -> None:
        """Let its Pods go on without the container, and wait. Raises NotInTime and KubeError."""
        await self._change(lambda there: swap.with_container(there, self._installation, None))
        await self.stopped(image)
        await self.complete()

    async def start(self, container: JSONObject, replicas: int | None) -> None:
        """Let its Pods have this container, and wait. Raises NotInTime and KubeError.

        ``replicas`` None leaves their number as it is.
        """

        def changed(there: JSONObject) -> JSONObject:
            wanted = swap.with_container(there, self._installation, container)
            return wanted if replicas is None else swap.started(wanted, self._place, replicas)

        await self._change(changed)
        await self.complete()

    async def _change(self, changed: Callable[[JSONObject], JSONObject]) -> None:
        await self._objects.change(self._place.of, self._place.key, changed)

    async def stopped(self, image: str) -> None:
        """Wait until no Pod has the container with that image. Raises NotInTime and KubeError."""

        async def problem() -> str:
            workload = await self._workload()
            if not _is_seen(workload):
                return f"{self._place.workload} was not looked at by its controller yet"
            left = [pod for pod in await self._pods(workload) if self._has(pod, image)]
            if left:
                names = ", ".join(key_of(pod).name for pod in left)
                return f"it still runs in {names}"
            if _is_empty(workload) and _running(workload):
                return f"{self._place.workload} still has Pods"
            return ""

        await until_no(problem, timeout_seconds=self._timeout)

    async def complete(self) -> None:
        """Wait until all Pods are new and ready. Raises NotInTime and KubeError."""

        async def problem() -> str:
            workload = await self._workload()
            if why := _incomplete(workload, self._place.kind):
                waits = [_waiting(pod) for pod in await self._pods(workload)]
                return "; ".join([why, *(each for each in waits if each)])
            return ""

        await until_no(problem, timeout_seconds=self._timeout)

    async def _workload(self) -> JSONObject:
        found = await self._objects.get(self._place.of, self._place.key)
        if found is None:
            raise NotInTime(f"{self._place.workload} is not there any more")
        return found

    async def _pods(self, workload: JSONObject) -> list[JSONObject]:
        labels = _selector(mapping(at(workload, "spec", "selector")))
        return await self._objects.all(POD, self._place.namespace, labels=labels)

    def _has(self, pod: JSONObject, image: str) -> bool:
        if text(at(pod, "status", "phase")) in {"Succeeded", "Failed"}:
            return False
        return any(
            container.get("name") == self._place.container and container.get("image") == image
            for container in mappings(at(pod, "spec", self._place.field))
        )


def _selector(selector: JSONObject) -> str:
    """A selector of labels as it is asked for."""
    parts = [f"{k}={v}" for k, v in mapping(selector.get("matchLabels")).items()]
    for each in mappings(selector.get("matchExpressions")):
        key, values = text(each.get("key")), ",".join(words(each.get("values")))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})"}
        forms |= {"Exists": key, "DoesNotExist": f"!{key}"}
        parts.append(forms.get(text(each.get("operator")), key))
    return ",".join(parts)


def _is_seen(workload: JSONObject) -> bool:
    generation = number(at(workload, "metadata", "generation"))
    return number(at(workload, "status", "observedGeneration")) >= generation


def _is_empty(workload: JSONObject) -> bool:
    return at(workload, "spec", "replicas") == 0


def _running(workload: JSONObject) -> int:
    return number(at(workload, "status", "replicas"))


def _incomplete(workload: JSONObject, kind: str) -> str:
    """Why not all Pods are new and ready; empty where they are."""
    if not _is_seen(workload):
        return "its controller has not looked at it yet"
    status = mapping(workload.get("status"))
    if kind == "DaemonSet":
        wanted = number(status.get("desiredNumberScheduled"))
        updated = number(status.get("updatedNumberScheduled"))
        ready = number(status.get("numberReady"))
    else:
        wanted = number(at(workload, "spec", "replicas"), 1)
        updated, ready = number(status.get("updatedReplicas")), number(status.get("readyReplicas"))
        if kind == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
            # Once all are new it counts them as current ones, in some versions as no updated ones.
            updated = max(updated, number(status.get("currentReplicas")))
    if updated < wanted:
        return f"{updated} of {wanted} Pods are new"
    total = number(status.get("replicas"), wanted) if kind != "DaemonSet" else wanted
    if total > wanted:
        return f"{total - wanted} old Pods are left"
    return "" if ready >= wanted else f"{ready} of {wanted} Pods are ready"


def _waiting(pod: JSONObject) -> str:
    """Why a Pod does not come up, as its containers say."""
    for container in mappings(at(pod, "status", "containerStatuses")):
        waiting = mapping(at(container, "state", "waiting"))
        if reason := text(waiting.get("reason")):
            told = text(waiting.get("message"))
            return f"Pod {key_of(pod).name}: {reason}" + (f": {told}" if told else "")
    return ""
