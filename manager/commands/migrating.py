"""What ``migrate`` does: read, write the folder, plan, and then there or back again."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from api.documents import dump_yaml
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey
from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.confirmation import EXIT_REFUSED, is_agreed
from manager.commands.migratepage import Pages
from manager.commands.peersettings import understood
from manager.migrate import kept
from manager.migrate.change import Change
from manager.migrate.definitions import as_ours, is_ours, objects_of, of_people
from manager.migrate.files import write_files, write_private
from manager.migrate.installation import (
    ConfigFile,
    Installation,
    Unclear,
    config_file,
    find,
    others,
)
from manager.migrate.kept import Kept
from manager.migrate.objects import CRD, POD, Objects
from manager.migrate.peers import PEERS
from manager.migrate.reading import at, key_of, number, text
from manager.migrate.steps import Step, perform
from manager.migrate.surroundings import look_around
from manager.migrate.survey import Survey
from manager.migrate.watch import Pods, Report, Watch, watching
from manager.migrate.wayback import WayBack
from manager.migrate.works import until_it_works
from manager.names import USER_AGENT
from manager.output import only_unexpected
from manager.preview.manifests import Manifests, read_manifests
from manager.preview.model import Outlook
from manager.preview.rehearsal import CannotPreview, rehearsed
from registrar.errors import flat
from registrar.kube.errors import KubeError
from registrar.kube.session import API, connect
from registrar.settings.model import Settings, UnixAddress
from registrar.spire.connection import open_connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import SpireError

EXIT_FAILED = 1
EXIT_MISSING = 4
_LISTING_SECONDS = 30.0


async def migrate(arguments: argparse.Namespace) -> int:
    """Run the command; gives the exit code. Raises InvalidField for the kubeconfig."""
    pages = Pages(arguments.output)
    code = EXIT_FAILED
    try:
        async with connect(
            arguments.kubeconfig, user_agent=USER_AGENT, context=arguments.context
        ) as session:
            code = await _Migration(arguments, session, pages).run()
    except Unclear as error:
        pages.refuse(str(error))
        code = EXIT_CONFIGURATION
    except (KubeError, OSError) as error:
        pages.refuse(str(error))
    pages.end(code)
    return code


class _Migration:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace, session: API, pages: Pages) -> None:
        self._arguments = arguments
        self._session = session
        self._pages = pages
        self._objects = Objects(session)
        self._folder: Path = arguments.output_dir

    async def run(self) -> int:
        """Read and show, then do what the flags say. Raises Unclear and KubeError."""
        record = await asyncio.to_thread(kept.read, self._folder)
        if record is not None and record.peer != self._arguments.peer:
            raise Unclear(f"{self._folder} is of a migration from {record.peer}: name another one")
        survey = await self._survey(record)
        image = self._arguments.image or f"{USER_AGENT}:TAG"
        files = await asyncio.to_thread(write_files, survey, image=image, folder=self._folder)
        self._pages.found(survey, self._folder, files)
        if self._arguments.undo:
            return await self._undo(survey, record)
        here = self._here(survey)
        if here is None:
            return EXIT_CONFIGURATION
        outlook = await self._plan(here, survey)
        if not self._arguments.apply:
            return 0
        return await self._apply(survey, here, record, outlook)

    async def _survey(self, record: Kept | None) -> Survey:
        arguments, peer = self._arguments, PEERS[self._arguments.peer]
        if record is not None and (arguments.undo or not record.is_undone):
            installation = Installation(peer, record.place, record.workload, record.container)
        else:
            installation = await find(
                self._objects,
                peer,
                namespace=arguments.namespace,
                workload=arguments.workload,
                container=arguments.container,
            )
        config = await self._config(installation)
        path = self._folder / config.name
        await asyncio.to_thread(write_private, path, config.text)
        known = await asyncio.to_thread(
            understood, path, installation.arguments, installation.environment
        )
        problems = list(known.problems)
        if known.tool and known.tool != peer.name:
            problems.append(f"{path}: this is the file of {known.tool}, not of {peer.name}")
        return Survey(
            installation=installation,
            config=config,
            given=arguments.config is not None,
            settings=None if problems else known.settings,
            tool=known.tool,
            problems=problems,
            warnings=known.warnings,
            surroundings=await look_around(self._objects, installation),
        )

    async def _config(self, installation: Installation) -> ConfigFile:
        """The peer's file, or the one that was given in its place."""
        given: Path | None = self._arguments.config
        if given is None:
            return await config_file(self._objects, installation)
        content = await asyncio.to_thread(given.read_text, encoding="utf-8")
        try:
            its = await config_file(self._objects, installation)
        except Unclear:
            return ConfigFile(str(given), content)
        return replace(its, text=content)

    def _here(self, survey: Survey) -> Settings | None:
        """The settings as they are used from here."""
        if survey.settings is None:
            return None
        arguments = self._arguments
        here = replace(
            survey.settings,
            kubeconfig=arguments.kubeconfig,
            context=arguments.context,
            log_path=None,
        )
        if arguments.server_socket_path is not None:
            here = replace(here, spire=UnixAddress(arguments.server_socket_path))
        return here

    async def _plan(self, here: Settings, survey: Survey) -> Outlook | None:
        """What our registrar would change; None where it cannot be told from here."""
        found: Outlook | None = None
        manifests = None
        if survey.changes_kinds:
            manifests = await self._written_anew()
        try:
            with only_unexpected():
                async with rehearsed(
                    here,
                    namespace=survey.installation.place.namespace,
                    manifests=manifests,
                    deadline_seconds=self._arguments.timeout,
                ) as preview:
                    found = preview.outlook
        except* CannotPreview as errors:
            self._pages.no_plan("; ".join(map(str, flat(errors))))
        if found is not None:
            self._pages.plan(found, limit=self._arguments.limit)
        return found

    async def _written_anew(self) -> Manifests | None:
        """The objects that people wrote, as ours: what the peer made for Pods goes with its kind.

        None once the kind is ours. Raises KubeError.
        """
        definition = await self._objects.get(CRD, ObjectKey("", CLUSTER_SPIFFE_ID.resource))
        if definition is None or is_ours(definition):
            return None
        found = await objects_of(self._objects, definition)
        path = self._folder / "identities" / "identities.yaml"
        written = [as_ours(each) for each in of_people(found)]
        await asyncio.to_thread(write_private, path, "---\n".join(map(dump_yaml, written)))
        if not written:
            return Manifests(path.parent)
        return await asyncio.to_thread(read_manifests, path.parent)

    async def _apply(
        self, survey: Survey, here: Settings, record: Kept | None, outlook: Outlook | None
    ) -> int:
        if outlook is not None and outlook.held_by:
            self._pages.refuse(f"nothing was changed: {outlook.held_by}")
            return EXIT_REFUSED
        if record is None or record.is_undone:
            record = _kept_of(survey)
            if not survey.installation.is_sidecar and not record.replicas:
                raise Unclear(
                    f"{record.place.workload} has 0 replicas, so it is not known how many ours is "
                    "to have: scale it to that number first"
                )
        if survey.changes_kinds:
            await self._check_alone(survey)
        sees_spire = not self._arguments.unwatched

        async def works() -> str:
            return await until_it_works(
                self._session,
                here,
                namespace=survey.installation.place.namespace,
                sees_spire=sees_spire,
                timeout_seconds=self._arguments.timeout,
            )

        change = Change(
            self._objects,
            survey,
            record,
            folder=self._folder,
            image=self._arguments.image,
            timeout_seconds=self._arguments.timeout,
            works=works,
        )
        return await self._do(change.steps(), here, record)

    async def _check_alone(self, survey: Survey) -> None:
        """Raises Unclear where the peer runs elsewhere too: its objects would go under it."""
        installation = survey.installation
        found = await others(self._objects, installation.peer, installation.place)
        if found:
            names = "; ".join(str(each.place) for each in found)
            raise Unclear(
                f"{installation.peer.name} runs elsewhere too, and its kinds have to be replaced "
                f"in the whole cluster: stop {names} first, by 0 replicas"
            )

    async def _undo(self, survey: Survey, record: Kept | None) -> int:
        if record is None:
            raise Unclear(
                f"{self._folder} keeps nothing to go back to: name the folder of --apply by "
                "--output-dir"
            )
        back = WayBack(
            self._objects,
            survey.installation,
            record,
            folder=self._folder,
            timeout_seconds=self._arguments.timeout,
        )
        here = self._here(survey)
        if here is None and not self._arguments.unwatched:
            raise Unclear("without a configuration that is right nothing is watched: --unwatched")
        return await self._do(back.steps(), here, record)

    async def _do(self, steps: Sequence[Step], here: Settings | None, record: Kept) -> int:
        """Do the steps, and watch the entries meanwhile; gives the exit code."""
        arguments = self._arguments
        self._pages.steps(steps)
        question = f"Do these {len(steps)} steps?"
        if not await asyncio.to_thread(is_agreed, question, is_given=arguments.yes):
            return EXIT_REFUSED
        await asyncio.to_thread(kept.write, self._folder, record)
        report: Report | None = None
        code = 0
        try:
            async with self._watched(here) as watch:
                with only_unexpected():
                    outcomes = await perform(
                        steps,
                        before=lambda number, step: self._pages.before(number, len(steps), step),
                        after=self._pages.after,
                    )
            if watch is not None:
                report = watch.report()
                if report.missing:
                    report = watch.report(await self._pods())
        except SpireError as error:
            self._pages.refuse(
                f"nothing was changed, for the entries cannot be watched: {error.message}: name "
                "the SPIRE server's socket by --server-socket-path, or do without by --unwatched"
            )
            return EXIT_FAILED
        if not all(outcome.is_done for outcome in outcomes):
            self._pages.stopped(arguments.peer, self._folder, is_undo=arguments.undo)
            code = EXIT_FAILED
        elif report is not None and report.moments:
            code = EXIT_MISSING
        elif report is not None and report.is_end_unknown:
            self._pages.refuse(
                "the SPIRE server did not answer in the end, so nobody knows whether an entry is "
                "missing"
            )
            code = EXIT_FAILED
        self._pages.watched(report)
        return code

    @asynccontextmanager
    async def _watched(self, here: Settings | None) -> AsyncIterator[Watch | None]:
        """Watch every entry until the block ends. Raises SpireError at first."""
        if here is None or self._arguments.unwatched:
            yield None
            return
        async with open_connection(here.spire, trust_domain=here.trust_domain) as connection:
            client = EntryClient(connection, timeout_seconds=_LISTING_SECONDS, gate=_never)
            async with watching(client) as watch:
                yield watch

    async def _pods(self) -> Pods:
        """The Pods that are there now. Raises KubeError."""
        pods = await self._objects.all(POD)
        return Pods(
            frozenset(text(at(pod, "metadata", "uid")) for pod in pods),
            frozenset((key_of(pod).namespace, key_of(pod).name) for pod in pods),
        )


def _kept_of(survey: Survey) -> Kept:
    installation, config = survey.installation, survey.config
    return Kept(
        peer=installation.peer.name,
        place=installation.place,
        workload=installation.workload,
        container=installation.container,
        replicas=number(at(installation.workload, "spec", "replicas"), 1),
        config_entry=config.entry,
        custom_kinds=survey.changes_kinds,
    )


def _never() -> bool:
    """Whether the watch may write."""
    return False
