"""Ends modules: what they run, and with ``clean`` all that is left of them."""

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from api.kinds import LEASE
from registrar.kube.session import Session
from topology import labels
from topology.components import components_of
from topology.discovery import Cluster
from topology.kinds import POD, Pod
from topology.kubectl import Kubectl
from topology.manifests import Manifests, ObjectID, objects_of
from topology.modules import WITHOUT_PREFIX, Module, Modules, Server, dependents
from topology.naming import prefixed
from topology.pause import until
from topology.program import Exit
from topology.reader import Reader

_OWNERS_NAMESPACE = "kube-public"


class Stop:
    """One stop of some modules."""

    def __init__(
        self,
        session: Session,
        kubectl: Kubectl,
        manifests: Manifests,
        say: Callable[[str], None],
        modules: Modules = WITHOUT_PREFIX,
    ) -> None:
        self._cluster = Cluster(session)
        self._reader = Reader(session)
        self._kubectl = kubectl
        self._manifests = manifests
        self._say = say
        self._modules = modules.all

    async def run(
        self,
        modules: Sequence[Module],
        *,
        with_dependents: bool,
        clean: bool,
        timeout_seconds: float | None,
    ) -> Exit:
        """End the modules, those that need others first. Raises KubectlError."""
        try:
            async with asyncio.timeout(timeout_seconds):
                present = {m.name for m in self._modules.values() if await self._is_there(m)}
                others = [m for m in dependents(list(modules)) if m.name in present]
                if others and not with_dependents:
                    names = ", ".join(module.name for module in others)
                    self._say(f"still needed by: {names}. End them too: --with-dependents")
                    return Exit.DEPENDENTS
                wanted = {module.name for module in (*modules, *others)}
                for module in reversed([*self._modules.values()]):
                    if module.name in wanted:
                        await self._end(module, clean=clean)
                return (
                    await self._proof([self._modules[name] for name in wanted])
                    if clean
                    else Exit.DONE
                )
        except TimeoutError:
            self._say("the time is over: what is still there says kubectl get all -A")
            return Exit.TIME_LIMIT

    async def _end(self, module: Module, *, clean: bool) -> None:
        gone = 0
        for folder in (self._manifests.test(module.name), self._manifests.module(module.name)):
            if await asyncio.to_thread(folder.exists):
                gone += await self._delete(folder, module)
        await self._pods_gone(module)
        if clean:
            gone += await self._delete_data(module)
        self._say(f"{module.name}: {gone} objects deleted" if gone else f"{module.name}: not there")

    async def _delete(self, folder: Path, module: Module) -> int:
        """Delete what the manifests made but the namespace, which has the data in it.

        What any of the components may have added goes too.
        """
        components: list[Path] = []
        if folder == self._manifests.module(module.name):
            named = [self._manifests.component(each.name) for each in components_of(module)]
            components = [each for each in named if await asyncio.to_thread(each.exists)]
        text = await self._kubectl.render(folder, components)
        rendered = objects_of(prefixed(text, module.prefix))
        wanted = [each for each in reversed(rendered) if each.kind != "Namespace"]
        return sum([await self._cluster.delete(each) for each in wanted])

    async def _pods_gone(self, module: Module) -> None:
        async def gone() -> bool:
            # One that has ended is still there until the garbage collector comes.
            return not await self._pods(module)

        await until(gone)

    async def _delete_data(self, module: Module) -> int:
        """Volumes, the upstream authority, the namespace around them, Leases elsewhere."""
        gone = 0
        for lease in await self._reader.all(LEASE, namespace=_OWNERS_NAMESPACE):
            if any(_owns(lease.metadata.name, server) for server in module.servers):
                gone += await self._cluster.delete(
                    ObjectID("coordination.k8s.io/v1", "Lease", *lease.key)
                )
        namespace = ObjectID("v1", "Namespace", "", module.namespace)
        if await self._cluster.delete(namespace):
            gone += 1

            async def is_gone() -> bool:
                return not await self._cluster.read([namespace])

            await until(is_gone)
        return gone

    async def _proof(self, modules: Sequence[Module]) -> Exit:
        """Show that nothing with the labels of these modules is left."""
        left = []
        for module in modules:
            left += await self._cluster.labelled(module.selector)
        for each in left:
            self._say(f"still there: {each}")
        if not left:
            self._say("nothing with their labels is left")
        return Exit.FAILED if left else Exit.DONE

    async def _is_there(self, module: Module) -> bool:
        return bool(await self._pods(module))

    async def _pods(self, module: Module) -> list[Pod]:
        label = f"{labels.MODULE}={module.name}"
        return await self._reader.all(POD, namespace=module.namespace, label=label)


def _owns(lease: str, server: Server) -> bool:
    """Whether the Lease says that the registrar of this server has its prefix."""
    name, kind = re.escape(server.name), re.escape(server.class_name)
    pattern = f"spire-registrar-{name}-[0-9a-f]{{8}}-controller-manager-{kind}-[0-9a-f]{{8}}"
    return re.fullmatch(pattern, lease) is not None
