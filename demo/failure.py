"""How the demo says that something is not as it should be."""


class DemoFailed(Exception):  # noqa: N818 - says what happened
    """The result is not what it should be."""
