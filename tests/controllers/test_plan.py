"""The command ``plan``: its words, its documents, its exit codes; with objects from files too."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from api.documents import dump_yaml
from api.kinds import CLUSTER_SPIFFEID, CLUSTER_STATIC_ENTRY
from manager.cli import main
from registrar.settings.model import ControllerManager, UnixAddress
from tests.support.controllermanager import Manager
from tests.support.previewworlds import of_others
from tests.support.setup import Setup, until

SETTINGS: dict[str, object] = {"controller_manager": ControllerManager()}


@dataclass
class Planning:
    """The command on a Setup, with a configuration file."""

    setup: Setup
    folder: Path
    captured: pytest.CaptureFixture[str]

    @property
    def manager(self) -> Manager:
        return Manager(self.setup)

    def configuration(self, name: str = "config.yaml", **more: object) -> Path:
        """Write a configuration file of spire-controller-manager."""
        address = self.setup.settings.spire
        assert isinstance(address, UnixAddress)
        path = self.folder / name
        document: dict[str, object] = {
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ControllerManagerConfig",
            "clusterName": "test",
            "trustDomain": "example.org",
            "spireServerSocketPath": str(address.path),
            **more,
        }
        path.write_text(json.dumps(document))
        return path

    async def plan(self, *flags: str | Path, config: Path | None = None) -> tuple[int, str, str]:
        """Run it; gives the exit code and what it wrote."""
        kubeconfig = self.setup.settings.kubeconfig
        words = ["plan", "--config", config or self.configuration()]
        words += [] if kubeconfig is None else ["--kubeconfig", kubeconfig]
        code = await asyncio.to_thread(main, [str(word) for word in (*words, *flags)])
        out, err = self.captured.readouterr()
        return code, out, err

    async def made(self, *names: str) -> None:
        """Have a registrar set static entries of those names."""
        for name in names:
            await self.manager.static_entry(name)
        async with self.setup.registrar(**SETTINGS):
            await until(lambda: len(self.setup.entries()) == len(names))


@pytest.fixture
def planning(embedded: Setup, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Planning:
    return Planning(embedded, tmp_path, capsys)


async def test_a_plan_begins_with_counts_and_says_why(planning: Planning) -> None:
    await planning.made("kept", "gone", "edited")
    await planning.manager.delete(CLUSTER_STATIC_ENTRY, "gone")
    await planning.manager.static_entry("edited", hint="new")
    await planning.manager.static_entry("added", dnsNames=["a.test"])
    await planning.manager.static_entry("taken")
    planning.setup.spire.state.put(of_others("/static/taken", 1))
    code, out, err = await planning.plan()
    assert (code, err) == (0, "")
    assert "Entries: 1 to create, 1 to update, 1 to adopt, 1 to delete, 1 unchanged." in out
    assert out.index("Entries:") < out.index("+ create")
    assert "+ create   spiffe://example.org/static/added" in out
    assert "dnsNames   a.test" in out
    assert "because    ClusterStaticEntry added asks for it" in out
    assert 'hint       "" → "new"' in out
    assert "- delete   spiffe://example.org/static/gone" in out
    assert "why        nobody claims it any more" in out
    assert "entry 'foreign-1', which somebody else made" in out
    assert "spiffe://example.org/static/kept" not in out
    assert out.endswith("4 things would change on the SPIRE server. Nothing was written.\n")
    assert "\x1b" not in out
    _, out, _ = await planning.plan("--all")
    assert "spiffe://example.org/static/kept" in out


async def test_an_entry_in_the_way_is_shown_with_what_adoption_would_do(
    planning: Planning,
) -> None:
    await planning.manager.static_entry("taken")
    planning.setup.spire.state.put(of_others("/static/taken", 1))
    code, out, _ = await planning.plan("--adoption-policy", "refuse", "--fail-on-change")
    assert code == 0
    assert "! blocked  spiffe://example.org/static/taken" in out
    assert 'it would become ours, and that would change hint ("theirs" → "")' in out
    assert "ClusterStaticEntry taken: EntryExists" in out
    assert "Nothing would change on the SPIRE server. 1 thing would not be as asked for." in out


async def test_pipelines_can_ask_for_an_exit_code(planning: Planning) -> None:
    await planning.made("a", "b")
    strict = ("--fail-on-change", "--fail-on-delete")
    assert (await planning.plan(*strict))[0] == 0
    await planning.manager.static_entry("c")
    assert (await planning.plan())[0] == 0
    assert (await planning.plan("--fail-on-delete"))[0] == 0
    assert (await planning.plan(*strict))[0] == 3
    await planning.manager.delete(CLUSTER_STATIC_ENTRY, "a")
    assert (await planning.plan(*strict))[0] == 4
    assert (await planning.plan("--fail-on-delete"))[0] == 4
    assert (await planning.plan("--fail-on-change"))[0] == 3
    # What only waits for a person is a deletion too.
    budget = ("--deletion-budget-count", "0", "--deletion-budget-fraction", "0")
    code, out, _ = await planning.plan("--fail-on-delete", *budget)
    assert code == 4
    assert "Withheld: 1 of 3 entries would be deleted" in out


@pytest.mark.parametrize("output", ["json", "yaml"])
async def test_programs_get_a_document(planning: Planning, output: str) -> None:
    await planning.made("a")
    await planning.manager.static_entry("a", hint="new")
    await planning.manager.template("broken", spiffeIDTemplate="{{")
    code, out, err = await planning.plan("-o", output)
    assert (code, err) == (0, "")
    document = json.loads(out) if output == "json" else yaml.safe_load(out)
    assert document["mode"] == "controller-manager"
    assert document["counts"]["entries"]["update"] == 1
    (entry,) = document["entries"]
    assert (entry["action"], entry["fields"]) == ("update", ["hint"])
    assert (entry["before"]["hint"], entry["after"]["hint"]) == ("", "new")
    assert entry["claims"][0]["object"]["name"] == "a"
    assert [f["object"]["name"] for f in document["findings"]] == ["broken"]


async def test_of_many_changes_some_are_shown(planning: Planning) -> None:
    for number in range(4):
        await planning.manager.static_entry(f"s{number}")
    _, out, _ = await planning.plan("--limit", "1")
    assert out.count("+ create") == 1
    assert "… and 3 more to create (all with --limit 0)" in out
    assert (await planning.plan("--limit", "0"))[1].count("+ create") == 4


async def test_a_missing_right_is_named(planning: Planning) -> None:
    api = planning.setup.embedded
    assert api is not None
    api.faults.fail(None, status=403, method="list", resource="pods")
    code, out, err = await planning.plan()
    assert (code, out) == (1, "")
    assert "give the registrar's role list and watch on pods" in err
    code, out, _ = await planning.plan("-o", "json")
    assert code == 1
    assert json.loads(out)["unread"][0]["missingRight"] is True


async def test_a_wrong_configuration_ends_with_2(planning: Planning) -> None:
    config = planning.configuration("wrong.yaml", trustDomain="not a domain")
    code, _, err = await planning.plan(config=config)
    assert code == 2
    assert "trustDomain" in err
    code, _, err = await planning.plan("--against", planning.folder / "nothing.yaml")
    assert code == 2
    assert "nothing.yaml" in err


async def test_objects_from_files_are_all_there_are(planning: Planning) -> None:
    await planning.made("a", "b")
    folder = planning.folder / "manifests"
    (folder / "deep").mkdir(parents=True)
    (folder / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    (folder / "a.yaml").write_text(_static("a", hint="new") + "---\n" + _static("c"))
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [_pod("web"), _pod("api")]}
    (folder / "deep" / "pods.json").write_text(json.dumps(pods))
    template = {"podSelector": {"matchLabels": {"app": "web"}}, "spiffeIDTemplate": TEMPLATE}
    (folder / "template.yaml").write_text(_document(CLUSTER_SPIFFEID.kind, "web", template))
    await planning.manager.node()
    await planning.manager.pod("other", labels={"app": "web"})
    code, out, err = await planning.plan("--from-manifests", folder, "-o", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    actions = {(e["action"], e["spiffeId"].rpartition("/")[2]) for e in document["entries"]}
    # The Pod of the cluster is still there; what stands in no file is not.
    assert actions == {
        *{("update", "a"), ("delete", "b"), ("create", "c")},
        *{("create", "web"), ("create", "other")},
    }
    created = next(e for e in document["entries"] if e["spiffeId"].endswith("/web"))
    assert created["claims"][0]["template"]["name"] == "web"
    assert document["counts"]["objects"]["pods"] == 3
    assert len(planning.setup.entries()) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "a.yaml"),
        ("kind: ClusterStaticEntry\n", "no apiVersion or kind"),
        ("apiVersion: spire.spiffe.io/v1alpha1\nkind: ClusterStaticEntry\n", "metadata.name"),
        ("[]", "no apiVersion or kind"),
    ],
)
async def test_a_file_that_is_wrong_is_named(planning: Planning, text: str, words: str) -> None:
    (planning.folder / "a.yaml").write_text(text)
    code, out, err = await planning.plan("--from-manifests", planning.folder / "a.yaml")
    assert (code, out) == (2, "")
    assert words in err
    assert "--from-manifests" in err


async def test_an_object_that_stands_in_two_files_is_named(planning: Planning) -> None:
    folder = planning.folder / "manifests"
    folder.mkdir()
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(_static("same"))
    code, _, err = await planning.plan("--from-manifests", folder)
    assert code == 2
    assert "a second time" in err
    assert "a.yaml" in err
    assert "b.yaml" in err


async def test_two_configurations_are_compared(planning: Planning) -> None:
    await planning.made("a")
    await planning.manager.node()
    await planning.manager.pod("web", labels={"app": "web"})
    await planning.manager.template("all", spiffeIDTemplate=TEMPLATE)
    old = planning.configuration("old.yaml", ignoreNamespaces=["^default$"])
    new = planning.configuration("new.yaml")
    code, out, err = await planning.plan("--against", old, "--fail-on-delete", config=new)
    assert (code, err) == (0, "")
    assert "Entries: 1 to create, 1 unchanged." in out
    assert "because    Pod default/web, by ClusterSPIFFEID all, asks for it" in out
    code, out, _ = await planning.plan("--against", new, "--fail-on-delete", config=old)
    assert code == 4
    assert "Pod default/web asks for it by the old configuration alone" in out
    code, out, _ = await planning.plan("--against", new, "--fail-on-change", config=new)
    assert code == 0
    assert "Nothing would change on the SPIRE server." in out


TEMPLATE = "spiffe://{{ .TrustDomain }}/pod/{{ .PodMeta.Name }}"


def _document(kind: str, name: str, spec: object) -> str:
    metadata = {"name": name}
    document = {"apiVersion": "spire.spiffe.io/v1alpha1", "kind": kind, "metadata": metadata}
    return dump_yaml({**document, "spec": spec})  # type: ignore[dict-item]


def _static(name: str, **spec: object) -> str:
    usual = {"parentID": "spiffe://example.org/agent", "selectors": ["unix:uid:0"]}
    return _document(
        CLUSTER_STATIC_ENTRY.kind,
        name,
        {"spiffeID": f"spiffe://example.org/static/{name}", **usual, **spec},
    )


def _pod(name: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "serviceAccountName": "default", "containers": []},
    }
