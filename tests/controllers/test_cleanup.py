"""What a registrar left is taken away, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import pytest

from api.codec import JSONObject
from api.kinds import LEASE
from api.meta import ObjectKey
from devcluster.client import NotFound
from manager import cli
from manager.cleanup import look, remove, whose_prefix
from manager.commands.cleanup import address_of, clean
from manager.commands.configuration import settings_of
from manager.names import OWNERS_NAMESPACE
from registrar.claims.ownership import owner_lease
from registrar.kube.client import KubeClient
from registrar.kube.errors import Conflict
from registrar.kube.session import connect
from registrar.settings.model import TCPAddress, UnixAddress
from registrar.spire.connection import open_connection
from registrar.spire.entries import EntryClient
from tests.support.peers import an_entry
from tests.support.setup import Setup, eventually, until

pytestmark = pytest.mark.may_block

PREFIX = "one"
FILE = """\
cluster = "test"
trust_domain = "example.org"
server_socket_path = "{socket}"
entry_id_prefix = "one"
"""
FOREIGN = {
    "by-hand",
    # Of a registrar whose prefix begins with ours, and of one that ends with it.
    "one.two.web.abcdefghijklmnopqrstuvwxyz",
    "another-one.web.abcdefghijklmnopqrstuvwxyz",
    "one.no-name",
    "adopted",
}


class Cleanup(Protocol):
    """The command, by the prefix or by the configuration."""

    def __call__(self, *flags: str, by_file: bool = False) -> Awaitable[int]:
        """Run it; gives the exit code."""
        ...


@pytest.fixture
def cleanup(embedded: Setup, tmp_path: Path) -> Cleanup:
    """The command, with the servers' flags."""
    address = embedded.settings.spire
    assert isinstance(address, UnixAddress)
    file = tmp_path / "spire-k8s-registrar.conf"
    file.write_text(FILE.format(socket=address.path))

    async def run(*flags: str, by_file: bool = False) -> int:
        whose = ["--config", str(file)] if by_file else ["--prefix", PREFIX]
        words = ["cleanup", *whose, "--kubeconfig", str(embedded.settings.kubeconfig)]
        words += ["--server-socket-path", str(address.path), *flags]
        return await clean(cli.parser().parse_args(words))

    return run


async def left(setup: Setup) -> set[str]:
    """A registrar that made two entries and adopted one, and runs no more; gives its own IDs."""
    adopted = an_entry("adopted", "/old", "/spire-k8s-operator/test/node", "k8s:pod-label:app:old")
    setup.spire.state.put(adopted)
    for number, id_ in enumerate(FOREIGN - {"adopted"}):
        setup.spire.state.put(an_entry(id_, f"/{number}", "/agent", "unix:uid:0"))
    async with setup.registrar(entry_id_prefix=PREFIX):
        await setup.apply("web")
        await setup.apply("old")
        await until(lambda: len(own(setup)) == 2)

        async def are_recorded() -> bool:
            return len(await setup.spire_entries()) == 2

        await eventually(are_recorded)
    return own(setup)


def own(setup: Setup) -> set[str]:
    return {entry.id for entry in setup.all_entries()} - FOREIGN


async def lease(setup: Setup) -> dict[str, object] | None:
    key = ObjectKey(OWNERS_NAMESPACE, owner_lease(PREFIX))
    try:
        return dict(await setup.client.get(LEASE.object_path(key)))
    except NotFound:
        return None


@pytest.mark.parametrize("by_file", [False, True], ids=["prefix", "configuration"])
async def test_its_own_entries_go_and_no_others(
    embedded: Setup, cleanup: Cleanup, capsys: pytest.CaptureFixture[str], *, by_file: bool
) -> None:
    assert len(await left(embedded)) == 2
    assert await cleanup("--yes", by_file=by_file) == 0
    assert {entry.id for entry in embedded.all_entries()} == FOREIGN
    out = capsys.readouterr().out
    assert "To delete: 2 entries." in out
    assert "Never touched: 5 entries of others." in out
    assert "Deleted 2 entries." in out
    assert await lease(embedded) is not None
    # A second time there is nothing to do.
    assert await cleanup("--yes", by_file=by_file) == 0


