"""How many templates one core renders in a second."""

import time
from collections.abc import Callable

from api.meta import ObjectKey
from registrar.claims.podtemplate import Surroundings
from registrar.claims.rendering import Owner, view_of
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import Value

TYPICAL = (
    "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}"
)
"""The ID that most clusters ask for."""

_SURROUNDINGS = Surroundings("example.org", "bench", "cluster.local")
_PODS = 1000
_ROUNDS = 20


def rendering_rates() -> list[float]:
    """Renders a second of the typical ID, for data that is made already; a rate a round."""
    template = Template.parse("spiffeIDTemplate", TYPICAL)
    pods = [_data(number) for number in range(_PODS)]
    return [_rate(lambda: [template.render(pod) for pod in pods]) for _ in range(_ROUNDS)]


def whole_rates() -> list[float]:
    """The same with making the data of each Pod."""
    template = Template.parse("spiffeIDTemplate", TYPICAL)
    return [
        _rate(lambda: [template.render(_data(number)) for number in range(_PODS)])
        for _ in range(_ROUNDS)
    ]


def _rate(work: Callable[[], list[str]]) -> float:
    began = time.perf_counter()
    texts = work()
    took = time.perf_counter() - began
    if len(set(texts)) != _PODS:
        raise RuntimeError("Pods of different names got the same ID")
    return _PODS / took


def _data(number: int) -> Value:
    key = ObjectKey(f"namespace-{number % 10}", f"pod-{number}")
    return view_of(
        surroundings=_SURROUNDINGS,
        pod_metadata={"name": key.name, "namespace": key.namespace, "uid": f"uid-{number}"},
        pod_spec={"serviceAccountName": f"account-{number}", "nodeName": "node"},
        node_metadata={"name": "node", "uid": "node-uid"},
        node_spec={},
        owner=Owner("Deployment", "web"),
    )
