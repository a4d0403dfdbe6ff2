"""A layered registrar's Pods and the objects made for them, without a network."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import grpc
import msgspec

from api.codec import JSONObject
from api.core import Pod
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey, ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry, SpireEntrySpec, SpireEntryStatus
from controllers.clusterspiffeid import MADE_FOR_PODS
from controllers.lastgood import RECORD_INDEXES, LastGood
from controllers.made import Asked, MadeReconciler, MadeReport, asked
from controllers.madeobjects import MADE_FOR_INDEX, MadeGather, MadeObjects
from controllers.pods import PodReconciler
from controllers.ports import T
from registrar.claims.attribution import owner_uid_of
from registrar.claims.claim import Claim, Claimant
from registrar.claims.clusterspiffeid import claim_of
from registrar.claims.madepods import LayeredPodRules, MadeView, MadeWanted
from registrar.claims.podentry import pod_source
from registrar.claims.podrules import Wanted
from registrar.claims.pods import cluster_spiffe_id_for, generated_name
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.errors import AlreadyExists
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from tests.support.builders import make_pod
from tests.support.shared import a_shared_state

IDENTITY = PodIdentity("label", "spiffe")
KEY = ObjectKey("shop", "web-0")
OWNER = Claimant("Pod", "shop", "web-0")


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
        self.shared = a_shared_state()
        self.shared.spire_entries = Store(RECORD_INDEXES)
        self.shared.last_good = LastGood(
            entries, records=self.shared.spire_entries, sign_of=owner_uid_of
        )
        self.made = MadeObjects(
            self.shared,
            MADE_FOR_PODS,
            self.objects,
            key_for=lambda pod, uid: ObjectKey("", generated_name(pod.namespace, pod.name, uid)),
            claim_of=lambda obj: claim_of(obj, trust_domain="example.org", cluster="test"),
            mirror=self.mirror,
        )
        self.warnings: dict[str, str] = {}
        self.claiming: PodReconciler[Pod, MadeView[Pod], MadeWanted[ClusterSpiffeId]]
        self.claiming = PodReconciler(
            self.shared,
            gather=MadeGather(self.made, self.pods, source_of=pod_source),
            rules=LayeredPodRules(
                IDENTITY, trust_domain="example.org", cluster="test", class_name=""
            ),
            held=self.made,
            report=MadeReport(self.shared, self.made, source_of=pod_source, told=self),
            mirror=self.mirror,
        )
        self.writing = MadeReconciler(
            self.shared,
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

    async def ask(self, _: Claimant) -> Asked[ClusterSpiffeId] | None:
        if self.claiming.is_unknown(KEY):
            return None
        found = await self.claiming.wanted(KEY)
        return Asked() if found is None else asked(found[0].metadata.uid, found[1])

    def put(self, path: str = "web", uid: str = "u-1") -> Pod:
        pod = make_pod(labels={"spiffe": path} if path else {}, uid=uid)
        self.pods.put(pod)
        return pod

    def record(self, key: EntryKey, entry_id: str, *, owner: str, uid: str = "w") -> None:
        """Have a SpireEntry that says for which ClusterSpiffeId an entry is."""
        reference = OwnerReference(kind="ClusterSpiffeId", name=owner, uid=uid)
        selectors = tuple(map(str, key.selectors))
        self.shared.spire_entries.put(
            SpireEntry(
                metadata=ObjectMeta(name="r", owner_references=(reference,)),
                spec=SpireEntrySpec(
                    spiffe_id=key.spiffe_id, parent_id=key.parent_id, selectors=selectors
                ),
                status=SpireEntryStatus(entry_id=entry_id),
            )
        )

    def put_broken(self, uid: str = "u-1") -> None:
        self.pods.observe_broken(make_pod(uid=uid).metadata, "odd")

    async def work(self) -> None:
        """Claim, and let the objects follow; then claim what they became."""
        await self.claiming.reconcile(KEY)
        await self.writing.reconcile(OWNER)
        await self.claiming.reconcile(KEY)

    def claims(self) -> list[Claim]:
        return self.shared.index.of_source(OWNER)

    def paths(self) -> list[str]:
        return [claim.key.spiffe_id.removeprefix("spiffe://example.org") for claim in self.claims()]


def made_for(pod: Pod, **spec: object) -> ClusterSpiffeId:
    """What was made for a Pod, as it is stored."""
    obj = cluster_spiffe_id_for(pod, IDENTITY, trust_domain="example.org")
    assert isinstance(obj, ClusterSpiffeId)
    meta = msgspec.structs.replace(obj.metadata, uid="old", resource_version="1")
    changed = msgspec.structs.replace(obj.spec, **spec)
    return msgspec.structs.replace(obj, metadata=meta, spec=changed)


def entry_of(pod: Pod) -> Entry:
    claim = claim_of(made_for(pod), trust_domain="example.org", cluster="test")
    return Entry("p.x", claim.key, Attributes())
