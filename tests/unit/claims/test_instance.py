"""Whose a SpireEntry is, and what the records of earlier versions tell."""

import re

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, CLUSTER_SPIFFEID, NAMESPACE, NODE, POD, SPIFFE_ID
from api.meta import ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.spireentry import (
    INSTANCE_LABEL,
    Holder,
    SpireEntry,
    SpireEntrySpec,
    SpireEntryStatus,
)
from registrar.claims.claim import REGISTRAR
from registrar.claims.clusterspiffeid import alias_claim
from registrar.claims.instance import (
    Instance,
    Made,
    Records,
    form_of_pods,
    made_for_cluster_spiffe_ids,
    made_for_pods,
    made_for_spiffe_ids,
    made_for_templates,
    recorded_ids,
)
from registrar.claims.naming import Naming
from registrar.claims.podentry import PodEntries, cluster_claim, root_path
from registrar.identity.entry import EntryKey
from registrar.settings.model import MODES, PodIdentity
from tests.support.builders import make_key

ALIAS = alias_claim("example.org", "test").key


def rules(name: str, *, per_node: bool) -> PodEntries:
    identity = PodIdentity("service_account")
    return PodEntries("example.org", "test", identity, root_path(name, "test"), per_node)


RECONCILE = rules("spire-k8s-registrar", per_node=True)
WEBHOOK = rules("k8s-workload-registrar", per_node=False)
WEBHOOK_ALIAS = cluster_claim(WEBHOOK).key
MADE: dict[str, Made] = {
    "layered": made_for_cluster_spiffe_ids(ALIAS),
    "controller-manager": made_for_templates,
    "crd": made_for_spiffe_ids,
    "reconcile": made_for_pods(form_of_pods(RECONCILE, None)),
    "webhook": made_for_pods(form_of_pods(WEBHOOK, WEBHOOK_ALIAS)),
}


def record(
    key: EntryKey, *, owners: tuple[str, ...] = (), holders: tuple[str, ...] = (), label: str = ""
) -> SpireEntry:
    """A record of a key, with owners and holders of those kinds."""
    return SpireEntry(
        metadata=ObjectMeta(
            name="record",
            labels={INSTANCE_LABEL: label} if label else {},
            owner_references=tuple(
                OwnerReference(api_version="v1", kind=kind, name="x", uid="u") for kind in owners
            ),
        ),
        spec=SpireEntrySpec(
            spiffe_id=key.spiffe_id,
            parent_id=key.parent_id,
            selectors=tuple(str(selector) for selector in key.selectors),
            holders=tuple(Holder(kind=kind, name="x") for kind in holders),
        ),
        status=SpireEntryStatus(entry_id="west.record"),
    )


def pods_key(parent: str) -> EntryKey:
    key = make_key("/web", "ns:shop", "pod-name:web-0")
    return EntryKey.of(key.spiffe_id, parent, key.selectors)


NODE_PARENT = RECONCILE.parent("node-1")
NODE_KEY = EntryKey.of(NODE_PARENT, "spiffe://example.org/spire/server", [])


@pytest.mark.parametrize(
    ("obj", "modes"),
    [
        pytest.param(record(make_key(), owners=(CLUSTER_SPIFFE_ID.kind,)), {"layered"}, id="cspid"),
        pytest.param(record(ALIAS, holders=(REGISTRAR,)), {"layered"}, id="alias"),
        pytest.param(record(WEBHOOK_ALIAS, holders=(REGISTRAR,)), {"webhook"}, id="webhook alias"),
        pytest.param(
            record(make_key(), owners=(CLUSTER_SPIFFEID.kind,), holders=(POD.kind,)),
            {"controller-manager"},
            id="template",
        ),
        pytest.param(
            record(make_key(), owners=(CLUSTER_SPIFFEID.kind, CLUSTER_SPIFFE_ID.kind)),
            set(),
            id="of two modes",
        ),
        pytest.param(
            record(make_key(), owners=(NAMESPACE.kind,), holders=(SPIFFE_ID.kind,)),
            {"crd"},
            id="spiffeid",
        ),
        pytest.param(
            record(pods_key(NODE_PARENT), owners=(NAMESPACE.kind,), holders=(POD.kind,)),
            {"reconcile"},
            id="pod of a node",
        ),
        pytest.param(record(NODE_KEY, owners=(NODE.kind,)), {"reconcile"}, id="node"),
        pytest.param(
            record(pods_key(WEBHOOK.parent("node-1")), holders=(POD.kind,)), {"webhook"}, id="pod"
        ),
        pytest.param(record(make_key(), holders=(POD.kind,)), set(), id="any pod"),
        pytest.param(record(make_key()), set(), id="written by hand"),
    ],
)
def test_a_record_without_a_mode_is_that_of_the_mode_whose_objects_it_names(
    obj: SpireEntry, modes: set[str]
) -> None:
    assert {mode for mode, made in MADE.items() if made(obj)} == modes


def test_records_of_other_registrars_are_left_alone_and_those_of_nobody_are_not() -> None:
    ours = Records(Instance("layered", "blue").label, "blue", MADE["layered"])
    kind = CLUSTER_SPIFFE_ID.kind
    assert ours.is_current(record(make_key(), owners=(kind,), label=ours.label))
    assert ours.is_former(record(make_key(), owners=(kind,), label="blue"))
    for other in (
        record(make_key(), owners=(kind,)),
        record(make_key(), owners=(kind,), label="red"),
        record(make_key(), owners=(CLUSTER_SPIFFEID.kind,), label="blue"),
        record(make_key(), owners=(kind,), label=Instance("layered").label),
        record(make_key(), label="red"),
    ):
        assert ours.is_anothers(other)
        assert not ours.is_own(other)
    by_hand = record(make_key(), owners=("Deployment",))
    assert not ours.is_anothers(by_hand)
    assert not ours.is_own(by_hand)


def test_every_mode_class_and_configured_prefix_has_a_label_of_its_own() -> None:
    instances = [
        Instance(mode, class_name, prefix)
        for mode in MODES
        for class_name in ("", "blue", "b-lue", "x" * 63, "x" * 62 + "y", *MODES)
        for prefix in ("", "blue", "west")
    ]
    labels = [instance.label for instance in instances]
    assert len(set(labels)) == len(labels)
    assert all(re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,61}[A-Za-z0-9]", x) for x in labels)
    names = {Naming(label).candidate(make_key()) for label in labels}
    assert len(names) == len(labels)


def test_only_our_records_give_us_ids_of_former_prefixes() -> None:
    records = Records(Instance("layered").label, "", MADE["layered"])
    name = Naming("").candidate(make_key())

    def with_id(obj: SpireEntry, entry_id: str) -> SpireEntry:
        return SpireEntry(
            metadata=obj.metadata, spec=obj.spec, status=SpireEntryStatus(entry_id=entry_id)
        )

    ours = record(make_key(), owners=(CLUSTER_SPIFFE_ID.kind,))
    others = record(make_key(), owners=(CLUSTER_SPIFFEID.kind,))
    found = recorded_ids(
        [
            with_id(ours, f"west.{name}"),
            with_id(ours, f"east.{name}"),
            with_id(ours, "by-hand"),
            with_id(others, f"west.other-{name}"),
        ],
        records,
        ("west", "we-st"),
    )
    assert found == {f"west.{name}"}
