"""What the SPIRE server held stays until whoever it may be for was looked at without an error."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager

import grpc
import msgspec
import pytest

from api.core import Node
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry, SpireEntrySpec, SpireEntryStatus
from controllers.lastgood import RECORD_INDEXES, LastGood
from controllers.objectclaims import Claiming, ObjectClaimReconciler
from controllers.pods import NodeReconciler
from controllers.shared import SharedState
from registrar.claims.attribution import Sign, pod_uid_of
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.clusterspiffeid import source_of
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.claims.podentry import PodEntries, node_claim, source_of_key
from registrar.errors import InvalidField
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.builders import make_claim, make_cluster_spiffe_id, make_key
from tests.support.shared import unconnected

KEY, OTHER = make_key("/web"), make_key("/other")
WEB, ONE = source_of("web"), source_of("one")
RULES = PodEntries(
    "example.org", "test", PodIdentity("service_account"), "/r/test/node", per_node=True
)


def entry(key: EntryKey = KEY, id_: str = "p.web") -> Entry:
    return Entry(id_, key, Attributes())


def record(key: EntryKey, id_: str, *owners: str) -> SpireEntry:
    return SpireEntry(
        metadata=ObjectMeta(
            name=id_,
            owner_references=tuple(
                OwnerReference(
                    api_version="v1", kind="ClusterSpiffeId", name=name, uid=f"uid-{name}"
                )
                for name in owners
            ),
        ),
        spec=SpireEntrySpec(
            spiffe_id=key.spiffe_id,
            parent_id=key.parent_id,
            selectors=tuple(str(selector) for selector in key.selectors),
        ),
        status=SpireEntryStatus(entry_id=id_),
    )


def records(*stored: SpireEntry) -> Store[SpireEntry]:
    store = Store(RECORD_INDEXES)
    for obj in stored:
        store.put(obj)
    return store


class Unreached:
    """A SPIRE server that nobody asks."""

    problem = ""

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        raise NotImplementedError


class World:
    """ClusterSpiffeIds that claim ``KEY``, or fail to."""

    def __init__(
        self,
        *held: Entry,
        sign_of: Callable[[EntryKey], Sign | None] = lambda _: None,
        stored: Iterable[SpireEntry] = (),
    ) -> None:
        self.mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
        for each in held:
            self.mirror.wrote(each)
        store = records(*stored)
        self.last_good = LastGood(held, records=store, sign_of=sign_of)
        self.shared = unconnected(
            SharedState(
                "example.org",
                "test",
                "",
                "p",
                Records("", "", lambda _: True),
                Naming(""),
                store,
                lambda _: None,
                last_good=self.last_good,
            )
        )
        self.objects: Store[ClusterSpiffeId] = Store()
        self.error: Exception | None = None
        claiming = Claiming(
            kind=CLUSTER_SPIFFE_ID,
            source_of=lambda key: source_of(key.name),
            unmet=lambda _: None,
            claim_of=self._claim_of,
            origin_of=lambda _: Origin.WRITTEN,
        )
        self.reconciler = ObjectClaimReconciler(
            self.shared, claiming, objects=self.objects, mirror=self.mirror
        )

    def _claim_of(self, obj: ClusterSpiffeId) -> Claim:
        if self.error is not None:
            raise self.error
        return make_claim(obj.metadata.name, key=KEY)

    async def look(self, name: str = "web") -> None:
        await self.reconciler.reconcile(ObjectKey("", name))


async def test_an_error_that_nobody_foresaw_makes_no_orphan() -> None:
    world = World(entry())
    world.objects.put(make_cluster_spiffe_id())
    world.error = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await world.look()
    assert world.last_good.holds(KEY)
    world.error = None
    await world.look()
    assert not world.last_good.holds(KEY)
    assert KEY in world.shared.index


async def test_a_wrong_object_holds_what_nobody_is_recorded_for() -> None:
    world = World(entry(), entry(OTHER, "p.other"), stored=[record(OTHER, "p.other", "one")])
    world.objects.put(make_cluster_spiffe_id())
    world.error = InvalidField("spec", "x", "mend it")
    await world.look()
    assert world.last_good.holds(KEY)
    assert not world.last_good.holds(OTHER)


async def test_a_wrong_object_has_what_is_recorded_for_it() -> None:
    world = World(entry(), stored=[record(KEY, "p.web", "web")])
    world.objects.put(make_cluster_spiffe_id())
    world.error = InvalidField("spec", "x", "mend it")
    await world.look()
    assert [claim.source for claim in world.shared.index.claims(KEY)] == [WEB]


async def test_a_wrong_object_holds_nothing_of_one_that_had_its_name_before() -> None:
    stored = make_cluster_spiffe_id()
    new = msgspec.structs.replace(stored.metadata, uid="uid-of-a-new-one")
    world = World(entry(), stored=[record(KEY, "p.web", "web")])
    world.objects.put(msgspec.structs.replace(stored, metadata=new))
    world.error = InvalidField("spec", "x", "mend it")
    await world.look()
    assert KEY not in world.shared.index
    assert list(world.last_good.released()) == [KEY]


async def test_a_wrong_object_takes_over_nothing_from_one_that_went_unseen() -> None:
    stored = make_cluster_spiffe_id()
    world = World(entry())
    world.objects.put(stored)
    await world.look()
    assert KEY in world.shared.index
    world.error = InvalidField("spec", "x", "mend it")
    await world.look()
    assert KEY in world.shared.index
    new = msgspec.structs.replace(stored.metadata, uid="uid-of-a-new-one")
    world.objects.put(msgspec.structs.replace(stored, metadata=new))
    await world.look()
    assert KEY not in world.shared.index


@pytest.mark.parametrize("uid", ["", "uid-web"])
def test_an_object_in_doubt_holds_what_its_records_may_mean(uid: str) -> None:
    held = LastGood([entry()], records=records(record(KEY, "p.web", "web")))
    held.begin(WEB, uid=uid)
    assert held.doubt_of(KEY) == "ClusterSpiffeId web"


async def test_an_object_that_is_known_to_be_gone_holds_nothing() -> None:
    world = World(entry())
    world.objects.put(make_cluster_spiffe_id())
    world.error = InvalidField("spec", "x", "mend it")
    await world.look()
    world.objects.remove(ObjectKey("", "web"))
    await world.look()
    assert list(world.last_good.released()) == [KEY]


async def test_a_new_key_is_set_before_anything_is_let_go_that_may_be_its_old_one() -> None:
    world = World(entry(OTHER, "p.other"))
    world.objects.put(make_cluster_spiffe_id())
    await world.look()
    assert world.last_good.holds(OTHER)
    world.last_good.settle(WEB, lambda _: False)
    assert world.last_good.holds(OTHER)
    world.last_good.settle(WEB, lambda key: key == KEY)
    assert list(world.last_good.released()) == [OTHER]


def test_what_was_claimed_in_this_term_is_held_for_nobody_else() -> None:
    held = LastGood([entry()])
    held.begin(ONE)
    held.claimed(WEB, [KEY], lambda _: True)
    assert not held.holds(KEY)


def test_a_kind_that_is_unavailable_holds_what_its_objects_are_recorded_for() -> None:
    stored = records(record(KEY, "p.web", "web"))
    held = LastGood([entry(), entry(OTHER, "p.other")], records=stored)
    calls: list[str] = []
    held.on_change = lambda: calls.append("changed")
    held.unavailable("ClusterStaticEntry", "not installed")
    assert (held.holds(KEY), held.holds(OTHER)) == (False, True)
    held.unavailable("ClusterSpiffeId", "not installed")
    assert held.holds(KEY)
    held.available("ClusterSpiffeId")
    held.available("ClusterStaticEntry")
    assert len(calls) == 2
    assert set(held.released()) == {KEY, OTHER}


def test_a_record_of_another_instance_or_key_says_nothing() -> None:
    stored = records(record(OTHER, "p.web", "one"))
    held = LastGood([entry()], records=stored)
    held.begin(WEB)
    assert held.holds(KEY)


def test_an_entry_that_names_its_pod_is_held_for_that_pod_alone() -> None:
    key, pod = make_key("/web", "pod-uid:u-1"), Claimant("Pod", "shop", "web")
    held = LastGood([entry(key)], sign_of=pod_uid_of)
    held.begin(Claimant("Pod", "shop", "other"), "u-2")
    assert not held.holds(key)
    held.begin(pod, "u-1")
    held.begin(pod, "u-1")
    assert held.holds(key)
    held.seen(pod)
    assert not held.holds(key)


def test_what_is_held_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    held = LastGood([entry(), entry(OTHER, "p.other")])
    held.begin(WEB)
    held.report()
    held.report()
    (said,) = [r for r in caplog.records if r.name == "controllers.lastgood"]
    assert said.__dict__["kv"] == {"entries": 2, "first": "ClusterSpiffeId web"}


async def test_a_node_that_does_not_decode_keeps_its_alias() -> None:
    node = Node(metadata=ObjectMeta(name="n", uid="u"))
    claim = node_claim(node, RULES)
    assert source_of_key(claim.key, RULES) == claim.source
    world = World(entry(claim.key), sign_of=lambda key: source_of_key(key, RULES))
    nodes: Store[Node] = Store()
    nodes.observe_broken(node.metadata, "odd")
    reconciler = NodeReconciler(
        world.shared,
        nodes=nodes,
        claim_of=lambda node: node_claim(node, RULES),
        mirror=world.mirror,
    )
    await reconciler.reconcile("n")
    assert world.last_good.holds(claim.key)
    nodes.remove(ObjectKey("", "n"))
    await reconciler.reconcile("n")
    assert list(world.last_good.released()) == [claim.key]
