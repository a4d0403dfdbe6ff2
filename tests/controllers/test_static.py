"""The static mode: files instead of a cluster."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from api.documents import load_yaml_documents
from api.proto import types_pb2
from manager.process import Process
from registrar.errors import InvalidField
from registrar.settings.model import ControllerManager, StaticManifests
from tests.support.setup import Setup, eventually, some_looks, until


def entry(name: str, **spec: str) -> str:
    lines = [f"  {key}: {value}" for key, value in spec.items()]
    return "\n".join(
        [
            "apiVersion: spire.spiffe.io/v1alpha1",
            "kind: ClusterStaticEntry",
            f"metadata: {{name: {name}}}",
            "spec:",
            f"  spiffeID: spiffe://example.org/{name}",
            "  parentID: spiffe://example.org/agent",
            '  selectors: ["unix:uid:0"]',
            *lines,
            "",
        ]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "manifests"
    made.mkdir()
    return made


@contextlib.asynccontextmanager
async def running(
    setup: Setup, folder: Path, *, expand: bool = False, **changes: object
) -> AsyncIterator[Process]:
    manifests = StaticManifests(folder, expand)
    manager = ControllerManager(static_manifests=manifests)
    settings = replace(setup.settings, kubeconfig=None, controller_manager=manager)
    settings = replace(settings, **changes)  # type: ignore[arg-type]
    process = Process(settings)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(process.run())
        await until(lambda: process.first_pass_is_over)
        yield process
        task.cancel()


def paths(setup: Setup) -> list[str]:
    return sorted(found.spiffe_id.path for found in setup.all_entries())


@pytest.mark.story
async def test_entries_follow_the_files(setup: Setup, folder: Path) -> None:
    (folder / "a.yaml").write_text(entry("one") + "---\n" + entry("two"))
    async with running(setup, folder):
        await until(lambda: paths(setup) == ["/one", "/two"])
        (folder / "b.yml").write_text(entry("three", hint="h"))
        await until(lambda: paths(setup) == ["/one", "/three", "/two"])
        (folder / "a.yaml").write_text(entry("one", hint="new"))
        await until(lambda: paths(setup) == ["/one", "/three"])
        await until(lambda: {e.hint for e in setup.all_entries()} == {"h", "new"})
        (folder / "b.yml").unlink()
        await until(lambda: paths(setup) == ["/one"])


async def test_only_the_own_class_is_handled(embedded: Setup, folder: Path) -> None:
    (folder / "a.yaml").write_text(entry("one") + "---\n" + entry("two", className="mine"))
    async with running(embedded, folder, class_name="mine"):
        await until(lambda: paths(embedded) == ["/two"])


async def test_classes_on_one_server_leave_each_others_entries_alone(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("one") + "---\n" + entry("two", className="mine"))
    async with (
        running(embedded, folder) as first,
        running(embedded, folder, class_name="mine"),
    ):
        await until(lambda: paths(embedded) == ["/one", "/two"])
        held = {e.id for e in embedded.all_entries()}
        assert len({name.split(".")[0] for name in held}) == 2
        await some_looks(embedded)
        assert {e.id for e in embedded.all_entries()} == held
        assert first.first_pass_is_over


async def test_what_a_class_had_under_the_prefix_of_all_is_taken_over(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/two"])
    (held,) = embedded.all_entries()
    (folder / "a.yaml").write_text(entry("two", className="mine", hint="h"))
    async with running(embedded, folder, class_name="mine"):
        await until(lambda: [e.hint for e in embedded.all_entries()] == ["h"])
        assert [e.id for e in embedded.all_entries()] == [held.id]


async def test_probes_are_served_at_their_own_address(embedded: Setup, folder: Path) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    async with (
        running(embedded, folder, metrics_addr="0", health_addr="127.0.0.1:0") as process,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://127.0.0.1:{process.port}/readyz"

        async def is_ready() -> bool:
            async with session.get(url) as response:
                return response.status == 200

        await eventually(is_ready)


@pytest.mark.parametrize(
    ("settings", "key"),
    [("metrics_addr", "metrics.bindAddress"), ("health_addr", "health.healthProbeBindAddress")],
)
async def test_an_address_that_is_taken_is_refused_by_the_files_own_key(
    embedded: Setup, folder: Path, settings: str, key: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.RaisesGroup(
            pytest.RaisesExc(InvalidField, match=f"^{key}: "), flatten_subgroups=True
        ):
            async with running(embedded, folder, **{settings: address}):  # type: ignore[arg-type]
                pass


async def test_a_broken_file_keeps_what_it_said_and_stops_no_other(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one"])
        (folder / "a.yaml").write_text("kind: [")
        (folder / "b.yaml").write_text(entry("two"))
        await until(lambda: paths(embedded) == ["/one", "/two"])
        (folder / "a.yaml").write_text(entry("three"))
        await until(lambda: paths(embedded) == ["/three", "/two"])


async def test_a_wrong_object_keeps_its_entry(embedded: Setup, folder: Path) -> None:
    (folder / "a.yaml").write_text(entry("one") + "---\n" + entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])
        wrong = entry("one").replace('["unix:uid:0"]', '["nonsense"]')
        (folder / "a.yaml").write_text(wrong + "---\n" + entry("two", hint="x"))
        await until(lambda: any(e.hint == "x" for e in embedded.all_entries()))
        assert paths(embedded) == ["/one", "/two"]


async def test_zero_values_are_those_that_nobody_gave(embedded: Setup, folder: Path) -> None:
    nothing = dict.fromkeys(("federatesWith", "dnsNames", "hint", "className", "admin"), "null")
    (folder / "a.yaml").write_text(entry("one", **nothing) + "status: null\n")
    (folder / "b.yaml").write_text(entry("two", hint='""', dnsNames="[]", x509SVIDTTL="0s"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])


async def test_the_swap_of_a_mounted_configmap_is_seen(embedded: Setup, folder: Path) -> None:
    for number, name in enumerate(("one", "two", "three")):
        version = folder / f"..version{number}"
        version.mkdir()
        (version / "a.yaml").write_text(entry(name))
    (folder / "..data").symlink_to("..version0")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    async with running(embedded, folder):
        for number, name in enumerate(("one", "two", "three")):
            (folder / "..new").symlink_to(f"..version{number}")
            os.replace(folder / "..new", folder / "..data")  # noqa: PTH105 - as the kubelet does
            await until(lambda name=name: paths(embedded) == [f"/{name}"])  # type: ignore[misc]


async def test_the_environment_is_expanded_when_asked(
    embedded: Setup, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "me")
    (folder / "a.yaml").write_text(entry("a", hint="${WHO}"))
    async with running(embedded, folder, expand=True):
        await until(lambda: [e.hint for e in embedded.all_entries()] == ["me"])


async def test_nothing_is_written_at_a_restart_and_what_went_meanwhile_is_removed(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    (folder / "b.yaml").write_text(entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])
    before = dict(embedded.spire.writes)
    async with running(embedded, folder):
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
    assert dict(embedded.spire.writes) == before
    (folder / "b.yaml").unlink()
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one"])


async def test_a_federated_trust_domain_is_set_and_taken_back(
    embedded: Setup, folder: Path
) -> None:
    (folder / "f.yaml").write_text(
        """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ClusterFederatedTrustDomain
