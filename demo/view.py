"""Shows on the terminal which object became which SpireEntry became which SPIRE entry."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import TypeVar

from api.codec import DecodeError, convert
from api.core import Pod
from api.kinds import CLUSTER_SPIFFE_ID, POD, SPIRE_ENTRY, Kind
from api.meta import KubeObject, find_condition
from api.proto.types_pb2 import Entry
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry
from demo.world import World

T = TypeVar("T", bound=KubeObject)

_POLL_SECONDS = 0.01
_COLOURS = {"+": "32", "~": "33", "-": "31", "!": "31", "=": "1"}


class View:
    """What the servers hold, watched from outside, and a line for each change."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._colour = sys.stdout.isatty()
        self._changed = asyncio.Event()
        self.pods: dict[str, Pod] = {}
        self.cluster_spiffe_ids: dict[str, ClusterSpiffeId] = {}
        self.spire_entries: dict[str, SpireEntry] = {}
        self.entries: dict[str, Entry] = {}

    def runs(self) -> Iterator[Coroutine[None, None, None]]:
        """The loops to run."""
        yield self._watch(POD, self.pods, lambda pod: f"in {pod.metadata.namespace}")
        yield self._watch(CLUSTER_SPIFFE_ID, self.cluster_spiffe_ids, _describe_claim)
        yield self._watch(SPIRE_ENTRY, self.spire_entries, _describe_record)
        yield self._poll_spire()

    async def until(self, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until ``condition`` holds. TimeoutError, naming ``what``, when it does not."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise TimeoutError(f"{what}: not within {seconds:g} s") from error

    def heading(self, text: str) -> None:
        """Announce the next step."""
        print(self._paint("=", f"\n== {text}"), flush=True)

    def line(self, sign: str, kind: str, name: str, detail: str) -> None:
        """One change: + new, ~ changed, - gone."""
        now = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        print(f"{now} {self._paint(sign, sign)} {kind:<15} {name:<50} {detail}", flush=True)

    def table(self) -> None:
        """What is, at a glance: object, SpireEntry, SPIRE entry."""
        self.heading("which object became which SpireEntry became which SPIRE entry")
        for name, obj in sorted(self.cluster_spiffe_ids.items()):
            entry = self.entries.get(obj.status.entry_id)
            there = "on the SPIRE server" if entry is not None else "not on the SPIRE server"
            print(f"ClusterSpiffeId {name}  {obj.spec.spiffe_id}")
            print(f"  -> SpireEntry  {obj.status.spire_entry or '(none)'}")
            print(f"  -> SPIRE entry {obj.status.entry_id or '(none)'}  ({there})", flush=True)

    def say_how_to_use_it(self) -> None:
        """Tell how to go on by hand."""
        self.table()
        self.heading("running until Ctrl-C; try in another terminal")
        print(f"export KUBECONFIG={self._world.kubeconfig}")
        print("kubectl get clusterspiffeids.spiffeid.spiffe.io,spireentries.spiffeid.spiffe.io")
        print("kubectl describe clusterspiffeids.spiffeid.spiffe.io", flush=True)

    def _paint(self, sign: str, text: str) -> str:
        return f"\x1b[{_COLOURS[sign]}m{text}\x1b[0m" if self._colour else text

    def _notify(self) -> None:
        self._changed.set()

    async def _watch(self, kind: Kind[T], seen: dict[str, T], describe: Callable[[T], str]) -> None:
        """Follow one kind; a line whenever what a person would see of it changes."""
        shown: dict[str, str] = {}
        async for event in self._world.client.watch(kind.path()):
            try:
                obj = convert(event["object"], kind.type)
            except DecodeError:
                continue
            name = obj.metadata.name
            if event["type"] == "DELETED":
                seen.pop(name, None)
                shown.pop(name, None)
                self.line("-", kind.kind, name, "deleted")
            elif event["type"] in {"ADDED", "MODIFIED"}:
                seen[name] = obj
                text = describe(obj)
                if shown.get(name) != text:
                    self.line("~" if name in shown else "+", kind.kind, name, text)
                shown[name] = text
            self._notify()

    async def _poll_spire(self) -> None:
        """Follow the SPIRE server's entries; it has no watch."""
        while True:
            now = {entry.id: entry for entry in await self._world.entries()}
            for id_ in now.keys() - self.entries.keys():
                self.line("+", "SPIRE entry", id_, _describe_entry(now[id_]))
            for id_ in self.entries.keys() - now.keys():
                self.line("-", "SPIRE entry", id_, "gone")
            for id_ in now.keys() & self.entries.keys():
                if now[id_].revision_number != self.entries[id_].revision_number:
                    self.line("~", "SPIRE entry", id_, _describe_entry(now[id_]))
            if now != self.entries:
                self.entries = now
                self._notify()
            await asyncio.sleep(_POLL_SECONDS)


def _ready(obj: ClusterSpiffeId | SpireEntry) -> str:
    condition = find_condition(obj.status.conditions, "Ready")
    if condition is None:
        return "Ready=?"
    text = f"Ready={condition.status} {condition.reason}"
    return text if condition.status == "True" else f"{text}: {condition.message}"


def _describe_claim(obj: ClusterSpiffeId) -> str:
    return f"{obj.spec.spiffe_id}  {_ready(obj)}"


def _describe_record(obj: SpireEntry) -> str:
    owners = ", ".join(owner.name for owner in obj.metadata.owner_references) or "the registrar"
    return f"for {owners}  {_ready(obj)}"


def _describe_entry(entry: Entry) -> str:
    selectors = ", ".join(f"{s.type}:{s.value}" for s in entry.selectors)
    ttl = f"  ttl {entry.x509_svid_ttl}s" if entry.x509_svid_ttl else ""
    return f"spiffe://{entry.spiffe_id.trust_domain}{entry.spiffe_id.path}  [{selectors}]{ttl}"
