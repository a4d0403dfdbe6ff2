"""One volume: what the agent says of its Pod goes into its files, as long as it is there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cryptography import x509

from registrar.backoff import Backoff
from registrar.csi.bundles import SharedBundles
from registrar.csi.credentials import BrokenSVID, Credentials, chosen, vetted
from registrar.csi.folder import GRACE_SECONDS, AtomicFolder
from registrar.csi.layout import carried_over, files_of, stores_of
from registrar.csi.names import certificate_file
from registrar.csi.threads import forgetful, in_thread
from registrar.csi.tokens import Tokens
from registrar.csi.volume import Volume
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import trust_domain_of
from registrar.spire.delegated import X509SVID, DelegatedIdentity, Update
from registrar.spire.gate import Problem
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

WAITING_FOR_ENTRY = "WaitingForEntry"
"""Reason of the Event on a Pod for which the agent has no SVID."""

_SILENT_SHARE = 0.75
"""An SVID that is so old, as a share of what was left of its life, should have been renewed."""

_SILENT_SECONDS = (1.0, 3600.0)
"""Bounds of how long a silent stream is believed."""

_WAITING_SECONDS = 60.0
"""How long it is where there is no SVID, or only one that has expired."""


class Mounts(Protocol):
    """What a delivery needs of the kernel; ``registrar.csi.mounts.LinuxMounts`` has it."""

    def is_ours(self, target: Path) -> bool:
        """Whether what one sees there is a tmpfs of ours."""
        ...

    def ensure_tmpfs(self, target: Path) -> None:
        """Exactly one tmpfs there."""
        ...


class Delivery:
    """Follows the agent and writes, while ``run`` runs.

    ``is_mounted``: the volume is there already, and is never mounted again. ``rotated``
    hears of each change of the files, so many seconds after the agent's message.
    """

    def __init__(
        self,
        volume: Volume,
        *,
        agent: DelegatedIdentity,
        bundles: SharedBundles,
        mounts: Mounts,
        node_name: str,
        is_mounted: bool,
        rotated: Callable[[float], None],
    ) -> None:
        self._volume = volume
        self._wish = volume.wish
        self._selectors: tuple[Selector, ...] = volume.pod.selectors(node_name)
        self._agent = agent
        self._bundles = bundles
        self._mounts = mounts
        self._folder = AtomicFolder(volume.path, volume.rights(self._wish))
        self._is_mounted = is_mounted
        self._device: int | None = None
        self._rotated = rotated
        self._dirty = asyncio.Event()
        self._silence: asyncio.Timeout | None = None
        self._tokens = Tokens(
            agent, self._selectors, self._wish.jwt, svids=self._svids, changed=self._change
        )
        self._heard_at: float | None = None
        self._offered: Update | None = None
        self._accepted: Update | None = None
        self._trouble: Problem | None = None
        self._away_since: float | None = None
        self._missing = ""
        self._failure = ""
        self.ready = asyncio.Event()
        """Set once the files are there."""
        self.expires_at: float | None = None
        """When the first SVID in the files expires, Unix seconds; None before there is one."""

    @property
    def reason(self) -> str:
        """What it waits for, in a word for an Event."""
        problem = self._problem()
        return problem.trouble.value if problem else WAITING_FOR_ENTRY

    def why_waiting(self) -> str:
        """What it waits for, in words for a person."""
        problem = self._problem()
        if self._failure or problem is not None:
            return self._failure or (problem.message if problem else "")
        if not self._svids():
            selectors = ", ".join(map(str, self._selectors))
            return self._missing or (
                f"the agent has no SVID for a workload with the selectors {selectors}: no entry "
                "has only these, or the agent has not heard of it yet"
            )
        if missing := self._tokens.missing():
            return f"the agent has not given a JWT-SVID yet for {', '.join(missing)}"
        return self.left_out() or "the agent has not sent the trust bundle yet"

    def abnormal(self, away_seconds: float) -> str:
        """What is wrong with the volume; empty for nothing.

        An agent may be away for ``away_seconds`` without being missed.
        """
        now = time.time()
        if self.expires_at is None:
            return f"no SVID yet: {self.why_waiting()}"
        if self.expires_at <= now:
            return f"the SVID has expired: {self.why_stale()}"
        if self._failure:
            return self._failure
        away = 0.0 if self._away_since is None else now - self._away_since
        if self._trouble is not None and away > away_seconds:
            return f"for {away:.0f} s: {self._trouble.message}"
        if why := self._tokens.why_stale(now):
            return f"the JWT-SVID is not renewed: {why}"
        return self._missing or self.left_out()

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

    def why_stale(self) -> str:
        """Why nothing newer has come."""
        problem = self._problem()
        if self._failure or self._missing:
            return self._failure or self._missing
        return "the agent has sent none since" if problem is None else problem.message

    def _problem(self) -> Problem | None:
        """What is wrong on the way to the agent: with SVIDs, bundles, tokens."""
        return self._trouble or self._bundles.problem or self._tokens.problem

    async def take_up(self) -> None:
        """After a restart: what is in the volume counts until there is something newer."""
        found = await in_thread(self._found_expiry)
        if found is not None:
            self.expires_at = found
            self.ready.set()

    def _found_expiry(self) -> float | None:
        """When the first SVID in the files expires; None without any. Blocks."""
        name = certificate_file(self._wish)
        try:
            leaf = x509.load_pem_x509_certificate((self._volume.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return leaf.not_valid_after_utc.timestamp()

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
                log.info("asking the agent anew", extra=self._kv("it has been silent for long"))

    def _rearm(self) -> None:
        """Believe the stream for as long as the SVIDs that it gave should not be renewed yet."""
        if self._silence is None or self._silence.expired():
            return
        least, most = _SILENT_SECONDS
        ends = min((svid.expires_at for svid in self._svids()), default=0.0)
        left, seconds = ends - time.time(), _WAITING_SECONDS
        if left > 0:
            seconds = min(max(least, left * _SILENT_SHARE), most)
        self._silence.reschedule(asyncio.get_running_loop().time() + seconds)

    # What is heard.

    def _svids(self) -> tuple[X509SVID, ...]:
        """The newest: those that are to be checked and written, else those in the files."""
        newest = self._offered or self._accepted
        return newest.svids if newest else ()

    def _take(self, update: Update) -> None:
        if not update.svids:
            # Nothing at first may mean not yet; after an SVID it means that the entry has gone.
            # The files stay: what they hold is valid until it expires.
            self._missing = "the agent has no SVID for it any more" if self._svids() else ""
            return
        found = chosen(update.svids, self._wish)
        if not found:
            known = ", ".join(f"{svid.spiffe_id} (hint {svid.hint!r})" for svid in update.svids)
            self._missing = f"none of the Pod's SVIDs is the one that is asked for: {known}"
            return
        self._missing = ""
        is_other = [s.spiffe_id for s in found] != [s.spiffe_id for s in self._svids()]
        self._offered = Update(found, update.federates_with)
        self._rearm()
        if is_other:
            self._tokens.wake()
        self._change()

    def _refuse(self, why: str) -> None:
        """What is in the files stays."""
        self._missing = why
        log.error("an SVID is not delivered", extra=self._kv(why=why))

    def _take_problem(self, problem: Problem | None) -> None:
        if problem is None:
            self._away_since = None
        elif self._trouble is None:
            self._away_since = time.time()
            log.warning("no news from the agent", extra=self._kv(why=problem.message))
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
                is_new = await in_thread(self._write, credentials)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said and tried again
                failure = f"the files cannot be written: {error}"
                if failure != self._failure:
                    self._failure = failure
                    log.warning("files cannot be written", extra=self._kv(str(error)))
                await in_thread(self._folder.sweep)
                await asyncio.sleep(backoff.next_seconds())
                self._change()
                continue
            backoff.reset()
            self._failure = ""
            self.expires_at = credentials.expires_at
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
        if why:
            self._refuse(why)
        if svids:
            self._accepted = Update(svids, offered.federates_with)
        self._rearm()
        return bool(svids)

    def _write(self, credentials: Credentials) -> bool:
        """Make the files those of the credentials; tells whether they were others. Blocks.

        Raises OSError.
        """
        self._see_to_the_mount()
        files = carried_over(
            files_of(credentials, self._wish), credentials, self._wish, self._folder.content
        )
        if self._folder.holds(files, but=stores_of(credentials, self._wish)):
            return False
        self._folder.write(files)
        return True

    def _see_to_the_mount(self) -> None:
        """Make the tmpfs, once; later see that it is still there. Raises OSError. Blocks."""
        path = self._volume.path
        if not self._is_mounted:
            self._mounts.ensure_tmpfs(path)
            self._is_mounted = True
        elif path.stat().st_dev == self._device and self._folder.shows_what_was_written():
            # The kernel's list of mounts is long on a full node: no look at it for each rotation.
            return
        elif not self._mounts.is_ours(path):
            # Never onto a disk below, nor into what somebody else has mounted there.
            raise FileNotFoundError(f"nothing of ours is mounted at {self._volume.target} any more")
        self._device = path.stat().st_dev

    async def _sweep(self) -> None:
        """Remove the version before, in a while or with the next one that comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._dirty.wait()
                return
        await in_thread(self._folder.sweep)

    def _kv(self, why: str) -> dict[str, object]:
        pod = self._volume.pod
        return kv(pod=f"{pod.namespace}/{pod.name}", volume=self._volume.id, why=why)
