"""Pods in a walk: those whose label is their path, and those under a template."""

from dataclasses import dataclass, field

from api.codec import JSONObject, JSONValue
from api.kinds import CLUSTER_SPIFFEID, POD
from tests.support.controllermanager import Manager
from tests.support.walk.actor import Action
from tests.support.walk.model import Model
from tests.support.walk.servers import Servers

LABEL = "spiffe"
RESERVED = "spire"
"""A label that makes no SPIFFE ID for a workload."""


@dataclass
class LabelledPods:
    """Pods whose label is their path, by a label that may be wrong."""

    model: Model
    servers: Servers
    mine: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    is_only_said = False

    async def begin(self) -> None:
        """The Node that they are on."""
        await self.manager.node()

    @property
    def manager(self) -> Manager:
        """The words for Pods."""
        return Manager(self.servers.setup)

    def actions(self) -> list[Action]:
        """What happens to Pods."""
        return [self.create, self.create, self.relabel, self.delete, self.break_label]

    def is_in_doubt(self) -> bool:
        """Whether a label is wrong."""
        return bool(self.broken)

    async def mend(self) -> None:
        """Correct the labels."""
        for name in sorted(self.broken):
            self.model.note(f"{name} has its label again")
            await self.label(name, self.model.wanted[name][0].removeprefix("/"))
        self.broken.clear()

    async def create(self) -> None:
        """A Pod comes."""
        name = f"pod{self.model.random.randrange(5)}"
        if name not in self.mine:
            label = self._some_label(name)
            self.model.asks(name, f"/{label}")
            self.mine.add(name)
            await self.make(name, label)

    async def relabel(self) -> None:
        """A Pod asks for something else."""
        if self.mine:
            name = self._some_pod()
            label = self._some_label(name)
            self.model.asks(name, f"/{label}")
            self.broken.discard(name)
            await self.label(name, label)

    async def break_label(self) -> None:
        """A Pod asks for what nobody can have."""
        if self.mine:
            name = self._some_pod()
            self.model.note(f"{name} has a wrong label")
            self.broken.add(name)
            await self.label(name, RESERVED)

    async def delete(self) -> None:
        """A Pod goes."""
        if self.mine:
            name = self._some_pod()
            self.model.goes(name)
            self.mine.discard(name)
            self.broken.discard(name)
            await self.remove(name)

    async def make(self, name: str, label: str) -> None:
        """Store a Pod."""
        await self.manager.pod(name, labels={LABEL: label})

    async def label(self, name: str, label: str) -> None:
        """Store another label."""
        labels: JSONObject = {"metadata": {"labels": {LABEL: label}}}
        await self.servers.setup.client.merge(POD.path("default", name), labels)

    async def remove(self, name: str) -> None:
        """Delete a Pod."""
        await self.manager.delete_pod(name)

    def _some_pod(self) -> str:
        return self.model.random.choice(sorted(self.mine))

    def _some_label(self, name: str) -> str:
        return self.model.some_path(name).removeprefix("/")


@dataclass
class TemplatedPods(LabelledPods):
    """Pods under one template, which may be wrong or of a kind that is not there."""

    is_template_broken: bool = False

    async def begin(self) -> None:
        """The Node and the template."""
        await super().begin()
        await self.servers.serve(CLUSTER_SPIFFEID, served=True)
        await self.mend_template()

    def actions(self) -> list[Action]:
        """What happens to Pods, but for wrong labels, and to the template."""
        pods = [self.create, self.create, self.relabel, self.delete]
        return [*pods, self.break_template, self.mend_template, self.serve]

    def is_in_doubt(self) -> bool:
        """Whether the template means nothing."""
        return self.is_template_broken or CLUSTER_SPIFFEID.kind in self.servers.unserved

    async def mend(self) -> None:
        """Serve the kind and correct the template."""
        if CLUSTER_SPIFFEID.kind in self.servers.unserved:
            await self.serve()
        await self.mend_template()

    async def break_template(self) -> None:
        """Write what is no template, what fails for every Pod, or what does not decode."""
        if CLUSTER_SPIFFEID.kind not in self.servers.unserved:
            texts: list[JSONValue] = ["/{{ .PodMeta.Name", "/{{ .PodMeta.Missing }}", 7]
            text = self.model.random.choice(texts)
            self.model.note(f"the template is {text}")
            self.is_template_broken = True
            await self.manager.client.merge(
                CLUSTER_SPIFFEID.path("", "all"), {"spec": {"spiffeIDTemplate": text}}
            )

    async def mend_template(self) -> None:
        """Correct the template."""
        if CLUSTER_SPIFFEID.kind not in self.servers.unserved:
            text = f'/{{{{ index .PodMeta.Labels "{LABEL}" }}}}'
            await self.manager.template("all", spiffeIDTemplate=text)
            self.is_template_broken = False

    async def serve(self) -> None:
        """The version of the kind is served no more, or again."""
        served = CLUSTER_SPIFFEID.kind in self.servers.unserved
        self.model.note(f"templates are {'served again' if served else 'not served'}")
        await self.servers.serve(CLUSTER_SPIFFEID, served=served)
