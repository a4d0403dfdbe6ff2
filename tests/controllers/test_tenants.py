"""What whoever may write in one namespace must not be able to do to others: each was possible."""

import asyncio
import urllib.request
from dataclasses import replace

import pytest

from api.codec import JSONValue
from api.kinds import SPIRE_ENTRY
from api.meta import find_condition
from api.proto.types_pb2 import SPIFFEID, Bundle, Entry, Selector
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION
from manager.context import timestamp
from manager.process import Process
from registrar.settings.model import (
    ControllerManager,
    CRDMode,
    DeletionBudget,
    PodIdentity,
    ReconcileMode,
)
from tests.controllers.test_crd_mode import OWN, Declared
from tests.support.setup import Setup, some_looks, until
from tests.support.workload import Workload, address

HOSTILE = "*" * 24 + "x"
MANY_DIGITS = "9" * 5000
VICTIM = "/ns/shop/sa/default"


def answers(process: Process) -> bool:
    """Whether the probe answers within its usual time limit."""
    url = f"http://127.0.0.1:{process.port}/healthz"
    with urllib.request.urlopen(url, timeout=60) as response:
        return bool(response.status == 200)


@pytest.fixture(autouse=True)
def _own_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_POD_NAMESPACE", OWN)


# Patterns.


@pytest.mark.parametrize("mode", ["controller manager", "crd", "reconcile"])
async def test_a_pods_pattern_of_many_stars_holds_up_nobody(embedded: Setup, mode: str) -> None:
    words = Workload(embedded)
    await words.node()
    domain = "a" * 200 + ".example"
    embedded.spire.state.bundles[domain] = Bundle(trust_domain=domain)
    by_mode: dict[str, dict[str, object]] = {
        "controller manager": {"controller_manager": ControllerManager()},
        "crd": {"workload_registrar": CRDMode(), "pods": PodIdentity("template")},
        "reconcile": {
            "workload_registrar": ReconcileMode(),
            "pods": PodIdentity("service_account"),
        },
    }
    async with embedded.registrar(**by_mode[mode]) as process:
        if mode == "controller manager":
            await words.template("all", spiffeIDTemplate="/pod/{{ .PodMeta.Name }}")
        await words.pod("evil", annotations={"spiffe.io/federatesWith": HOSTILE})
        await words.pod("good", namespace="kube-node-lease")
        evil, good = (
            ("/pod/evil", "/pod/good")
            if mode == "controller manager"
            else ("/ns/default/sa/default", "/ns/kube-node-lease/sa/default")
        )
        await until(lambda: bool(embedded.entries(evil)) and bool(embedded.entries(good)))
        assert await asyncio.to_thread(answers, process)


# Numbers.


async def test_a_number_of_thousands_of_digits_ends_nothing(embedded: Setup) -> None:
    async with embedded.registrar(pods=PodIdentity("label", "spiffe")):
        await embedded.create_pod("web-0", spiffe="web")
        await embedded.until_entries("/web", 1)
        alias = await embedded.alias()
        await embedded.client.merge(
            SPIRE_ENTRY.path("", alias.metadata.name),
            {"metadata": {"annotations": {CONFIRM_DELETIONS_ANNOTATION: MANY_DIGITS}}},
        )
        await embedded.client.delete("/api/v1/namespaces/default/pods/web-0?gracePeriodSeconds=0")
        await embedded.until_entries("/web", 0)
    async with embedded.registrar(pods=PodIdentity("label", "spiffe")):
        await embedded.create_pod("late-0", spiffe="late")
        await embedded.until_entries("/late", 1)


# Privileges.


async def claim_downstream(words: Declared, name: str = "evil", path: str = VICTIM) -> None:
    """Somebody who may write in one namespace asks for the ID of another, with downstream."""
    await words.spiffe_id(name, spiffeId=f"spiffe://example.org{path}", downstream=True)


async def shop_pod(words: Declared, name: str) -> None:
    await words.pod(name, namespace="shop")


def entries_of_pods(setup: Setup, path: str = VICTIM) -> list[Entry]:
    return [e for e in setup.entries(path) if not e.downstream]


@pytest.fixture
async def words(embedded: Setup) -> Declared:
    declared = Declared(embedded)
    await declared.node()
    await declared.namespace("shop")
    return declared