metadata: {name: partner}
spec:
  trustDomain: partner.test
  bundleEndpointURL: https://partner.test/bundle
  bundleEndpointProfile: {type: https_web}
"""
    )
    (folder / "a.yaml").write_text(entry("one", federatesWith="[partner.test]"))
    async with running(embedded, folder):
        await until(lambda: "partner.test" in embedded.spire.state.relationships)
        await until(lambda: paths(embedded) == ["/one"])
        bundle = types_pb2.Bundle(trust_domain="partner.test")
        embedded.spire.endpoints.show("https://partner.test/bundle", bundle)
        await until(lambda: [*embedded.all_entries()[0].federates_with] == ["partner.test"])
        (folder / "f.yaml").unlink()
        await until(lambda: not embedded.spire.state.relationships)


async def test_a_bundle_in_a_configmap_is_refused_where_there_is_no_cluster(
    embedded: Setup, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "f.yaml").write_text(
        """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ClusterFederatedTrustDomain
metadata: {name: partner}
spec:
  trustDomain: partner.test
  bundleEndpointURL: https://partner.test/bundle
  bundleEndpointProfile: {type: https_spiffe, endpointSPIFFEID: "spiffe://partner.test/endpoint"}
  trustDomainBundleFrom: {configMapKeyRef: {namespace: a, name: b, key: c}}
