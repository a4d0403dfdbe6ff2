"""One volume: what the agent says of its Pod goes into its files, as long as it is there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from registrar.backoff import Backoff
from registrar.csi.ailments import (
    FILES_NOT_WRITTEN,
    SVID_GONE,
    SVID_REFUSED,
    WAITING_FOR_ENTRY,
    Ailment,
    Standing,
    ailment_of,
)
from registrar.csi.bundles import SharedBundles
from registrar.csi.credentials import BrokenSVID, Credentials, chosen, vetted
from registrar.csi.folder import GRACE_SECONDS
from registrar.csi.threads import forgetful, in_thread
from registrar.csi.tokens import Tokens
from registrar.csi.volume import Volume
from registrar.csi.volumefiles import Mounts, VolumeFiles
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import trust_domain_of
from registrar.spire.delegated import X509SVID, DelegatedIdentity, Update
from registrar.spire.gate import Problem, Trouble
from registrar.telemetry.logging import kv
from registrar.telemetry.troubles import Troubles, Words

log = logging.getLogger(__name__)

_NEWS = Words(
    begun="no news from the agent", over="no trouble with the agent any more", counted="volumes"
)
_TOKEN_NEWS = Words(
    begun="no JWT-SVIDs from the agent", over="all JWT-SVIDs are there again", counted="files"
)

_SILENT_SHARE = 0.75
"""An SVID that is so old, as a share of what was left of its life, should have been renewed."""

_SILENT_SECONDS = (1.0, 3600.0)
"""Bounds of how long a silent stream is believed."""

_WAITING_SECONDS = 60.0
"""How long it is where there is no SVID, or only one that has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What the deliveries of one node share.

    ``rotated`` hears of each change of files, so many seconds after the agent's message;
    ``news`` and ``token_news`` of those to whom the agent gives none.
    """

    agent: DelegatedIdentity
    bundles: SharedBundles
    mounts: Mounts
    node_name: str
    rotated: Callable[[float], None]
    news: Troubles
    token_news: Troubles


def supplies_of(
    agent: DelegatedIdentity, mounts: Mounts, node_name: str, rotated: Callable[[float], None]
) -> Supplies:
    """Those of a node; its ``bundles.run`` is the caller's to run."""
    news = Troubles(_NEWS, log)
    return Supplies(
        agent=agent,
        bundles=SharedBundles(agent, news=news),
        mounts=mounts,
        node_name=node_name,
        rotated=rotated,
        news=news,
        token_news=Troubles(_TOKEN_NEWS, log),
    )


