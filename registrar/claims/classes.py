"""Which objects of the controller manager's kinds an instance handles, by their class."""

from dataclasses import dataclass

from registrar.claims.unmet import OTHER_CLASS, Unmet


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes whose objects are ours: our own, and none where those are watched too.

    Without a class of our own, only objects without one are. The original's
    code decides it so, though a comment in its configuration type says that
    all are then; another controller's objects are never ours.
    """

    own: str
    watch_classless: bool = False

    def __call__(self, class_name: str) -> bool:
        """Whether an object of that class is ours."""
        return self.unmet(class_name) is None

    def unmet(self, class_name: str) -> Unmet | None:
        """Why an object of that class is not ours; None for one that is."""
        if class_name == self.own or (not class_name and self.watch_classless):
            return None
        wanted = repr(self.own) if self.own else "absent"
        if self.own and self.watch_classless:
            wanted += " or absent"
        return Unmet(OTHER_CLASS, "spec.className", wanted, class_name or None)


def by_class(own: str, *, watch_classless: bool = False) -> Classes:
    """The objects of our own class are ours, and those without one where these are watched."""
    return Classes(own, watch_classless)
