"""Pods wait for their Namespace, and are forgotten when it comes or they go."""

from api.core import Namespace, Pod
from api.meta import ObjectKey, ObjectMeta
from manager.sources.waitingpods import WaitingPods
from registrar.claims.podentry import pod_source
from registrar.kube.store import Change, Store
from tests.support.builders import make_pod

WEB, DB, MAIL = (ObjectKey("shop", name) for name in ("web", "db", "mail"))
SHOP = ObjectKey("", "shop")


def test_who_waits_is_called_once_and_forgotten_when_it_goes() -> None:
    store = Store[Pod]()
    web, db = (make_pod(key.name, namespace=key.namespace) for key in (WEB, DB))
    store.put(web)
    store.put(db)
    waiting = WaitingPods(store)
    for key in (WEB, DB, MAIL):
        waiting.wait(key)
    # There is no such Pod as the third.
    assert len(waiting) == 2
    waiting.left(Change(WEB, web, web))
    waiting.left(Change(DB, db, None))
    assert len(waiting) == 1
    namespace = Namespace(metadata=ObjectMeta(name="shop"))
    assert waiting.called(Change(SHOP, namespace, None)) == []
    assert waiting.called(Change(SHOP, None, namespace)) == [pod_source(WEB)]
    assert waiting.called(Change(SHOP, None, namespace)) == []
