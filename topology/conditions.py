"""What an init container can wait for: an entry of a ConfigMap, an identity, an open port."""

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from api.core import ConfigMap
from api.kinds import CONFIG_MAP
from api.meta import ObjectKey
from registrar.backoff import Backoff
from registrar.errors import InvalidField
from registrar.kube.reflector import Change, Reflector
from registrar.kube.session import Session
from registrar.kube.store import Store
from topology.workloadapi import Unanswered, WorkloadAPI

_LOOK_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 2.0
_CONNECT_SECONDS = 5.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_ENTRY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MOST_PORT = 65535


def parse_configmap(text: str, *, path: str) -> tuple[ObjectKey, str]:
    """Read ``namespace/name:entry``. Raises InvalidField."""
    place, _, entry = text.partition(":")
    key = _key(place)
    if key is None or not _ENTRY.fullmatch(entry):
        raise InvalidField(path, text, "write NAMESPACE/NAME:KEY, as in spire/bundle:bundle.pem")
    return key, entry


def parse_object(text: str, *, path: str) -> ObjectKey:
    """Read ``namespace/name``. Raises InvalidField."""
    key = _key(text)
    if key is None:
        raise InvalidField(path, text, "write NAMESPACE/NAME, as in spire/upstream-authority")
    return key


def _key(text: str) -> ObjectKey | None:
    namespace, _, name = text.partition("/")
    is_good = _NAME.fullmatch(namespace) and _NAME.fullmatch(name)
    return ObjectKey(namespace, name) if is_good else None


def parse_address(text: str, *, path: str) -> tuple[str, int]:
    """Read ``host:port``; an IPv6 address stands in brackets. Raises InvalidField."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    is_ipv6 = host != bare
    if not bare or (":" in bare) != is_ipv6 or not (port.isascii() and port.isdigit()):
        raise InvalidField(path, text, "write HOST:PORT, as in server.spire.svc:8081")
    if not 0 < int(port[:6]) <= _MOST_PORT:
        raise InvalidField(path, text, f"a port is a number from 1 to {_MOST_PORT}")
    return bare, int(port)


class Published:
    """An entry of a ConfigMap, which is written to a file if one is named."""

    def __init__(self, session: Session, key: ObjectKey, entry: str, write: Path | None) -> None:
        self._session = session
        self._key = key
        self._entry = entry
        self._write = write

    @property
    def what(self) -> str:
        """The entry and its ConfigMap."""
        return f"{self._entry} in the ConfigMap {self._key}"

    async def met(self, because: Callable[[str], None]) -> None:
        """Watch the one ConfigMap until the entry is there. Raises InvalidField: not writable."""
        store: Store[ConfigMap] = Store()
        changed = asyncio.Event()

        def look(_: Change[ConfigMap]) -> None:
            changed.set()

        reflector = Reflector(
            session=self._session,
            kind=CONFIG_MAP,
            store=store,
            on_change=look,
            field_selector=f"metadata.name={self._key.name}",
            namespace=self._key.namespace,
        )
        async with asyncio.TaskGroup() as group:
            following = group.create_task(reflector.run())
            while not (text := self._text(store)):
                because(self._why(reflector, store))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await changed.wait()
                changed.clear()
            following.cancel()
        if self._write is not None:
            await asyncio.to_thread(_replace, self._write, text)

    def _text(self, store: Store[ConfigMap]) -> str:
        found = store.get(self._key)
        return "" if found is None else found.data.get(self._entry, "")

    def _why(self, reflector: Reflector[ConfigMap], store: Store[ConfigMap]) -> str:
        if reflector.last_error:
            return reflector.last_error
        if not store.synced.is_set():
            return "the API server has not answered yet"
        if store.get(self._key) is None:
            return "there is no such ConfigMap yet"
        return "the ConfigMap has no such entry yet"


class Given:
    """An identity from the Workload API."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._agent = WorkloadAPI(str(socket))

    @property
    def what(self) -> str:
        """The identity, and who gives it."""
        return f"an identity from the agent at {self._socket}"

    async def met(self, because: Callable[[str], None]) -> None:
        """Ask until the agent gives an SVID."""
        backoff = Backoff(0.2, _LONGEST_PAUSE_SECONDS)
        while True:
            if not await asyncio.to_thread(self._socket.exists):
                because("there is no such socket yet")
            else:
                try:
                    await self._agent.x509()
                except Unanswered as error:
                    because(str(error))
                else:
                    return
            await asyncio.sleep(backoff.next_seconds())


class Open:
    """A TCP port that somebody listens at."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    @property
    def what(self) -> str:
        """The address."""
        return f"an answer from {self._host}:{self._port}"

    async def met(self, because: Callable[[str], None]) -> None:
        """Connect until somebody accepts."""
        backoff = Backoff(0.2, _LONGEST_PAUSE_SECONDS)
        while True:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    _, writer = await asyncio.open_connection(self._host, self._port)
            except TimeoutError:
                because("no answer in time")
            except OSError as error:
                because(_words(error))
            else:
                writer.close()
                return
            await asyncio.sleep(backoff.next_seconds())


def _words(error: OSError) -> str:
    # asyncio puts the address, and of some errors nothing else, in the place of the words.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _replace(path: Path, text: str) -> None:
    """Have the text in the file, all at once, for everybody to read. Raises InvalidField."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        os.replace(file.name, path)  # noqa: PTH105 - the names are two strings
    except OSError as error:
        raise InvalidField(
            "--write",
            str(path),
            f"{error.strerror}: name a file in a folder that this user may write to",
        ) from error
