"""The controller manager's static mode: the same objects, from a folder, and no cluster at all."""

from collections.abc import Iterator

from controllers.source import AnySource
from manager.caches.bundlesources import NoBundleSources
from manager.caches.cache import Caches, spire_entry_cache
from manager.caches.folder import FolderCaches
from manager.context import Context
from manager.modes.mode import Mode
from manager.sources.federation import federation_sources
from manager.sources.staticentries import static_entry_sources_of_folder
from registrar.claims.classes import by_class
from registrar.settings.model import ControllerManager


def static(config: ControllerManager, class_name: str, folder: FolderCaches) -> Mode:
    """The mode. Nothing is recorded without a cluster, and only a setting can agree to much."""
    is_handled = by_class(class_name, watch_classless=config.watch_classless)

    def sources(context: Context) -> Iterator[AnySource]:
        if folder.static_entries.is_read:
            yield from static_entry_sources_of_folder(context, folder.static_entries, is_handled)
        if folder.trust_domains.is_read:
            yield from federation_sources(
                context,
                folder.trust_domains,
                sources=NoBundleSources(),
                is_handled=is_handled,
                record=None,
                refresh_seconds=config.bundle_refresh_interval_seconds,
            )

    unused = {"pod", "node", "made", "released", "record"}
    if not folder.trust_domains.is_read:
        unused |= {"trust_domain", "bundle"}
    return Mode(
        caches=Caches([]),
        spire_entries=spire_entry_cache(optional=True),
        sources=lambda context: list(sources(context)),
        unused=frozenset(unused),
        made=lambda _: False,
        trust_domains=folder.trust_domains.store if folder.trust_domains.is_read else None,
    )
