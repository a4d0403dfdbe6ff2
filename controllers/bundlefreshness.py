"""What is known of relationships between those who make them and those who refresh their bundles.

The federation reconciler says which relationships the SPIRE server holds; the refresher says what
became of each bundle, and whoever needs to know is woken.
"""

from collections.abc import Callable

from registrar.claims.federationstatus import Refreshed


class Freshness:
    """``refresh`` is asked to refresh the bundle of a trust domain, ``report`` to say of one.

    ``is_periodic``: bundles are refreshed again and again, so that an old answer says something.
    """

    def __init__(
        self,
        *,
        is_periodic: bool,
        refresh: Callable[[str], None],
        report: Callable[[str], None],
    ) -> None:
        self.is_periodic = is_periodic
        self._refresh = refresh
        self._report = report
        self._linked: set[str] = set()
        self._found: dict[str, Refreshed] = {}

    def linked(self, name: str, *, is_changed: bool) -> None:
        """The server holds a relationship; one that is new to us, or changed, is refreshed now."""
        if name in self._linked and not is_changed:
            return
        self._linked.add(name)
        if self.is_periodic:
            self._refresh(name)

    def unlinked(self, name: str) -> None:
        """The server holds no relationship, or it is none of our business any more."""
        if name in self._linked:
            self._linked.discard(name)
            self._refresh(name)
        self._found.pop(name, None)

    def is_linked(self, name: str) -> bool:
        """Whether the server holds a relationship, as far as we know."""
        return name in self._linked

    def asked_for(self, name: str) -> None:
        """Something has changed that may help: refresh now, whether or not it is periodic."""
        if name in self._linked:
            self._refresh(name)

    def found(self, name: str, refreshed: Refreshed) -> bool:
        """Take the answer to a refresh; tells whether it is another one than before."""
        if name not in self._linked:
            return False
        before = self._found.get(name)
        is_news = not refreshed.reads_like(before)
        if is_news:
            self._found[name] = refreshed
        # What is distrusted may be trusted anew, by what its source shows now.
        if is_news or refreshed.is_distrusted:
            self._report(name)
        return is_news

    def of(self, name: str) -> Refreshed | None:
        """The last answer; None before the first."""
        return self._found.get(name)

    def trusted_anew(self, name: str) -> None:
        """The server was given other authorities: ask again, and forget the old answer."""
        self._found.pop(name, None)
        self._refresh(name)
