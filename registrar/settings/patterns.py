"""Regular expressions that a person configures and that meet texts of anybody.

They are RE2's, the syntax and the engine of Go: a search takes linear time, whatever pattern and
text are. Python's own engine backtracks, and holds up the event loop while it does.
"""

from collections.abc import Callable

import re2

Search = Callable[[str], bool]
"""Whether the pattern is found anywhere in a text."""


def compile_search(pattern: str) -> Search:
    """Compile a pattern. Raises ValueError, saying why, for one that is no regular expression."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        (why,) = error.args or ("",)
        text = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        raise ValueError(text) from error
    return lambda text: compiled.search(text) is not None