"""
    )
    (folder / "a.yaml").write_text(entry("one"))

    def is_said() -> bool:
        words = "write the bundle into trustDomainBundle"
        return any(words in str(record.__dict__) for record in caplog.records)

    async with running(embedded, folder):
        await until(is_said)
        await until(lambda: paths(embedded) == ["/one"])
        assert not embedded.spire.state.relationships


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "[" * 100_000,
        "kind: " + "9" * 5000,
        "a: \0",
        "a: !!binary x",
        "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 20))]),
    ],
    ids=["alias in itself", "deep", "long number", "zero byte", "binary", "bomb"],
)
async def test_a_hostile_file_is_said_and_stops_no_other(
    embedded: Setup, folder: Path, text: str
) -> None:
    (folder / "a.yaml").write_text(text)
    (folder / "b.yaml").write_text(entry("one"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one"])
        (folder / "a.yaml").write_text(entry("two"))
        await until(lambda: paths(embedded) == ["/one", "/two"])


async def test_an_error_that_nobody_foresaw_in_a_file_stops_no_other(
    embedded: Setup, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one"])
        with monkeypatch.context() as patch:
            failed = asyncio.Event()

            def fail(_: str) -> None:
                failed.set()
                raise OverflowError("a bug")

            patch.setattr("registrar.manifests.folder.load_yaml_documents", fail)
            (folder / "b.yaml").write_text(entry("two"))
            await failed.wait()
        (folder / "c.yaml").write_text(entry("three"))
        await until(lambda: paths(embedded) == ["/one", "/three"])
        (folder / "b.yaml").write_text(entry("two", hint="h"))
        await until(lambda: paths(embedded) == ["/one", "/three", "/two"])


WRONG = {
    "a string for a list": entry("one").replace('["unix:uid:0"]', '"unix:uid:0"'),
    "a selector that is none": entry("one").replace('["unix:uid:0"]', '["nonsense"]'),
    "no YAML": "kind: [",
    "nothing, half-way through": "",
    "a kind that is misspelt": entry("one").replace("StaticEntry", "StaticEntri"),
    "a kind that is misspelt, of no group": entry("one")
    .replace("StaticEntry", "Entry")
    .replace("apiVersion: spire.spiffe.io/v1alpha1\n", ""),
    "a kind and its group that are misspelt": entry("one")
    .replace("StaticEntry", "Entry")
    .replace("spire.spiffe.io", "spiffe.io"),
    "a list, as kubectl writes it": json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": load_yaml_documents(entry("one"))}
    ),
    "a name that is none": entry("one", hint="[]").replace("name: one", "name: [one]"),
    "no object": "- one",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
async def test_what_is_wrong_in_a_file_keeps_its_entry_over_a_restart(
    embedded: Setup, folder: Path, text: str
) -> None:
    (folder / "a.yaml").write_text(entry("one", admin="true"))
    (folder / "b.yaml").write_text(entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])
        (folder / "a.yaml").write_text(text)
        (folder / "b.yaml").write_text(entry("two", hint="x"))
        await until(lambda: any(e.hint == "x" for e in embedded.all_entries()))
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
    async with running(embedded, folder):
        (folder / "b.yaml").write_text(entry("two", hint="y"))
        await until(lambda: any(e.hint == "y" for e in embedded.all_entries()))
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
        (folder / "a.yaml").write_text(entry("one", admin="true"))
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
        assert embedded.spire.calls["BatchDeleteEntry"] == 0
        (folder / "a.yaml").unlink()
        await until(lambda: paths(embedded) == ["/two"])


async def test_what_other_tools_have_in_the_folder_holds_nothing(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    (folder / "b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\n")
    (folder / "c.yaml").write_text("apiVersion: spiffeid.spiffe.io/v1beta1\nkind: SpiffeID\n")
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one"])
        (folder / "a.yaml").unlink()
        await until(lambda: paths(embedded) == [])


async def test_a_second_object_of_a_name_does_not_replace_the_first_that_breaks(
    embedded: Setup, folder: Path
) -> None:
    second = entry("one").replace("example.org/one", "example.org/second")
    (folder / "a.yaml").write_text(entry("one"))
    (folder / "b.yaml").write_text(second + "---\n" + entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])
        (folder / "a.yaml").write_text(WRONG["a string for a list"])
        (folder / "b.yaml").write_text(second + "---\n" + entry("two", hint="x"))
        await until(lambda: any(e.hint == "x" for e in embedded.all_entries()))
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
    async with running(embedded, folder):
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
        (folder / "a.yaml").unlink()
        await until(lambda: paths(embedded) == ["/second", "/two"])


@pytest.mark.story
async def test_a_typing_error_and_a_broken_file_keep_what_works(setup: Setup, folder: Path) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    (folder / "b.yaml").write_text(entry("two"))
    async with running(setup, folder):
        await until(lambda: paths(setup) == ["/one", "/two"])
        (folder / "a.yaml").write_text(WRONG["a string for a list"])
        (folder / "b.yaml").write_text("kind: [")
        (folder / "c.yaml").write_text(entry("three"))
        await until(lambda: paths(setup) == ["/one", "/three", "/two"])
    async with running(setup, folder):
        (folder / "d.yaml").write_text(entry("four"))
        await until(lambda: paths(setup) == ["/four", "/one", "/three", "/two"])
        (folder / "c.yaml").unlink()
        (folder / "a.yaml").write_text(entry("one"))
        (folder / "b.yaml").write_text(entry("two"))
        await until(lambda: paths(setup) == ["/four", "/one", "/two"])


async def test_a_file_that_moves_and_one_that_cannot_be_read_for_a_moment_lose_nothing(
    embedded: Setup, folder: Path
) -> None:
    (folder / "a.yaml").write_text(entry("one"))
    (folder / "b.yaml").write_text(entry("two"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/one", "/two"])
        (folder / "a.yaml").rename(folder / "z.yaml")
        await some_looks(embedded)
        (folder / "b.yaml").rename(folder.parent / "aside.yaml")
        (folder / "b.yaml").symlink_to("..data/b.yaml")
        await some_looks(embedded)
        os.rename(folder, folder.parent / "away")  # noqa: PTH104 - like the files
        await some_looks(embedded)
        os.rename(folder.parent / "away", folder)  # noqa: PTH104
        (folder / "b.yaml").unlink()
        (folder.parent / "aside.yaml").rename(folder / "b.yaml")
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
        assert embedded.spire.calls["BatchDeleteEntry"] == 0
        assert embedded.spire.writes["created"] == 2
    (folder / "b.yaml").rename(folder.parent / "aside.yaml")
    (folder / "b.yaml").symlink_to("..data/b.yaml")
    async with running(embedded, folder):
        await some_looks(embedded)
        assert paths(embedded) == ["/one", "/two"]
        (folder / "b.yaml").unlink()
        await until(lambda: paths(embedded) == ["/one"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('["unix:uid:0"]', '"unix:uid:0"'),
        ("spiffe://example.org/newer", "spiffe://other.test/newer"),
    ],
    ids=["undecodable", "invalid"],
)
async def test_an_object_renamed_and_broken_in_one_edit_keeps_its_entry(
    embedded: Setup, folder: Path, right: str, wrong: str
) -> None:
    file, kept = folder / "a.yaml", entry("stays") + "---\n"
    file.write_text(kept + entry("old"))
    async with running(embedded, folder):
        await until(lambda: paths(embedded) == ["/old", "/stays"])
        newer = entry("newer")
        assert right in newer
        file.write_text(kept + newer.replace(right, wrong))
        # An entry that is set after the edit shows that the edit was taken in.
        (folder / "b.yaml").write_text(entry("later"))
        await until(lambda: "/later" in paths(embedded))
        await some_looks(embedded)
        assert paths(embedded) == ["/later", "/old", "/stays"]
        file.write_text(kept + newer)
        await until(lambda: paths(embedded) == ["/later", "/newer", "/stays"])
