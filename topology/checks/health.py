"""What holds of every module: its Pods, its objects, its registrars, and no Warning since."""

import re
from collections.abc import Awaitable, Callable, Sequence

import aiohttp

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, CLUSTER_SPIFFEID, EVENT
from api.meta import find_condition
from topology import labels
from topology.checks.check import Check, Untrue
from topology.kinds import POD, WORKLOADS, Pod
from topology.reader import Reader

_METRICS_PORT = 8082
_SECONDS = aiohttp.ClientTimeout(total=10)
_METRIC = re.compile(r'^(spire_registrar_\w+)\{state="([\w-]+)"\} (\S+)$', re.MULTILINE)


class Health:
    """One module, looked at from inside of the cluster."""

    def __init__(
        self,
        reader: Reader,
        *,
        module: str,
        namespace: str,
        servers: Sequence[str],
        selector: str = "",
    ) -> None:
        self._reader = reader
        self._label = selector or f"{labels.MODULE}={module}"
        self._module = module
        self._namespace = namespace
        self._servers = servers

    def checks(self, *, ready_seconds: float) -> list[Check]:
        """The checks; the first waits until all is ready."""
        module = self._module
        return [
            Check(f"all Pods of {module} are ready", self._all_ready, ready_seconds),
            self.no_restart(),
            Check(f"every object of {module} is Ready", self._objects_ready),
            *(
                Check(
                    f"the entries of {server} are the registrar's, all of them, and set",
                    self._entries_of(server),
                )
                for server in self._servers
            ),
            Check(f"no Warning in {module} since its Pods are ready", self._no_warning, 0),
        ]

    def no_restart(self) -> Check:
        """That no container was started twice."""
        return Check(f"no container of {self._module} was restarted", self._no_restart, 0)

    async def pods(self) -> list[Pod]:
        """The module's Pods, without those of tests and those that are done."""
        selector = f"{self._label},{labels.NAME}!={labels.CHECK}"
        found = await self._reader.all(POD, namespace=self._namespace, label=selector)
        return [pod for pod in found if not pod.is_done]

    async def _all_ready(self) -> None:
        missing = []
        for kind in WORKLOADS:
            found = await self._reader.all(kind, namespace=self._namespace, label=self._label)
            missing += [
                f"{each.metadata.name} {each.ready}/{each.wanted}"
                for each in found
                if each.ready < each.wanted
            ]
        missing += [pod.metadata.name for pod in await self.pods() if not pod.is_ready]
        if missing:
            raise Untrue(f"not ready: {', '.join(missing)}")
        if len(await self.pods()) < max(1, len(self._servers)):
            raise Untrue("there are no Pods yet")

    async def _no_restart(self) -> None:
        found = [f"{pod.metadata.name} {pod.restarts}" for pod in await self.pods() if pod.restarts]
        if found:
            raise Untrue(f"restarts: {', '.join(found)}")

    async def _objects_ready(self) -> None:
        conditions = {
            each.metadata.name: each.status.conditions
            for each in await self._reader.all(CLUSTER_SPIFFEID, label=self._label)
        } | {
            each.metadata.name: each.status.conditions
            for each in await self._reader.all(CLUSTER_FEDERATED_TRUST_DOMAIN, label=self._label)
        }
        wrong = []
        for name, found in conditions.items():
            ready = find_condition(found, "Ready")
            if ready is None or ready.status != "True":
                wrong.append(f"{name}: {'no condition yet' if ready is None else ready.message}")
        if wrong:
            raise Untrue("; ".join(wrong))

    def _entries_of(self, server: str) -> Callable[[], Awaitable[None]]:
        async def look() -> None:
            holders = 0
            for pod in await self.pods():
                if pod.metadata.labels.get(labels.SERVER) != server:
                    continue
                counts = await _metrics_of(pod)
                if counts.get(("spire_registrar_prefix_state", "held")) != 1:
                    continue
                holders += 1
                entries = {
                    state: number
                    for (name, state), number in counts.items()
                    if name == "spire_registrar_entries"
                }
                wrong = {state: entries.get(state) for state in ("foreign", "failed", "withheld")}
                if any(wrong.values()) or entries.get("desired") != entries.get("present"):
                    raise Untrue(f"{pod.metadata.name} counts {entries}")
            if holders != 1:
                raise Untrue(f"{holders} registrars of {server} work")

        return look

    async def _no_warning(self) -> None:
        pods = await self.pods()
        ready_since = max((_ready_since(pod) for pod in pods), default="")
        # Those of a Pod that is gone say nothing about now.
        present = {pod.metadata.uid for pod in pods}
        late = [
            f"{event.involved_object.name}: {event.reason}: {event.message}"
            for event in await self._reader.all(EVENT, namespace=self._namespace)
            if event.type == "Warning"
            and event.involved_object.uid in present
            and (event.last_timestamp or "") > ready_since
        ]
        if late:
            raise Untrue("; ".join(late))


def _ready_since(pod: Pod) -> str:
    """When the Pod became ready last, as RFC 3339 in UTC, which sorts as the times do."""
    ready = find_condition(pod.status.conditions, "Ready")
    return "" if ready is None else ready.last_transition_time


async def _metrics_of(pod: Pod) -> dict[tuple[str, str], float]:
    """The registrar's gauges by name and state; none where no registrar listens."""
    address = pod.status.pod_ip
    host = f"[{address}]" if ":" in address else address
    try:
        async with (
            aiohttp.ClientSession(timeout=_SECONDS) as http,
            http.get(f"http://{host}:{_METRICS_PORT}/metrics") as response,
        ):
            text = await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return {}
    return {(name, state): float(value) for name, state, value in _METRIC.findall(text)}
