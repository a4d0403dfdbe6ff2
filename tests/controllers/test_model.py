"""A random walk through everything that can happen, against a plain model of what should be.

The seed of a failing walk stands in the test's name; SPIRE_REGISTRAR_SEEDS="7 8" walks others.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, POD
from api.proto.types_pb2 import SPIFFEID, Entry, Selector
from registrar.settings.model import PodIdentity
from tests.support.setup import Setup, embedded_setup, eventually, some_looks, until

SEEDS = os.environ.get("SPIRE_REGISTRAR_SEEDS", "1 2 3").split()
STEPS = 40
PODS = PodIdentity("label", "spiffe")

Wanted = tuple[str, str, int]
"""Path, selector and TTL of one entry."""


@dataclass
class Walk:
    """The model beside the servers."""

    setup: Setup
    random: random.Random
    objects: dict[str, Wanted] = field(default_factory=dict)
    pods: dict[str, tuple[str, str]] = field(default_factory=dict)
    restart: bool = False

    async def step(self) -> None:
        """Do one thing that may happen."""
        actions = (
            self.apply,
            self.apply,
            self.rename,
            self.delete_object,
            self.break_object,
            self.create_pod,
            self.create_pod,
            self.relabel_pod,
            self.delete_pod,
            self.drift,
            self.refuse_writes,
            self.restart_spire,
            self.restart_api,
            self.expire_watches,
            self.restart_registrar,
        )
        await self.random.choice(actions)()

    async def apply(self) -> None:
        name = f"o{self.random.randrange(6)}"
        path = f"/shared-{self.random.randrange(2)}" if self.random.random() < 0.3 else f"/{name}"
        await self._apply(name, (path, f"ns:{path[1:]}", self.random.choice([0, 60])))

    async def rename(self) -> None:
        if self.objects:
            name = self.random.choice(sorted(self.objects))
            path = f"/{name}-{self.random.randrange(100)}"
            await self._apply(name, (path, f"ns:{path[1:]}", 0))

    async def _apply(self, name: str, wanted: Wanted) -> None:
        path, selector, ttl = wanted
        await self.setup.apply(
            name,
            spiffeId=f"spiffe://example.org{path}",
            selector={"namespace": selector.removeprefix("ns:")},
            ttl=ttl,
        )
        self.objects[name] = wanted

    async def delete_object(self) -> None:
        if self.objects:
            name = self.random.choice(sorted(self.objects))
            await self.setup.client.delete(CLUSTER_SPIFFE_ID.path("", name))
            del self.objects[name]

    async def break_object(self) -> None:
        """An invalid edit, once the last good state is in force, and the correction."""
        if self.objects:
            await self.rest()
            name = self.random.choice(sorted(self.objects))
            wanted = self.objects[name]
            before = len(self.setup.entries(wanted[0]))
            await self.setup.apply(name, spiffeId="spiffe://other.test/x")
            if not self.restart:
                await self.setup.until_ready(name, "False")
                assert len(self.setup.entries(wanted[0])) == before
            await self._apply(name, wanted)

    async def create_pod(self) -> None:
        name, label = f"p{self.random.randrange(6)}", f"l{self.random.randrange(3)}"
        if name not in self.pods:
            self.pods[name] = (label, await self.setup.create_pod(name, spiffe=label))

    async def relabel_pod(self) -> None:
        if self.pods:
            name = self.random.choice(sorted(self.pods))
            label = f"l{self.random.randrange(3)}"
            await self.setup.client.merge(
                POD.path("default", name), {"metadata": {"labels": {"spiffe": label}}}
            )
            self.pods[name] = (label, self.pods[name][1])

    async def delete_pod(self) -> None:
        if self.pods:
            name = self.random.choice(sorted(self.pods))
            path = POD.path("default", name)
            await self.setup.client.delete(f"{path}?gracePeriodSeconds=0")
            del self.pods[name]

    async def drift(self) -> None:
        """Somebody deletes or edits an entry on the SPIRE server."""
        entries = [e for e in self.setup.entries() if e.id != "foreign"]
        if not entries:
            return
        entry = self.random.choice(entries)
        if self.random.random() < 0.5:
            self.setup.spire.state.delete(entry.id)
        else:
            changed = Entry()
            changed.CopyFrom(entry)
            changed.x509_svid_ttl = 999
            self.setup.spire.state.put(changed)

    async def refuse_writes(self) -> None:
        method = self.random.choice(["BatchCreateEntry", "BatchUpdateEntry", "BatchDeleteEntry"])
        self.setup.spire.faults.fail(method, times=self.random.randrange(1, 3))

    async def restart_spire(self) -> None:
        await self.setup.spire.stop()
        await self.setup.spire.start()

    async def restart_api(self) -> None:
        assert self.setup.embedded is not None
        await self.setup.embedded.stop()
        await self.setup.embedded.start()

    async def expire_watches(self) -> None:
        assert self.setup.embedded is not None
        self.setup.embedded.faults.expire_watches()

    async def restart_registrar(self) -> None:
        self.restart = True

    def expected(self) -> dict[tuple[str, frozenset[str]], set[int]]:
        """Entries by key, with the TTLs that are right: any owner's where two disagree."""
        wanted: dict[tuple[str, frozenset[str]], set[int]] = {}
        for path, selector, ttl in self.objects.values():
            wanted.setdefault((path, frozenset({selector})), set()).add(ttl)
        for label, uid in self.pods.values():
            wanted[f"/{label}", frozenset({f"pod-uid:{uid}", "ns:default"})] = {0}
        return wanted

    def is_right(self) -> bool:
        """Whether the SPIRE server holds what the model says, each key once."""
        wanted = self.expected()
        entries = [e for e in self.setup.entries() if e.id != "foreign"]
        found = {
            (e.spiffe_id.path, frozenset(s.value for s in e.selectors)): e.x509_svid_ttl
            for e in entries
        }
        return (
            len(found) == len(entries)
            and found.keys() == wanted.keys()
            and all(ttl in wanted[key] for key, ttl in found.items())
        )

    async def rest(self) -> None:
        """Wait until everything is as the model says."""
        if not self.restart:
            try:
                await until(self.is_right)
            except TimeoutError:
                raise AssertionError(f"{self.expected()} but {self.setup.entries()}") from None

    async def everything_is_told(self) -> bool:
        """Whether every object is ready and recorded, and nothing else is recorded."""
        objects = await self.setup.cluster_spiffe_ids()
        records = await self.setup.spire_entries()
        ids = {r.status.entry_id for r in records}
        ready = [
            c.status == "True" and c.observed_generation == o.metadata.generation
            for o in objects
            for c in o.status.conditions
            if c.type == "Ready"
        ]
        return (
            len(objects) == len(ready) == len(self.objects) + len(self.pods)
            and all(ready)
            and {o.status.entry_id for o in objects} == ids
            and len(records) == len(self.expected())
        )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_entries_become_what_is_claimed(
    seed: str, tmp_path: Path
) -> None:
    foreign = Entry(
        id="foreign",
        spiffe_id=SPIFFEID(trust_domain="example.org", path="/foreign"),
        parent_id=SPIFFEID(trust_domain="example.org", path="/spire/server"),
        selectors=[Selector(type="unix", value="uid:0")],
    )
    async with embedded_setup(tmp_path) as setup:
        kept = setup.spire.state.put(foreign).SerializeToString(deterministic=True)
        walk = Walk(setup, random.Random(seed))
        for _ in range(4):
            walk.restart = False
            async with setup.registrar(pods=PODS):
                for _ in range(STEPS // 4):
                    await walk.step()
                    if walk.restart:
                        break
                    if walk.random.random() < 0.3:
                        await walk.rest()
            walk.restart = True
            await walk.step()  # while nobody looks
        setup.spire.faults.clear()
        async with setup.registrar(pods=PODS):
            walk.restart = False
            await walk.rest()
            await eventually(walk.everything_is_told)
            writes = setup.spire.writes.total()
            await some_looks(setup)
            assert setup.spire.writes.total() == writes
            assert walk.is_right()
        (found,) = [e for e in setup.entries() if e.id == "foreign"]
        assert found.SerializeToString(deterministic=True) == kept