async def test_its_records_and_leases_go_too_if_asked(embedded: Setup, cleanup: Cleanup) -> None:
    await left(embedded)
    assert await cleanup("--yes", "--records", by_file=True) == 0
    assert {entry.id for entry in embedded.all_entries()} == FOREIGN
    assert await embedded.spire_entries() == []
    assert await lease(embedded) is None


@asynccontextmanager
async def servers(setup: Setup) -> AsyncIterator[tuple[EntryClient, KubeClient]]:
    """Clients of both, as the command has them."""
    settings = setup.settings
    async with (
        open_connection(settings.spire, trust_domain=settings.trust_domain) as connection,
        connect(settings.kubeconfig, user_agent="test") as session,
    ):
        yield EntryClient(connection), KubeClient(session)


async def test_a_lease_that_was_made_anew_meanwhile_stays(embedded: Setup) -> None:
    whose = whose_prefix(PREFIX)
    await left(embedded)
    async with servers(embedded) as (spire, kube):
        remains = await look(whose, spire, kube, with_records=True)
        await embedded.client.delete(LEASE.object_path(whose.owner))
        await embedded.client.create(
            LEASE.path(whose.owner.namespace),
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": whose.owner.name},
            },
        )
        with pytest.raises(Conflict):
            await remove(whose, remains, spire, kube, is_forced=True)
    assert await lease(embedded) is not None


@pytest.mark.parametrize("is_forced", [False, True], ids=["asked", "forced"])
async def test_a_lease_that_was_taken_meanwhile_goes_only_if_forced(
    embedded: Setup, *, is_forced: bool
) -> None:
    """A registrar that comes patches the one that there is, which keeps its uid."""
    whose = whose_prefix(PREFIX)
    await left(embedded)
    async with servers(embedded) as (spire, kube):
        remains = await look(whose, spire, kube, with_records=True)
        # It is not held, as between the last question for a holder and the deletion.
        annotated: JSONObject = {"metadata": {"annotations": {"test": "taken"}}}
        await embedded.client.merge(LEASE.object_path(whose.owner), annotated)
        with nullcontext() if is_forced else pytest.raises(Conflict):
            await remove(whose, remains, spire, kube, is_forced=is_forced)
    assert (await lease(embedded) is None) == is_forced