class Delivery:
    """Follows the agent and writes, while ``run`` runs.

    ``is_mounted``: the volume is there already, and is never mounted again.
    """

    def __init__(self, volume: Volume, supplies: Supplies, *, is_mounted: bool) -> None:
        self._volume = volume
        self._wish = volume.wish
        self._selectors: tuple[Selector, ...] = volume.pod.selectors(supplies.node_name)
        self._agent = supplies.agent
        self._bundles = supplies.bundles
        self._news = supplies.news
        self._files = VolumeFiles(volume, supplies.mounts, is_mounted=is_mounted)
        self._rotated = supplies.rotated
        self._dirty = asyncio.Event()
        self._silence: asyncio.Timeout | None = None
        self._tokens = Tokens(
            supplies.agent,
            self._selectors,
            self._wish.jwt,
            svids=self._svids,
            changed=self._change,
            news=supplies.token_news,
            volume_id=volume.id,
        )
        self._is_answered = False
        self._heard_at: float | None = None
        self._offered: Update | None = None
        self._accepted: Update | None = None
        self._trouble: Problem | None = None
        self._away_since: float | None = None
        self._missing: Ailment | None = None
        self._refused = ""
        self._failure = ""
        self.ready = asyncio.Event()
        """Set once the files are there."""

    @property
    def expires_at(self) -> float | None:
        """When the first SVID in the files expires, Unix seconds; None before there is one."""
        return self._files.expires_at

    def waiting(self) -> Ailment:
        """What it waits for: for its first SVID, or for a newer one."""
        if self._failure:
            return Ailment(FILES_NOT_WRITTEN, self._failure)
        # What is wrong on the way to the agent: with SVIDs, bundles, tokens.
        problem = self._trouble or self._bundles.problem or self._tokens.problem
        if problem is not None:
            return Ailment(problem.trouble.value, problem.message)
        if missing := self._lacks():
            return missing
        if self.expires_at is not None:
            return Ailment(WAITING_FOR_ENTRY, "the agent has sent none since")
        if not self._svids():
            return self._waiting_for_svid()
        if files := self._tokens.missing():
            why = f"the agent has not given a JWT-SVID yet for {', '.join(files)}"
        else:
            why = self.left_out() or "the agent has not sent the trust bundle yet"
        return Ailment(WAITING_FOR_ENTRY, why)

    def _waiting_for_svid(self) -> Ailment:
        selectors = ", ".join(map(str, self._selectors))
        if not self._is_answered:
            return Ailment(
                Trouble.SILENT.value,
                f"the agent has not answered yet for the selectors {selectors}: an agent that has "
                "an entry for them may wait for its SPIRE server to sign the SVID",
            )
        return Ailment(
            WAITING_FOR_ENTRY,
            f"the agent has no SVID for a workload with the selectors {selectors}: no entry has "
            "only these, or its parent is another agent, or it is an admin or downstream entry, "
            "or the agent has not heard of it yet, which takes up to 10 s; the Pod starts by "
            "itself soon after it has",
        )

    def ailment(self, patience_seconds: float) -> Ailment | None:
        """What is wrong with the volume; None for nothing.

        An agent may be away for ``patience_seconds`` without being missed.
        """
        now = time.time()
        standing = Standing(
            waiting=self.waiting(),
            expires_at=self.expires_at,
            life_seconds=self._files.life_seconds,
            failure=self._failure,
            problem=self._trouble,
            away_seconds=0.0 if self._away_since is None else now - self._away_since,
            stale_tokens=self._tokens.why_stale(now),
            missing=self._lacks(),
            left_out=self.left_out(),
        )
        return ailment_of(standing, now, patience_seconds)

    def left_out(self) -> str:
        """Which trust domains' bundles it lacks, or has only as they were, and why."""
        newest = self._offered or self._accepted
        if newest is None:
            return ""
        domains = {*newest.federates_with, *(trust_domain_of(s.spiffe_id) for s in newest.svids)}
        broken = self._bundles.broken(jwt=bool(self._wish.jwt_bundles))
        return "; ".join(
            f"the bundle of {name} from the agent cannot be read: {broken[name]}"
            for name in sorted(domains & broken.keys())
        )

    def _lacks(self) -> Ailment | None:
        """What the agent gives that this volume cannot use, or gives no more."""
        return self._missing or (Ailment(SVID_REFUSED, self._refused) if self._refused else None)

    async def take_up(self) -> None:
        """After a restart: what is in the volume counts until there is something newer."""
        await in_thread(self._files.take_up)
        if self.expires_at is not None:
            self.ready.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._bundles.listen(self._change, jwt=bool(self._wish.jwt_bundles))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(forgetful(self._follow()))
                tasks.create_task(forgetful(self._write_changes()))
                tasks.create_task(forgetful(self._tokens.run()))
        finally:
            self._bundles.forget(self._change)
            self._news.is_rid(self._volume.id)
            # Somebody may still hold this object; nobody needs its keys and tokens any more.
            self._silence = self._offered = self._accepted = None

    async def _follow(self) -> None:
        """Follow the agent; on a new stream when the old one should have said something."""
        while True:
            try:
                async with asyncio.timeout(None) as self._silence:
                    self._rearm()
                    await self._agent.follow_svids(self._selectors, self._take, self._take_problem)
            except TimeoutError:
                # A Pod without an entry may wait for days, and what has expired is told elsewhere.
                is_news = self._trouble is None and self._left_seconds() > 0
                level = logging.INFO if is_news else logging.DEBUG
                words = self._kv("it has been silent for long")
                log.log(level, "asking the agent anew", extra=words)

    def _rearm(self) -> None:
        """Believe the stream for as long as the SVIDs that it gave should not be renewed yet."""
        if self._silence is None or self._silence.expired():
            return
        least, most = _SILENT_SECONDS
        left, seconds = self._left_seconds(), _WAITING_SECONDS
        if left > 0:
            seconds = min(max(least, left * _SILENT_SHARE), most)
        self._silence.reschedule(asyncio.get_running_loop().time() + seconds)

    def _left_seconds(self) -> float:
        """What is left of the newest SVIDs' life; not positive without any."""
        return min((svid.expires_at for svid in self._svids()), default=0.0) - time.time()

    # What is heard.

    def _svids(self) -> tuple[X509SVID, ...]:
        """The newest: those that are to be checked and written, else those in the files."""
        newest = self._offered or self._accepted
        return newest.svids if newest else ()

    def _take(self, update: Update) -> None:
        self._is_answered = True
        if not update.svids:
            # Nothing at first may mean not yet; after an SVID it means that the entry has gone.
            # The files stay: what they hold is valid until it expires.
            if self.expires_at is not None or self._svids():
                self._missing = Ailment(SVID_GONE, "the agent has no SVID for it any more")
            return
        found = chosen(update.svids, self._wish)
        if not found:
            known = ", ".join(f"{svid.spiffe_id} (hint {svid.hint!r})" for svid in update.svids)
            why = f"none of the Pod's SVIDs is the one that is asked for: {known}"
            self._missing = Ailment(WAITING_FOR_ENTRY, why)
            return
        self._missing = None
        is_other = [s.spiffe_id for s in found] != [s.spiffe_id for s in self._svids()]
        self._offered = Update(found, update.federates_with)
        self._rearm()
        if is_other:
            self._tokens.wake()
        self._change()

    def _refuse(self, why: str) -> None:
        """What is in the files stays; said once for each reason, and when it is over."""
        if why and why != self._refused:
            log.error("an SVID is not delivered", extra=self._kv(why))
        if self._refused and not why:
            log.info("an SVID is delivered again", extra=self._kv("it can be used now"))
        self._refused = why

    def _take_problem(self, problem: Problem | None) -> None:
        if problem is None:
            self._away_since = None
            self._news.is_rid(self._volume.id)
            self._rearm()
        else:
            if self._trouble is None:
                self._away_since = time.time()
            if self._silence is not None and not self._silence.expired():
                # There is no stream now that could be silent; another one is being tried for.
                self._silence.reschedule(None)
            self._news.has(self._volume.id, problem.trouble.value, problem.message)
        self._trouble = problem

    def _change(self) -> None:
        if self._heard_at is None:
            self._heard_at = asyncio.get_running_loop().time()
        self._dirty.set()

    # What is written.

    def _credentials(self) -> Credentials | None:
        """What the volume is to hold; None while some of it is missing.

        Once there are files, only SVIDs and bundles can hold them up.
        """
        known, newest = self._bundles.x509, self._offered or self._accepted
        if newest is None or known is None:
            return None
        own = trust_domain_of(newest.svids[0].spiffe_id)
        domains = {own, *newest.federates_with}
        jwt = (self._bundles.jwt or {}) if self._wish.jwt_bundles else {}
        if not known.get(own):
            return None
        has_jwt = not self._tokens.missing() and (not self._wish.jwt_bundles or own in jwt)
        if not has_jwt and not self.ready.is_set():
            return None
        return Credentials(
            svids=newest.svids,
            bundles={name: known[name] for name in domains if known.get(name)},
            tokens=self._tokens.current,
            jwt_bundles={name: jwt[name] for name in domains if name in jwt},
        )

    async def _write_changes(self) -> None:
        backoff = Backoff(0.1, 10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            heard_at, self._heard_at = self._heard_at, None
            if not await self._vet():
                # Bundles and tokens may be new all the same.
                self._change()
                continue
            credentials = self._credentials()
            if credentials is None:
                continue
            try:
                is_new = await in_thread(self._files.write, credentials)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said and tried again
                failure = f"the files cannot be written: {error}"
                if failure != self._failure:
                    self._failure = failure
                    log.warning("files cannot be written", extra=self._kv(str(error)))
                await in_thread(self._files.sweep)
                await asyncio.sleep(backoff.next_seconds())
                self._change()
                continue
            backoff.reset()
            if self._failure:
                self._failure = ""
                log.info("files can be written again", extra=self._kv("it was tried again"))
            self.ready.set()
            if is_new:
                now = asyncio.get_running_loop().time()
                self._rotated(now - (now if heard_at is None else heard_at))
            await self._sweep()

    async def _vet(self) -> bool:
        """Accept what is offered, but for what is broken; tells whether there was anything else."""
        offered, before = self._offered, self._accepted.svids if self._accepted else ()
        if offered is None:
            return True
        try:
            # Not on the event loop: an RSA key takes its time.
            svids, why = await in_thread(vetted, offered.svids, before, time.time())
        except BrokenSVID as error:
            svids, why = (), str(error)
        if self._offered is offered:
            self._offered = None
        self._refuse(why)
        if svids:
            self._accepted = Update(svids, offered.federates_with)
        self._rearm()
        return bool(svids)

    async def _sweep(self) -> None:
        """Remove the version before, in a while or with the next one that comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._dirty.wait()
                return
        await in_thread(self._files.sweep)

    def _kv(self, why: str) -> dict[str, object]:
        pod = self._volume.pod
        return kv(pod=f"{pod.namespace}/{pod.name}", volume=self._volume.id, why=why)
