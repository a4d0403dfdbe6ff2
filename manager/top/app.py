"""The live view in a terminal, by textual."""

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Static

from manager.top.frame import Frame
from manager.top.text import (
    CALLS,
    ENTRIES,
    LATENCY,
    LINES,
    QUEUES,
    Rows,
    call_rows,
    entry_rows,
    headline,
    latency_rows,
    line_rows,
    queue_rows,
)
from registrar.errors import printable

_TABLES = {
    "entries": ENTRIES,
    "latency": LATENCY,
    "calls": CALLS,
    "queues": QUEUES,
    "newest": ("NEWEST", *LINES[1:]),
    "failing": ("FAILING", *LINES[1:]),
}


class Top(App[None]):
    """Shows frame after frame. ``look`` gives the next one; nothing that it meets ends the view."""

    TITLE = "spire-registrar top"
    CSS = """
    #state { height: auto; padding: 0 1; background: $panel; }
    #state.gone { background: $error; color: $text; text-style: bold; }
    #figures { height: 2fr; }
    #lines { height: 3fr; }
    #figures > Vertical { width: 1fr; }
    DataTable { height: 1fr; }
    #latency { height: 4; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        ("p", "pause", "Pause"),
        ("r", "look", "Look now"),
    ]

    def __init__(self, look: Callable[[], Awaitable[Frame]], *, interval_seconds: float) -> None:
        super().__init__()
        self._look = look
        self._interval = interval_seconds
        self._is_paused = False
        self._is_looking = False
        self.shown: Frame | None = None
        """The last frame."""

    def compose(self) -> ComposeResult:
        """The widgets, from the top."""
        yield Static("looking", id="state", markup=False)
        with Horizontal(id="figures"):
            with Vertical():
                yield _table("entries")
                yield _table("latency")
            with Vertical():
                yield _table("calls")
                yield _table("queues")
        with Vertical(id="lines"):
            yield _table("failing")
            yield _table("newest")
            yield Static("", id="records", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and then again and again."""
        for name, columns in _TABLES.items():
            self._of(name).add_columns(*columns)
        self.set_interval(self._interval, self._next)
        self.action_look()

    def _next(self) -> None:
        if not self._is_paused:
            self.action_look()

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._is_paused = not self._is_paused
        self.sub_title = "paused" if self._is_paused else ""
        if self.shown is not None:
            self._show(self.shown)

    def action_look(self) -> None:
        """Look now, unless that is under way: keys are heard while nobody answers."""
        if not self._is_looking:
            self._is_looking = True
            self.run_worker(self._show_next())

    async def _show_next(self) -> None:
        try:
            self._show(await self._look())
        finally:
            self._is_looking = False

    def _show(self, frame: Frame) -> None:
        if not self.query("#state"):
            return  # The view has ended while somebody answered.
        self.shown = frame
        state = self.query_one("#state", Static)
        paused = " (paused: p goes on)" if self._is_paused else ""
        state.update(headline(frame) + paused)
        state.set_class(bool(frame.problem), "gone")
        if frame.scrape is not None:
            self._fill("entries", entry_rows(frame.scrape))
            self._fill("queues", queue_rows(frame.scrape))
            self._fill("latency", latency_rows(frame))
            self._fill("calls", call_rows(frame))
        self._fill("newest", line_rows(frame.records.newest))
        self._fill("failing", line_rows(frame.records.failing))
        why = frame.records.not_watched
        self.query_one("#records", Static).update(printable(f"SpireEntries: {why}") if why else "")

    def _fill(self, name: str, rows: Rows) -> None:
        table = self._of(name)
        at = table.cursor_row
        table.clear()
        for row in rows:
            # As text: what somebody wrote must not be taken for markup.
            table.add_row(*(Text(printable(cell)) for cell in row))
        if rows:
            table.move_cursor(row=min(at, len(rows) - 1))

    def _of(self, name: str) -> DataTable[Text]:
        return self.query_one(f"#{name}", DataTable)


def _table(name: str) -> DataTable[Text]:
    return DataTable(id=name, cursor_type="row", zebra_stripes=True)
