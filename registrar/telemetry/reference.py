"""The reference page of all metrics, out of the registry itself."""

from registrar.telemetry.csimetrics import CSIMetrics
from registrar.telemetry.metrics import Metrics

_MACHINE = ("process_", "python_")

_HEAD = """\
<!-- Generated from the metrics themselves; edit registrar/telemetry instead. -->
# Metrics

Served at `/metrics` of `metrics_addr`, besides `process_*` and `python_*`. The controllers' and
queues' names are those that dashboards for controller-runtime expect. Those that begin with
`spire_registrar_csi_` are the node driver's.

| Metric | Type | Labels | Meaning |
|---|---|---|---|
"""


def render_metrics() -> str:
    """The page as Markdown."""
    metrics = Metrics()
    metrics.controller("spireentry")
    metrics.leader("spire-registrar")
    metrics.reflector("pods")
    metrics.called("GET", "host", "200", 0.0)
    metrics.bundles.known("partner.example")
    metrics.bundles.holds("partner.example", x509=1, jwt=1)
    CSIMetrics(metrics.registry, metrics.on_refresh)
    metrics.refresh()
    lines = []
    for family in metrics.registry.collect():
        if family.name.startswith(_MACHINE):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = sorted({label for s in family.samples for label in s.labels} - {"le"})
        shown = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {family.type} | {shown} | {family.documentation} |")
    return _HEAD + "\n".join(sorted(lines)) + "\n"
