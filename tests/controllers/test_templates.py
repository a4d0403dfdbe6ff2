"""ClusterSPIFFEIDs over Pods: entries, masking, fallback, stats, and what wakes what."""

import pytest

from api.kinds import CLUSTER_SPIFFEID
from api.meta import find_condition
from tests.support.controllermanager import Manager
from tests.support.setup import Setup, eventually, some_looks, until

DEFAULT = "/ns/default/sa/default"
SET_NAMES = ["a.test", "a.svc"]
WEB = {"matchLabels": {"app": "web"}}


@pytest.fixture
async def manager(setup: Setup) -> Manager:
    manager = Manager(setup)
    await manager.node()
    return manager


@pytest.mark.story
async def test_every_selected_pod_gets_its_entry(manager: Manager) -> None:
    node_uid = await manager.node()
    async with manager.running():
        await manager.template("web", podSelector=WEB)
        uid = await manager.pod("a", labels={"app": "web"})
        await manager.pod("b", labels={"app": "other"})
        (entry,) = await manager.until_paths(DEFAULT)
        assert entry.parent_id.path == f"/spire/agent/k8s_psat/test/{node_uid}"
        assert [(s.type, s.value) for s in entry.selectors] == [("k8s", f"pod-uid:{uid}")]
        await manager.until_stats("web", pods_selected=1, entries_to_set=1, entry_failures=0)
        await manager.delete_pod("a")
        await manager.until_paths()
        await manager.until_stats("web", pods_selected=0, entries_to_set=0)


async def test_events_hold_no_numbers_for_these_change_with_every_pod(manager: Manager) -> None:
    await manager.pod("a")
    async with manager.running():
        # Events outlive their objects on a server that others use too.
        await manager.template("numberless")
        await manager.until_stats("numberless", pods_selected=1, entries_to_set=1)
        found: list[str] = []

        async def is_told() -> bool:
            events = await manager.setup.events(CLUSTER_SPIFFEID.kind, "numberless")
            found[:] = [event.message for event in events]
            return bool(found)

        await eventually(is_told)
        assert found == ["every Pod that it selects renders, and no entry fails"]


@pytest.mark.story
async def test_an_edit_of_the_template_renders_its_own_pods_anew(manager: Manager) -> None:
    async with manager.running():
        await manager.template("web", podSelector=WEB)
        await manager.pod("a", labels={"app": "web"})
        await manager.pod("b", labels={"app": "db"})
        await manager.until_paths(DEFAULT)
        await manager.template("web", podSelector=WEB, spiffeIDTemplate="/web/{{ .PodMeta.Name }}")
        await manager.until_paths("/web/a")
        await manager.template(
            "web",
            podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]},
            spiffeIDTemplate="/web/{{ .PodMeta.Name }}",
        )
        await manager.until_paths("/web/a", "/web/b")
        await manager.delete(CLUSTER_SPIFFEID, "web")
        await manager.until_paths()


async def test_labels_of_pod_and_namespace_take_effect_at_once(manager: Manager) -> None:
    await manager.namespace("shop")
    async with manager.running():
        await manager.template("gold", namespaceSelector={"matchLabels": {"tier": "gold"}})
        await manager.pod("a", namespace="shop")
        await manager.until_stats("gold", namespaces_selected=0, pods_selected=0)
        await manager.namespace("shop", tier="gold")
        await manager.until_paths("/ns/shop/sa/default")
        await manager.until_stats("gold", namespaces_selected=1, pods_selected=1)
        await manager.namespace("shop", tier="lead")
        await manager.until_paths()


async def test_a_pod_gets_its_entry_when_it_is_bound_and_waits_without_a_complaint(
    manager: Manager,
) -> None:
    async with manager.running():
        await manager.template("all")
        await manager.pod("a", node="")
        await manager.until_stats("all", pods_selected=1, pod_entry_render_failures=0)
        await manager.client.create(
            "/api/v1/namespaces/default/pods/a/binding",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "a"},
                "target": {"kind": "Node", "name": "node-1"},
            },
        )
        await manager.until_paths(DEFAULT)


