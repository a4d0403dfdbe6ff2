"""Custom owners and dependents. The last module of the suite, for a reason.

The real garbage collector looks for new kinds every 30 seconds only.
"""

from devcluster.kubeapi.documents import JSONObject, text
from tests.conformance.kube.client import Kube
from tests.conformance.kube.widgets import widget

RESYNC_SECONDS = 90.0


async def test_a_custom_owner_takes_its_custom_dependents(kube: Kube, widgets: str) -> None:
    top = await kube.made(widgets, widget("top"))
    reference: JSONObject = {
        "apiVersion": top.body["apiVersion"],
        "kind": "Widget",
        "name": "top",
        "uid": text(top.body, "metadata", "uid"),
    }
    dependent = widget("d")
    dependent["metadata"] = {"name": "d", "ownerReferences": [reference]}
    await kube.made(widgets, dependent)
    await kube.delete(f"{widgets}/top")
    await kube.until_gone(f"{widgets}/d", RESYNC_SECONDS)
