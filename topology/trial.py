"""Runs the Job that tests a module, with its lines as they come."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registrar.kube.errors import KubeError
from registrar.kube.lines import LineSplitter
from registrar.kube.session import Request, Session
from topology import labels
from topology.discovery import Cluster
from topology.kinds import POD, Pod
from topology.kubectl import Kubectl
from topology.manifests import Manifests, ObjectID, objects_of
from topology.modules import Module
from topology.naming import prefixed
from topology.pause import PAUSE_SECONDS, until
from topology.program import Exit
from topology.reader import Reader
from topology.reasons import why_not_ready

_SILENCE_SECONDS = 600.0
_LAST_ARGUMENT = re.compile(r"^( *- )--timeout=\$\(READY\)$", re.MULTILINE)
_LINE = re.compile(r"(ok  |FAIL) +([0-9.]+) s  (.*)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of a test."""

    module: str
    ok: bool
    seconds: float
    text: str


def with_arguments(rendered: str, arguments: Sequence[str]) -> str:
    """The Job of a test whose container gets more arguments, behind its own."""
    lines = "".join(f"\n\\g<1>{argument}" for argument in arguments)
    return _LAST_ARGUMENT.sub(rf"\g<0>{lines}", rendered)


class Trial:
    """The test of one module after the other. Methods raise KubeError and KubectlError."""

    def __init__(
        self,
        session: Session,
        kubectl: Kubectl,
        manifests: Manifests,
        *,
        say: Callable[[str], None],
        show: Callable[[Outcome], None],
    ) -> None:
        self._session = session
        self._cluster = Cluster(session)
        self._reader = Reader(session)
        self._kubectl = kubectl
        self._manifests = manifests
        self._say = say
        self._show = show

    async def run(
        self, module: Module, timeout_seconds: float | None, arguments: Sequence[str] = ()
    ) -> Exit:
        """Run the module's Job anew, with more arguments; tells whether it was complete."""
        try:
            async with asyncio.timeout(timeout_seconds):
                rendered = await self._kubectl.render(self._manifests.test(module.name))
                rendered = prefixed(with_arguments(rendered, arguments), module.prefix)
                (job,) = (each for each in objects_of(rendered) if each.kind == "Job")
                await self._away(job)
                await self._kubectl.apply(rendered)
                pod = await self._started(job)
                await self._follow(pod)
                is_good = await self._ended(pod)
        except TimeoutError:
            self._say(f"{module.name}: the time for the test is over")
            return Exit.TIME_LIMIT
        self._say(f"{module.name}: {'all is well' if is_good else 'the test has failed'}")
        return Exit.DONE if is_good else Exit.FAILED

    async def _away(self, job: ObjectID) -> None:
        """A Job runs once: the one of before goes, with its Pods."""
        await self._cluster.delete(job)

        async def gone() -> bool:
            return not (await self._cluster.read([job]) or await self._pods(job))

        await until(gone)

    async def _pods(self, job: ObjectID) -> list[Pod]:
        label = f"{labels.NAME}={labels.CHECK},job-name={job.name}"
        return await self._reader.all(POD, namespace=job.namespace, label=label)

    async def _started(self, job: ObjectID) -> Pod:
        said = ""
        while True:
            for pod in await self._pods(job):
                if any(s.state.waiting is None for s in pod.status.container_statuses):
                    return pod
                why = why_not_ready(pod)
                if why and why != said:
                    said = why
                    self._say(f"{pod.metadata.name} {why}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, pod: Pod) -> None:
        path = f"{POD.path(pod.metadata.namespace, pod.metadata.name)}/log"
        request = Request("GET", path, {"follow": "true"}, deadline_seconds=3600.0)
        lines = LineSplitter()
        try:
            async with self._session.stream(request, read_seconds=_SILENCE_SECONDS) as chunks:
                async for chunk in chunks:
                    for line in lines.feed(chunk):
                        self._take(pod, line.decode(errors="replace"))
        except KubeError as error:
            self._say(f"{pod.metadata.name}: its log breaks off: {error}")

    def _take(self, pod: Pod, line: str) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            self._say(line)
            return
        module = pod.metadata.labels.get(labels.MODULE, "")
        self._show(Outcome(module, found[1] == "ok  ", float(found[2]), found[3]))

    async def _ended(self, pod: Pod) -> bool:
        while True:
            now = await self._reader.get(POD, pod.key)
            if now.status.phase in {"Succeeded", "Failed"}:
                return now.is_done
            await asyncio.sleep(PAUSE_SECONDS)