async def test_a_pod_whose_node_is_not_known_fails_until_it_is(manager: Manager) -> None:
    async with manager.running():
        await manager.template("all")
        await manager.pod("a", node="node-2")
        await manager.until_stats("all", pod_entry_render_failures=1, entries_to_set=0)
        await manager.node("node-2")
        await manager.until_paths(DEFAULT)
        await manager.until_stats("all", pod_entry_render_failures=0, entries_to_set=1)


async def test_of_two_templates_for_one_entry_the_older_counts(manager: Manager) -> None:
    async with manager.running():
        made = [await manager.template(name, hint=name) for name in ("one", "two")]
        # Timestamps are seconds: within one the uid decides.
        made.sort(key=lambda obj: (obj.metadata.creation_timestamp or "", obj.metadata.uid))
        old, young = (obj.metadata.name for obj in made)
        await manager.pod("a")
        await manager.until_paths(DEFAULT)
        await manager.until_stats(old, entries_masked=0, entries_to_set=1)
        await manager.until_stats(young, entries_masked=1, entries_to_set=0)
        await until(lambda: [e.hint for e in manager.setup.entries()] == [old])
        await manager.until_condition(young, "Masked", f"ClusterSPIFFEID {old} (1)")
        await manager.delete(CLUSTER_SPIFFEID, old)
        await until(lambda: [e.hint for e in manager.setup.entries()] == [young])
        await manager.until_stats(young, entries_masked=0, entries_to_set=1)
        await manager.until_condition(young, "Masked", None)


async def test_a_bad_dns_name_costs_a_pod_that_name_alone(manager: Manager) -> None:
    async with manager.running():
        await manager.template(
            "web",
            dnsNameTemplates=[
                "{{ .PodMeta.Name }}.test",
                '{{ index .PodMeta.Labels "host" }}',
                "{{ .PodMeta.Name }}.svc",
            ],
        )
        await manager.pod("a")
        await until(lambda: [list(e.dns_names) for e in manager.setup.entries()] == [SET_NAMES])
        await manager.until_condition("web", "DNSNamesOmitted", None)
        await manager.delete_pod("a")
        await manager.pod("a", labels={"host": "my--svc"})
        await manager.until_condition(
            "web", "DNSNamesOmitted", "default/a: spec.dnsNameTemplates[1]"
        )
        await until(lambda: [list(e.dns_names) for e in manager.setup.entries()] == [SET_NAMES])
        await manager.until_stats("web", entries_to_set=1, pod_entry_render_failures=0)


async def test_a_bad_dns_name_costs_the_entry_where_that_is_asked_for(manager: Manager) -> None:
    async with manager.running(refuses_dns_names=True):
        await manager.template("web", dnsNameTemplates=['{{ index .PodMeta.Labels "host" }}'])
        await manager.pod("a")
        await manager.until_stats("web", entries_to_set=0, pod_entry_render_failures=1)
        assert manager.paths() == []


async def test_a_hostile_template_holds_nobody_up(manager: Manager) -> None:
    async with manager.running():
        layout = "{{ $l := `" + "2" * 1000 + "` }}"
        for number in range(20):
            await manager.template(
                f"hostile-{number}",
                spiffeIDTemplate="/x/"
                + layout
                + "{{ range 99999 }}{{ $y := $.PodMeta.CreationTimestamp.Format $l }}{{ end }}",
            )
        await manager.template("web", spiffeIDTemplate="/web/{{ .PodMeta.Name }}")
        for name in ("a", "b", "c"):
            await manager.pod(name)
        await manager.until_paths("/web/a", "/web/b", "/web/c")
        await manager.until_stats("hostile-0", pod_entry_render_failures=3)


