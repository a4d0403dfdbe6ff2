"""Which objects of the controller manager's kinds an instance handles, by their class."""

from collections.abc import Callable


def by_class(own: str, *, watch_classless: bool) -> Callable[[str], bool]:
    """Whether an object of some class is ours: it has our class, or none and those are watched.

    Without a class of our own, only objects without one are. The original's
    code decides it so, though a comment in its configuration type says that
    all are then; another controller's objects are never ours.
    """

    def is_handled(class_name: str) -> bool:
        return class_name == own or (not class_name and watch_classless)

    return is_handled
