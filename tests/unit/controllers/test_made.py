"""The objects that are made for Pods: written behind the claim, deleted after its entry."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import grpc
import msgspec
import pytest

from api.codec import JSONObject
from api.core import Pod
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.clusterspiffeid import MADE_FOR_PODS
from controllers.lastgood import RECORD_INDEXES, LastGood
from controllers.made import Asked, MadeReconciler, MadeReport, asked
from controllers.madeobjects import MADE_FOR_INDEX, MadeGather, MadeObjects
from controllers.pods import PodReconciler
from controllers.ports import T
from registrar.claims.attribution import owner_uid_of
from registrar.claims.claim import Claim, Source
from registrar.claims.clusterspiffeid import claim_of
from registrar.claims.madepods import LayeredPodRules, MadeView, MadeWanted
from registrar.claims.podentry import pod_source
from registrar.claims.podrules import Wanted
from registrar.claims.pods import cluster_spiffe_id_for, generated_name
from registrar.errors import Retry
from registrar.identity.entry import Attributes, Entry
from registrar.kube.controller import Done
from registrar.kube.errors import AlreadyExists
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.book import a_book
from tests.support.builders import make_pod

IDENTITY = PodIdentity("label", "spiffe")
KEY = ObjectKey("shop", "web-0")
OWNER = Source("Pod", "shop", "web-0")


class Unreached:
    """A SPIRE server that nobody asks."""

    problem = ""

    def use(self) -> AbstractAsyncContextManager[grpc.aio.Channel]:
        raise NotImplementedError


@dataclass
class Kube:
    """An API server that stores what it is given; it gives uids by count."""

    objects: dict[ObjectKey, KubeObject] = field(default_factory=dict)
    count: int = 0

    def stored(self, obj: T) -> T:
        self.count += 1
        made = {"uid": f"made-{self.count}", "creation_timestamp": "2026-01-02T03:04:05Z"}
        meta = msgspec.structs.replace(obj.metadata, resource_version=str(self.count), **made)
        found = msgspec.structs.replace(obj, metadata=meta)
        self.objects[obj.key] = found
        return found

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        raise NotImplementedError

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:  # noqa: ARG002 - the protocol's
        if obj.key in self.objects:
            raise AlreadyExists("it is there")
        return self.stored(obj)

    async def merge_patch(
        self,
        kind: Kind[T],
        key: ObjectKey,
        patch: JSONObject,
        *,
        subresource: str = "",  # noqa: ARG002 - the protocol's
    ) -> T:
        spec = patch["spec"]
        assert isinstance(spec, dict)
        obj = self.objects[key]
        assert isinstance(obj, kind.type)
        self.count += 1
        meta = msgspec.structs.replace(obj.metadata, resource_version=str(self.count))
        whole = msgspec.to_builtins(obj.spec) | spec  # type: ignore[attr-defined]
        known = type(obj.spec)  # type: ignore[attr-defined]
        patched = msgspec.structs.replace(obj, metadata=meta, spec=msgspec.convert(whole, known))
        self.objects[key] = patched
        return patched

    async def delete(
        self,
        kind: Kind[T],  # noqa: ARG002 - the protocol's
        key: ObjectKey,
        *,
        uid: str = "",
        resource_version: str = "",  # noqa: ARG002 - the protocol's
    ) -> bool:
        assert self.objects[key].metadata.uid == uid
        del self.objects[key]
        return True


class World:
    """The Pods, the objects and the SPIRE server of a layered registrar, without a network."""

    def __init__(self, *entries: Entry) -> None:
        self.kube = Kube()
        self.pods: Store[Pod] = Store()
        self.objects: Store[ClusterSpiffeId] = Store({MADE_FOR_INDEX: MADE_FOR_PODS.index})
        self.mirror = EntryMirror(EntryClient(Unreached()), is_ours=lambda _: True)
        for entry in entries:
            self.mirror.wrote(entry)
        self.book = a_book()
        self.book.spire_entries = Store(RECORD_INDEXES)
        self.book.last_good = LastGood(
            entries, records=self.book.spire_entries, sign_of=owner_uid_of
        )
        self.made = MadeObjects(
            self.book,
            MADE_FOR_PODS,
            self.objects,
            key_for=lambda pod, uid: ObjectKey("", generated_name(pod.namespace, pod.name, uid)),
            claim_of=lambda obj: claim_of(obj, trust_domain="example.org", cluster="test"),
            mirror=self.mirror,
        )
        self.warnings: dict[str, str] = {}
        self.claiming: PodReconciler[Pod, MadeView[Pod], MadeWanted[ClusterSpiffeId]]
        self.claiming = PodReconciler(
            self.book,
            gather=MadeGather(self.made, self.pods, source_of=pod_source),
            rules=LayeredPodRules(
                IDENTITY, trust_domain="example.org", cluster="test", class_name=""
            ),
            held=self.made,
            report=MadeReport(self.book, self.made, source_of=pod_source, told=self),
            mirror=self.mirror,
        )
        self.writing = MadeReconciler(
            self.book,
            self.made,
            ask=self.ask,
            prepared=lambda obj: obj,
            wake_owner=lambda _: None,
            kube=self.kube,
            mirror=self.mirror,
            clock=lambda: 0.0,
        )

    def tell(self, pod: Pod, wanted: Wanted) -> None:  # noqa: ARG002 - the protocol's
        self.warnings |= wanted.warnings

    def gone(self, key: ObjectKey) -> None:
        pass

    async def ask(self, _: Source) -> Asked[ClusterSpiffeId] | None:
        if self.claiming.is_unknown(KEY):
            return None
        found = await self.claiming.wanted(KEY)
        return Asked() if found is None else asked(found[0].metadata.uid, found[1])

    def put(self, path: str = "web", uid: str = "u-1") -> Pod:
        pod = make_pod(labels={"spiffe": path} if path else {}, uid=uid)
        self.pods.put(pod)
        return pod

    def put_broken(self, uid: str = "u-1") -> None:
        self.pods.observe_broken(make_pod(uid=uid).metadata, "odd")

    async def work(self) -> None:
        """Claim, and let the objects follow; then claim what they became."""
        await self.claiming.reconcile(KEY)
        await self.writing.reconcile(OWNER)
        await self.claiming.reconcile(KEY)

    def claims(self) -> list[Claim]:
        return self.book.index.of_source(OWNER)

    def paths(self) -> list[str]:
        return [claim.key.spiffe_id.removeprefix("spiffe://example.org") for claim in self.claims()]


def made_for(pod: Pod, **spec: object) -> ClusterSpiffeId:
    """What was made for a Pod, as it is stored."""
    obj = cluster_spiffe_id_for(pod, IDENTITY, trust_domain="example.org")
    assert obj is not None
    meta = msgspec.structs.replace(obj.metadata, uid="old", resource_version="1")
    changed = msgspec.structs.replace(obj.spec, **spec)
    return msgspec.structs.replace(obj, metadata=meta, spec=changed)


def entry_of(pod: Pod) -> Entry:
    claim = claim_of(made_for(pod), trust_domain="example.org", cluster="test")
    return Entry("p.x", claim.key, Attributes())


async def test_the_pod_claims_before_the_object_is_written_and_names_it_after() -> None:
    world = World()
    world.put()
    await world.claiming.reconcile(KEY)
    assert [claim.uid for claim in world.claims()] == [""]
    assert world.kube.objects == {}
    await world.work()
    assert [claim.uid for claim in world.claims()] == ["made-1"]
    assert len(world.kube.objects) == 1


async def test_an_edit_of_the_pod_corrects_the_object_in_place() -> None:
    world = World()
    world.put()
    await world.work()
    world.put("shop")
    await world.work()
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    assert (obj.metadata.uid, obj.spec.spiffe_id) == ("made-1", "spiffe://example.org/shop")
    assert world.paths() == ["/shop"]


async def test_an_edit_of_the_object_is_put_right_and_claims_nothing() -> None:
    world = World()
    pod = world.put()
    world.objects.put(world.kube.stored(made_for(pod, spiffe_id="spiffe://example.org/boss")))
    await world.claiming.reconcile(KEY)
    assert world.paths() == ["/web"]
    await world.writing.reconcile(OWNER)
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    assert obj.spec.spiffe_id == "spiffe://example.org/web"


async def test_the_object_goes_only_after_its_entry() -> None:
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world = World(entry_of(pod))
    world.pods.put(pod)
    await world.work()
    world.pods.remove(KEY)
    await world.work()
    assert len(world.kube.objects) == 1
    assert world.claims() == []
    woken: list[Source] = []
    world.book.wake.made = woken.append  # type: ignore[assignment]
    world.mirror.removed("p.x")
    world.writing.released(entry_of(pod).key)
    assert woken == [OWNER]
    await world.writing.reconcile(OWNER)
    assert world.kube.objects == {}


async def test_a_pod_that_no_longer_wants_an_identity_keeps_its_object_while_it_claims() -> None:
    world = World()
    world.put()
    await world.work()
    world.put("")
    # The Pod was not looked at yet: its claim stands.
    await world.writing.reconcile(OWNER)
    assert len(world.kube.objects) == 1
    await world.work()
    assert world.kube.objects == {}


async def test_what_somebody_else_wrote_under_our_name_is_never_touched() -> None:
    world = World()
    pod = world.put()
    theirs = made_for(pod)
    meta = msgspec.structs.replace(theirs.metadata, annotations={})
    world.objects.put(world.kube.stored(msgspec.structs.replace(theirs, metadata=meta)))
    before = dict(world.kube.objects)
    await world.work()
    world.pods.remove(KEY)
    await world.work()
    assert world.kube.objects == before


async def test_an_object_that_the_store_does_not_know_yet_is_tried_again() -> None:
    world = World()
    pod = world.put()
    world.kube.stored(made_for(pod))
    with pytest.raises(Retry):
        await world.writing.reconcile(OWNER)


async def test_one_that_somebody_deletes_again_and_again_waits() -> None:
    world = World()
    world.put()
    await world.work()
    (obj,) = world.kube.objects.values()
    assert isinstance(obj, ClusterSpiffeId)
    for _ in range(2):
        world.writing.deleted(obj)
    world.kube.objects.clear()
    world.objects.remove(obj.key)
    assert not isinstance(await world.writing.reconcile(OWNER), Done)
    assert world.kube.objects == {}


async def test_after_a_restart_a_pod_that_is_wrong_has_what_its_object_records() -> None:
    world = World()
    pod = make_pod(labels={"spiffe": "web"}, uid="u-1")
    world.objects.put(world.kube.stored(made_for(pod)))
    world.put("spire")
    await world.work()
    assert world.paths() == ["/web"]
    assert len(world.kube.objects) == 1
    assert "metadata.labels[spiffe]" in world.warnings["InvalidIdentity"]


async def test_after_a_restart_a_pod_that_does_not_decode_has_what_its_object_records() -> None:
    world = World()
    world.objects.put(world.kube.stored(made_for(make_pod(labels={"spiffe": "web"}, uid="u-1"))))
    world.put_broken()
    await world.work()
    assert world.paths() == ["/web"]
    assert len(world.kube.objects) == 1


@pytest.mark.parametrize("is_broken", [False, True], ids=["wrong", "undecodable"])
async def test_what_was_set_and_not_yet_recorded_stays_too(*, is_broken: bool) -> None:
    entry = entry_of(make_pod(labels={"spiffe": "web"}, uid="u-1"))
    world = World(entry)
    if is_broken:
        world.put_broken()
    else:
        world.put("spire")
    await world.work()
    assert world.paths() == ["/web"]
    assert world.book.last_good.holds(entry.key) or entry.key in world.book.index


@pytest.mark.parametrize("path", ["spire", "web"], ids=["wrong", "right"])
async def test_a_pod_of_the_same_name_inherits_nothing(path: str) -> None:
    old = make_pod(labels={"spiffe": "boss"}, uid="u-1")
    world = World(entry_of(old))
    world.objects.put(world.kube.stored(made_for(old)))
    world.put(path, uid="u-2")
    await world.work()
    assert world.paths() == ([] if path == "spire" else ["/web"])
    assert entry_of(old).key not in world.book.index


async def test_an_object_that_does_not_decode_still_gives_the_claim_its_owner() -> None:
    world = World()
    pod = world.put()
    world.objects.observe_broken(made_for(pod).metadata, "odd")
    await world.work()
    assert [claim.uid for claim in world.claims()] == ["old"]
    assert world.kube.objects == {}
