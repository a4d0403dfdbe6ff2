"""What the Trust domain and the Bundle API share: bundles kept in order, and their masks."""

from typing import TypeVar

from google.protobuf.message import Message

from devcluster.spire.numbered import Numbered
from devcluster.spire.refusal import Refusal
from devcluster.spire.validation import trust_domain

M = TypeVar("M", bound=Message)


def page_of(items: Numbered[M], page_size: int, token: str) -> tuple[list[M], str]:
    """A page of what is stored, in the order of creation, and the token of the next.

    The token is the last number of the page. Without a page size all come at once.
    """
    after = int(token or 0) if page_size > 0 else 0
    names = [name for name in items if items.number_of(name) > after]
    if page_size <= 0:
        return [items[name] for name in names], ""
    names = names[:page_size]
    return [items[name] for name in names], str(items.number_of(names[-1])) if names else ""


def named(name: str, what: str) -> str:
    """The bare name of a trust domain. Raises Refusal that starts with ``what``."""
    try:
        return trust_domain(name)
    except Refusal as error:
        raise Refusal(f"{what}: {error}") from error