async def test_a_fallback_applies_to_pods_that_no_other_selects(manager: Manager) -> None:
    async with manager.running():
        await manager.template("rest", fallback=True, spiffeIDTemplate="/rest/{{ .PodMeta.Name }}")
        await manager.pod("a", labels={"app": "web"})
        await manager.pod("b")
        await manager.until_paths("/rest/a", "/rest/b")
        await manager.template("web", podSelector=WEB, spiffeIDTemplate="/web/{{ .PodMeta.Name }}")
        await manager.until_paths("/web/a", "/rest/b")
        await manager.until_stats("rest", pods_selected=2, entries_to_set=1)
        await manager.delete(CLUSTER_SPIFFEID, "web")
        await manager.until_paths("/rest/a", "/rest/b")


async def test_ignored_namespaces_are_counted_and_left_alone(manager: Manager) -> None:
    await manager.namespace("spire-system")
    async with manager.running(ignore_namespaces=("^spire-system$",)):
        await manager.template("all")
        await manager.pod("a", namespace="spire-system")
        await manager.pod("b")
        await manager.until_paths(DEFAULT)
        await manager.until_stats("all", namespaces_ignored=1, pods_selected=1)


async def test_why_ignored_namespaces_give_no_pods_is_said(manager: Manager) -> None:
    await manager.namespace("spire-system")
    async with manager.running(ignore_namespaces=("^spire-system$",)):
        there = {"matchLabels": {"kubernetes.io/metadata.name": "spire-system"}}
        await manager.template("nobody", namespaceSelector=there)
        await manager.pod("a", namespace="spire-system")
        await manager.until_condition(
            "nobody", "Ready", "0 Pods: every Namespace that it selects is one of ignoreNamespaces"
        )


@pytest.mark.parametrize(
    ("own", "watch_classless", "handled"),
    [
        ("", False, {"classless"}),
        ("mine", False, {"mine"}),
        ("mine", True, {"mine", "classless"}),
    ],
)
async def test_objects_of_all_kinds_are_ours_by_their_class(
    manager: Manager,
    own: str,
    watch_classless: bool,
    handled: set[str],
) -> None:
    await manager.pod("a")
    for name in ("classless", "other", "mine"):
        of_class = {} if name == "classless" else {"className": name}
        await manager.template(name, spiffeIDTemplate=f"/template/{name}", **of_class)
        await manager.static_entry(name, **of_class)
        await manager.trust_domain(
            name,
            trustDomain=f"{name}.test",
            bundleEndpointURL=f"https://{name}.test/bundle",
            bundleEndpointProfile={"type": "https_web"},
            **of_class,
        )
    async with manager.running(settings_class_name=own, watch_classless=watch_classless):
        await manager.until_paths(
            *(f"/{kind}/{name}" for kind in ("static", "template") for name in handled)
        )
        await until(
            lambda: set(manager.spire.state.relationships) == {f"{n}.test" for n in handled}
        )