async def test_without_a_word_nothing_goes(
    embedded: Setup, cleanup: Cleanup, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = await left(embedded)
    assert await cleanup() == 3
    assert "agree by --yes" in capsys.readouterr().err
    assert await cleanup("--dry-run", "-o", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert {entry["id"] for entry in document["entries"]} == ids
    assert (document["foreignEntries"], document["adoptedEntries"]) == (5, 0)
    assert await cleanup("--dry-run", "-o", "json", by_file=True) == 0
    assert json.loads(capsys.readouterr().out)["adoptedEntries"] == 1
    assert own(embedded) == ids


async def test_while_a_registrar_runs_nothing_goes_without_force(
    embedded: Setup, cleanup: Cleanup, capsys: pytest.CaptureFixture[str]
) -> None:
    async with embedded.registrar(entry_id_prefix=PREFIX):
        await embedded.apply("web")
        await until(lambda: len(own(embedded)) == 2)
        ids = own(embedded)
        assert await cleanup("--yes") == 3
        assert "a registrar runs with the prefix 'one': layered mode" in capsys.readouterr().err
        assert own(embedded) == ids
        assert await cleanup("--yes", "--force") == 0
        # It makes them anew.
        await until(lambda: own(embedded) == ids)


async def test_nobody_is_believed_to_be_gone_whose_lease_cannot_be_read(
    embedded: Setup, cleanup: Cleanup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = await left(embedded)
    nowhere = tmp_path / "nowhere"
    assert embedded.settings.kubeconfig is not None
    text = embedded.settings.kubeconfig.read_text().replace(embedded.url, "http://127.0.0.1:9")
    nowhere.write_text(text)
    assert await cleanup("--yes", "--kubeconfig", str(nowhere)) == 1
    assert own(embedded) == ids
    assert "127.0.0.1" in capsys.readouterr().err


async def test_what_is_wrong_is_said_first(
    cleanup: Cleanup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cleanup", "--prefix", "a.", "--server-socket-path", str(tmp_path)]
    assert await asyncio.to_thread(cli.main, words) == 2
    assert "--prefix: 'a.'" in capsys.readouterr().err
    for wrong in (["--prefix", "a"], [], ["--prefix", "a", "--config", "b", *words[3:]]):
        with pytest.raises(SystemExit):
            cli.main(["cleanup", *wrong])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["cleanup", "--help"])
    # A default would be one that the command refuses.
    assert "default: spire-k8s-registrar.conf" not in " ".join(capsys.readouterr().out.split())
    assert await cleanup("--server-socket-path", str(tmp_path / "nowhere"), "--yes") == 1
    assert "the SPIRE server:" in capsys.readouterr().err


async def test_the_flags_of_the_registrar_count_beside_its_file(
    embedded: Setup, cleanup: Cleanup, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(await left(embedded)) == 2
    assert await cleanup("--entry-id-prefix", "none", "--dry-run", by_file=True) == 0
    assert "To delete: 0 entries." in capsys.readouterr().out
    assert await cleanup("--trust-domain", "", "--dry-run", by_file=True) == 2
    assert "--trust-domain: missing" in capsys.readouterr().err


async def test_a_socket_that_is_typed_is_the_servers_own_whatever_the_file_says(
    embedded: Setup, cleanup: Cleanup, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file's address, and the socket of its agent, are those of where the registrar ran."""
    assert len(await left(embedded)) == 2
    file = tmp_path / "spire-k8s-registrar.conf"
    file.write_text(file.read_text() + 'server_address = "127.0.0.1:9"\n')
    assert await cleanup("--yes", by_file=True) == 0
    assert "Deleted 2 entries." in capsys.readouterr().out
    assert not own(embedded)


@pytest.mark.parametrize(
    ("flags", "address"),
    [
        (["--server-socket-path", "/here"], UnixAddress(Path("/here"))),
        (["--server-socket-path", "unix:///here"], UnixAddress(Path("/here"))),
        (
            ["--server-socket-path", "/here", "--server-address", "spire:1"],
            TCPAddress("spire", 1, Path("/here")),
        ),
        (["--server-address", "spire:1"], TCPAddress("spire", 1, Path("/agent"))),
        ([], TCPAddress("spire", 8081, Path("/agent"))),
    ],
    ids=["socket", "url", "both", "address", "neither"],
)
def test_a_typed_socket_is_the_workload_apis_only_beside_a_typed_address(
    tmp_path: Path, flags: list[str], address: UnixAddress | TCPAddress
) -> None:
    file = tmp_path / "spire-k8s-registrar.conf"
    file.write_text(FILE.format(socket="/agent") + 'server_address = "spire:8081"\n')
    arguments = cli.parser().parse_args(["cleanup", "--config", str(file), *flags])
    assert address_of(arguments, settings_of(arguments)) == address


async def test_without_a_lease_nobody_can_tell_whether_one_runs(
    embedded: Setup, cleanup: Cleanup, capsys: pytest.CaptureFixture[str]
) -> None:
    """A registrar of another cluster, or in static mode, has none here."""
    mine = await left(embedded)
    await embedded.client.delete(
        LEASE.object_path(ObjectKey(OWNERS_NAMESPACE, owner_lease(PREFIX)))
    )
    assert await cleanup("--yes") == 3
    assert "nobody can tell whether one runs" in capsys.readouterr().err
    assert own(embedded) == mine
    assert await cleanup("--yes", "--force") == 0
    assert not own(embedded)
