"""The store against a model: a server, a watch that lags behind, and replies that come late."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from api.core import Namespace
from api.meta import ObjectMeta
from registrar.kube.store import Listing, Store, version_of

NAMES = st.sampled_from(["a", "b"])


class StoreMachine(RuleBasedStateMachine):
    """Whatever the order of events, replies and lists: once all is delivered, both are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.store = self.empty_store()
        self.version = 0
        self.objects: dict[str, Namespace] = {}
        self.unreadable: set[str] = set()
        self.events: list[tuple[str, Namespace, bool]] = []
        self.delivered = 0
        self.replies: list[tuple[str, Namespace]] = []
        self.listing: Listing[Namespace] | None = None
        self.snapshot: tuple[int, int, list[tuple[Namespace, bool]]] | None = None

    @staticmethod
    def empty_store() -> Store[Namespace]:
        return Store({"uid": lambda n: [n.metadata.uid]})

    # The server.

    def write(self, name: str, *, broken: bool = False) -> Namespace:
        self.version += 1
        known = self.objects.get(name)
        uid = known.metadata.uid if known is not None else f"uid-{self.version}"
        obj = Namespace(metadata=ObjectMeta(name=name, uid=uid, resource_version=str(self.version)))
        self.objects[name] = obj
        (self.unreadable.add if broken else self.unreadable.discard)(name)
        self.events.append(("ADDED" if known is None else "MODIFIED", obj, broken))
        return obj

    def erase(self, name: str) -> Namespace:
        self.version += 1
        known = self.objects.pop(name)
        self.unreadable.discard(name)
        last = Namespace(
            metadata=ObjectMeta(
                name=name, uid=known.metadata.uid, resource_version=str(self.version)
            )
        )
        self.events.append(("DELETED", last, False))
        return known

    @rule(name=NAMES, broken=st.booleans())
    def somebody_writes(self, name: str, *, broken: bool) -> None:
        self.write(name, broken=broken)

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def somebody_deletes(self, data: st.DataObject) -> None:
        self.erase(data.draw(st.sampled_from(sorted(self.objects))))

    # Our own writes, whose replies come when they like.

    @rule(name=NAMES)
    def we_write(self, name: str) -> None:
        self.replies.append(("written", self.write(name)))

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def we_delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.objects)))
        self.replies.append(("deleted", self.erase(name)))

    @precondition(lambda self: self.replies)
    @rule(data=st.data())
    def a_reply_arrives(self, data: st.DataObject) -> None:
        what, obj = self.replies.pop(data.draw(st.integers(0, len(self.replies) - 1)))
        if what == "written":
            self.store.assume(obj)
        else:
            self.store.assume_deleted(obj.key, obj.metadata.uid)

    # The reflector: either a list is under way or the watch delivers.

    def take(self, kind: str, obj: Namespace, *, broken: bool) -> None:
        if kind == "DELETED":
            self.store.observe_deleted(obj.metadata)
        elif broken:
            self.store.observe_broken(obj.metadata, "unreadable")
        else:
            self.store.observe(obj)

    @precondition(lambda self: self.listing is None and self.delivered < len(self.events))
    @rule()
    def the_watch_delivers(self) -> None:
        kind, obj, broken = self.events[self.delivered]
        self.delivered += 1
        self.take(kind, obj, broken=broken)

    @precondition(lambda self: self.listing is None)
    @rule()
    def the_watch_catches_up(self) -> None:
        while self.delivered < len(self.events):
            self.the_watch_delivers()

    @precondition(lambda self: self.listing is None)
    @rule()
    def a_list_is_requested(self) -> None:
        self.listing = self.store.begin_list()

    @precondition(lambda self: self.listing is not None and self.snapshot is None)
    @rule()
    def the_server_answers(self) -> None:
        items = [(obj, name in self.unreadable) for name, obj in self.objects.items()]
        self.snapshot = (self.version, len(self.events), items)

    @precondition(lambda self: self.snapshot is not None)
    @rule(data=st.data())
    def the_list_is_taken_in(self, data: st.DataObject) -> None:
        assert self.listing is not None
        assert self.snapshot is not None
        version, delivered, items = self.snapshot
        self.listing.begin(version)
        for obj, broken in items:
            reply_now = data.draw(st.booleans())
            if self.replies and reply_now:
                self.a_reply_arrives(data)
            if broken:
                self.listing.take_broken(obj.metadata, "unreadable")
            else:
                self.listing.take(obj)
        self.listing.finish()
        self.delivered = delivered
        self.listing = self.snapshot = None

    @invariant()
    def equal_once_all_is_delivered(self) -> None:
        if self.listing is not None or self.delivered < len(self.events):
            return
        readable = {n: o for n, o in self.objects.items() if n not in self.unreadable}
        for name, obj in readable.items():
            assert self.store.get(obj.key) == obj, name
        assert {key.name for key in self.store.broken} == self.unreadable
        assert {key.name for key in set(self.store.keys())} - self.unreadable == set(readable)

    @invariant()
    def every_object_is_in_its_index_and_nothing_else_is(self) -> None:
        for key in set(self.store.keys()):
            obj = self.store.get(key)
            assert obj is not None
            assert self.store.by_index("uid", obj.metadata.uid) == {key}
            assert version_of(obj.metadata) <= self.version


# The orders that matter are rare: the fast profile finds blunders, the deep one the rest.
TestStoreMachine = StoreMachine.TestCase


class PackedStoreMachine(StoreMachine):
    """The same of a store that keeps its objects packed."""

    @staticmethod
    def empty_store() -> Store[Namespace]:
        return Store({"uid": lambda n: [n.metadata.uid]}, packed=Namespace)


TestPackedStoreMachine = PackedStoreMachine.TestCase