async def test_a_template_that_does_not_render_keeps_what_the_pod_had(manager: Manager) -> None:
    async with manager.running():
        await manager.template("web", spiffeIDTemplate="/web/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.until_paths("/web/a")
        await manager.template("web", spiffeIDTemplate="/web/{{ .PodMeta.Missing }}")
        await manager.until_stats("web", pod_entry_render_failures=1, entries_to_set=0)
        assert manager.paths() == ["/web/a"]

        async def is_said() -> bool:
            ready = find_condition((await manager.get_template("web")).status.conditions, "Ready")
            return (
                ready is not None
                and (ready.status, ready.reason) == ("False", "RenderFailed")
                and "default/a" in ready.message
            )

        await eventually(is_said)
        assert manager.paths() == ["/web/a"]


async def test_what_does_not_render_for_many_pods_is_said_once_in_an_event_on_the_template(
    manager: Manager,
) -> None:
    async with manager.running():
        await manager.template("web", spiffeIDTemplate="/web/{{ .PodMeta.Missing }}")
        for name in ("a", "b", "c"):
            await manager.pod(name)
        await manager.until_condition("web", "Ready", "default/a, default/b, default/c: spec.")
        ready = find_condition((await manager.get_template("web")).status.conditions, "Ready")
        assert ready is not None
        assert ready.message.count("can't evaluate field Missing") == 1

        async def is_told() -> bool:
            events = await manager.setup.events("ClusterSPIFFEID", "web")
            return any((e.type, e.reason) == ("Warning", "RenderFailed") for e in events)

        await eventually(is_told)


@pytest.mark.parametrize("text", ["/web/{{ .PodMeta.Name", "/web/{{ .PodMeta.Missing }}"])
async def test_what_a_pod_had_stays_over_a_restart_while_its_template_is_wrong(
    manager: Manager, text: str
) -> None:
    async with manager.running():
        await manager.template("web", spiffeIDTemplate="/web/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.until_paths("/web/a")
    await manager.template("web", spiffeIDTemplate=text)
    async with manager.running():

        async def is_seen() -> bool:
            ready = find_condition((await manager.get_template("web")).status.conditions, "Ready")
            return ready is not None and ready.status == "False"

        await eventually(is_seen)
        assert manager.paths() == ["/web/a"]
        await manager.template("web", spiffeIDTemplate="/good/{{ .PodMeta.Name }}")
        await manager.until_paths("/good/a")


async def test_a_restart_writes_nothing_to_spire(manager: Manager) -> None:
    async with manager.running():
        await manager.template("all")
        for name in "abc":
            await manager.pod(name)
        await manager.until_paths(*[DEFAULT] * 3)
        await manager.until_stats("all", entries_to_set=3)
    before = dict(manager.spire.writes)
    async with manager.running():
        await some_looks(manager.setup)
        assert manager.paths() == [DEFAULT] * 3
    assert dict(manager.spire.writes) == before


async def test_what_changed_while_the_registrar_was_down_is_put_right(manager: Manager) -> None:
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/one/{{ .PodMeta.Name }}")
        await manager.pod("a")
        await manager.pod("b")
        await manager.until_paths("/one/a", "/one/b")
    await manager.delete_pod("b")
    await manager.template("all", spiffeIDTemplate="/two/{{ .PodMeta.Name }}")
    async with manager.running():
        await manager.until_paths("/two/a")


async def test_pods_that_went_while_nobody_looked_are_no_forgery(manager: Manager) -> None:
    async with manager.running():
        await manager.template("all", spiffeIDTemplate="/one/{{ .PodMeta.Name }}")
        for name in "abcdef":
            await manager.pod(name)
        await manager.until_paths(*(f"/one/{name}" for name in "abcdef"))

        async def are_recorded() -> bool:
            records = await manager.setup.spire_entries()
            return [bool(record.status.entry_id) for record in records] == [True] * 6

        await eventually(are_recorded)
    names = [record.metadata.name for record in await manager.setup.spire_entries()]
    for name in "abcde":
        await manager.delete_pod(name)
    async with manager.running():
        await manager.until_paths("/one/f")

        async def are_gone() -> bool:
            return len(await manager.setup.spire_entries()) == 1

        await eventually(are_gone)
        await some_looks(manager.setup)
        for name in names:
            assert await manager.setup.events("SpireEntry", name) == []


async def test_the_annotation_of_a_pod_adds_trust_domains(manager: Manager) -> None:
    async with manager.running():
        await manager.template("all")
        await manager.pod("a", annotations={"spiffe.io/federatesWith": " partner.test ,, x.test"})
        await manager.until_paths(DEFAULT)

        async def is_pending() -> bool:
            status = (await manager.get_template("all")).status
            found = find_condition(status.conditions, "FederationPending")
            return found is not None and "partner.test, x.test" in found.message

        await eventually(is_pending)