async def test_a_withheld_privilege_denies_nobody_his_id(words: Declared) -> None:
    setup = words.setup
    setup.settings = replace(setup.settings, deletion_budget=DeletionBudget(count=3, fraction=0.01))
    async with words.mode():
        await claim_downstream(words)
        for number in range(6):
            await words.spiffe_id(f"mass-{number}")
        await until(lambda: len(setup.entries(VICTIM)) == 1)
        await until(lambda: len(setup.entries("/mass-5")) == 1)
        for number in range(6):
            await words.delete_spiffe_id(f"mass-{number}")
        await words.delete_spiffe_id("evil")
        await shop_pod(words, "web-0")
        await until(lambda: len(entries_of_pods(setup)) == 1)
        # A privilege that nobody asks for goes at once, outside of the budget.
        await until(lambda: not any(e.downstream for e in setup.entries(VICTIM)))
        await shop_pod(words, "web-1")
        await until(lambda: len(entries_of_pods(setup)) == 2)


@pytest.mark.parametrize("first", ["plain", "privileged"])
async def test_a_privileged_claim_of_a_namespace_never_beats_anothers_plain_one(
    words: Declared, first: str
) -> None:
    setup = words.setup
    async with words.mode():
        if first == "plain":
            await shop_pod(words, "web-0")
            await until(lambda: len(entries_of_pods(setup)) == 1)
            await claim_downstream(words)
        else:
            await claim_downstream(words)
            await until(lambda: len(setup.entries(VICTIM)) == 1)
            await shop_pod(words, "web-0")
        await words.until_ready("evil", "False", "IDInUse")
        await until(
            lambda: [e.downstream for e in setup.entries(VICTIM)] == [False],
        )
    async with words.mode():
        await some_looks(setup)
        assert [e.downstream for e in setup.entries(VICTIM)] == [False]
        await words.until_ready("evil", "False", "IDInUse")
        # It is served as soon as nobody else has the ID.
        await words.delete_pod("web-0", "shop")
        await words.until_ready("evil")


async def test_a_refused_privilege_costs_a_workload_nothing_that_it_had(words: Declared) -> None:
    setup = words.setup

    def downstream() -> list[tuple[str, bool]]:
        return sorted((e.id, e.downstream) for e in setup.entries(VICTIM))

    async with words.mode():
        await shop_pod(words, "web-0")
        await words.spiffe_id("shared", spiffeId=f"spiffe://example.org{VICTIM}")
        await until(lambda: len(entries_of_pods(setup)) == 2)
        before = downstream()
        await claim_downstream(words, "shared")
        await words.until_ready("shared", "False", "IDInUse")
        await some_looks(setup)
        assert downstream() == before
        await words.spiffe_id("shared", spiffeId=f"spiffe://example.org{VICTIM}", downstream=False)
        await words.until_ready("shared")
        assert downstream() == before


async def test_a_namespaces_own_pods_may_share_its_privileged_id(words: Declared) -> None:
    async with words.mode():
        await claim_downstream(words, path="/ns/default/sa/default")
        await words.pod("web-0")
        await words.until_ready("evil")
        await until(
            lambda: (
                sorted(e.downstream for e in words.setup.entries("/ns/default/sa/default"))
                == [False, True]
            )
        )


async def test_another_registrars_plain_entry_is_not_outdone(words: Declared) -> None:
    setup = words.setup
    setup.spire.state.put(
        Entry(
            id="other-workload.ns-shop-sa-default.aaaaaaaaaaaaaaaaaaaaaaaaaa",
            spiffe_id=SPIFFEID(trust_domain="example.org", path=VICTIM),
            parent_id=SPIFFEID(trust_domain="example.org", path="/k8s-workload-registrar/o/node/n"),
            selectors=[Selector(type="k8s", value="ns:shop")],
        )
    )
    async with words.mode():
        await claim_downstream(words)
        await words.until_ready("evil", "False", "IDInUse")
        assert [e.downstream for e in setup.entries(VICTIM)] == [False]


async def test_downstream_can_be_refused_in_namespaces(words: Declared) -> None:
    async with words.mode(namespaced_downstream=False):
        await claim_downstream(words)
        found = await words.until_ready("evil", "False", "InvalidSpec")
        ready = find_condition(found.status.conditions, "Ready")
        assert ready is not None
        assert "namespaced_downstream" in ready.message
        assert words.setup.entries(VICTIM) == []


# Names of services.


