"""What a person sees while something is under way."""

import io

from topology.progress import Progress
from topology.watch import Picture

PICTURE = Picture(2, 8, (("a", "waits for b"), ("c", "waits for a")), ())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_a_line_comes_only_when_something_changed() -> None:
    stream = io.StringIO()
    progress = Progress(300, stream)
    progress.show("nested", PICTURE)
    progress.show("nested", PICTURE)
    progress.say("done")
    shown = stream.getvalue().splitlines()
    assert shown == ["nested 2/8 ready · a: waits for b (and 1 more) · 0:00/5:00", "done"]


def test_on_a_terminal_one_line_lives() -> None:
    stream = Terminal()
    progress = Progress(None, stream)
    progress.show("nested", PICTURE)
    progress.show("nested", PICTURE)
    progress.say("done")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("\r\x1b[Kdone\n")
