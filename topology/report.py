"""What one needs to know when a module does not come up: logs, Events, and what to do."""

from collections.abc import AsyncIterator

from api.kinds import EVENT
from registrar.errors import printable
from registrar.kube.errors import KubeError
from registrar.kube.session import Request, Session
from topology.kinds import POD, Pod
from topology.modules import Module
from topology.reader import Reader
from topology.watch import Watched

_LOG_LINES = 20
_EVENTS = 8


async def report(session: Session, watched: Watched, module: Module) -> AsyncIterator[str]:
    """Lines on everything of a module that is not well, the Pods that crashed first."""
    picture = watched.picture(module)
    crashed = {crash.pod for crash in picture.crashes}
    for crash in picture.crashes:
        yield f"{module.name}: {crash.pod}, container {crash.container}: {crash.why}"
    for name, why in picture.waiting:
        yield f"{module.name}: {name}: {why}"
    unwell = [pod for pod in watched.pods(module) if not (pod.is_ready or pod.is_done)]
    for pod in sorted(unwell, key=lambda each: each.metadata.name not in crashed):
        async for line in _of_pod(session, pod):
            yield line
    yield f"what to do: kubectl describe pod -n {module.namespace} NAME says more; when it is"
    yield f"mended, start again: spire-registrar topology start {module.name}"


async def _of_pod(session: Session, pod: Pod) -> AsyncIterator[str]:
    name, namespace = pod.metadata.name, pod.metadata.namespace
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        ended_well = status.state.terminated is not None and not status.state.terminated.exit_code
        if status.ready or ended_well:
            continue
        query = {"container": status.name, "tailLines": str(_LOG_LINES)}
        if status.state.waiting is not None and status.restart_count:
            query["previous"] = "true"
        path = f"{POD.path(namespace, name)}/log"
        try:
            log = (await session.call(Request("GET", path, query))).decode(errors="replace")
        except KubeError as error:
            yield f"--- {name}, {status.name}: no log: {error}"
            continue
        yield f"--- {name}, {status.name}: the last lines of its log"
        for line in log.splitlines():
            yield f"    {printable(line)}"
    events = await _events_of(session, pod)
    if events:
        yield f"--- {name}: its last Events"
        for line in events:
            yield f"    {line}"


async def _events_of(session: Session, pod: Pod) -> list[str]:
    try:
        events = await Reader(session).all(EVENT, namespace=pod.metadata.namespace)
    except KubeError as error:
        return [f"none to be had: {error}"]
    mine = [each for each in events if each.involved_object.uid == pod.metadata.uid]
    mine.sort(key=lambda each: each.last_timestamp or "")
    return [f"{each.reason}: {printable(each.message)}" for each in mine[-_EVENTS:]]