async def test_a_name_of_another_service_is_left_out_and_said(embedded: Setup) -> None:
    words = Workload(embedded)
    await words.node()
    for name in ("svc", "prod"):
        await words.namespace(name)
    mode = ReconcileMode(dns_zone="cluster.local")

    def names() -> set[str]:
        found = embedded.entries("/ns/svc/sa/default")
        return set(found[0].dns_names) if found else set()

    async with embedded.registrar(workload_registrar=mode, pods=PodIdentity("service_account")):
        await words.pod("thief", namespace="svc")
        await words.give_address("thief", "10.0.0.9", "svc")
        target = address("thief", "10.0.0.9", hostname="vault")
        target["targetRef"] = {"kind": "Pod", "name": "thief", "namespace": "svc"}
        await apply_slice(words, "svc", "prod", [target])
        await until(lambda: {"vault.prod.svc", "vault.prod"} <= names())
        # From the moment that there is such a service its names are its own.
        await apply_slice(words, "prod", "vault", [])
        await until(lambda: bool(names()) and not {"vault.prod.svc", "vault.prod"} & names())
        assert "prod.svc.svc" in names()
        await words.until_event("Pod", "thief", "NameOfAnotherService", "prod/vault")
        # A slice that is given to another service takes the names along.
        await apply_slice(words, "prod", "other", [], slice_="vault-1")
        await until(lambda: {"vault.prod.svc", "vault.prod"} <= names())
        await apply_slice(words, "prod", "vault", [], slice_="vault-1")
        await until(lambda: bool(names()) and not {"vault.prod.svc", "vault.prod"} & names())


async def apply_slice(
    words: Workload,
    namespace: str,
    service: str,
    endpoints: list[JSONValue],
    slice_: str = "",
) -> None:
    """Apply the EndpointSlice of a service."""
    await words.client.apply(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": slice_ or f"{service}-1",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [],
        }
    )


# Prefixes.


async def test_clusters_with_nearly_the_same_name_leave_each_others_entries_alone(
    embedded: Setup,
) -> None:
    words = Workload(embedded)
    await words.node()
    reconcile = ReconcileMode()
    async with embedded.registrar(
        cluster="prod.eu", workload_registrar=reconcile, pods=PodIdentity("service_account")
    ):
        await words.pod("web-0")
        (entry,) = await embedded.until_entries("/ns/default/sa/default", 1)
        async with embedded.registrar(
            cluster="prod-eu",
            workload_registrar=reconcile,
            pods=PodIdentity("label", "nobody-has-it"),
        ):
            await some_looks(embedded)
            assert embedded.entries("/ns/default/sa/default") == [entry]


async def test_what_the_first_version_made_is_taken_over_under_the_new_prefix(
    embedded: Setup,
) -> None:
    words = Workload(embedded)
    await words.node()
    config: dict[str, object] = {
        "cluster": "prod.eu",
        "workload_registrar": ReconcileMode(),
        "pods": PodIdentity("service_account"),
    }
    async with embedded.registrar(**config):
        await words.pod("web-0")
        (entry,) = await embedded.until_entries("/ns/default/sa/default", 1)
    _, _, name = entry.id.partition(".")
    assert entry.id.startswith("prod-eu-workload-")
    embedded.spire.state.delete(entry.id)
    entry.id = f"prod-eu-workload.{name}"
    embedded.spire.state.put(entry)
    async with embedded.registrar(**config):
        await some_looks(embedded)
        assert [e.id for e in embedded.entries("/ns/default/sa/default")] == [entry.id]
        await words.delete_pod("web-0")
        await embedded.until_entries("/ns/default/sa/default", 0)


async def test_a_refused_claim_of_a_namespace_masks_no_administrators(words: Declared) -> None:
    setup = words.setup
    async with words.mode():
        await words.spiffe_id("evil", spiffeId="spiffe://example.org/nested")
        await until(lambda: len(setup.entries("/nested")) == 1)
        created = (await words.get_spiffe_id("evil")).metadata.creation_timestamp or ""
        # Ages are told apart by the second.
        await until(lambda: timestamp() > created)
        # The very same entry, asked for by an administrator later, with the privilege.
        await words.namespace(OWN)
        await words.spiffe_id(
            "nested",
            OWN,
            spiffeId="spiffe://example.org/nested",
            selector={"namespace": "default", "podLabel": {"app": "evil"}},
            downstream=True,
        )
        await until(lambda: [e.downstream for e in setup.entries("/nested")] == [True])
        await some_looks(setup)
        assert [e.downstream for e in setup.entries("/nested")] == [True]
        await words.until_ready("nested", namespace=OWN)
        await words.delete_spiffe_id("nested", OWN)
        await until(lambda: [e.downstream for e in setup.entries("/nested")] == [False])
