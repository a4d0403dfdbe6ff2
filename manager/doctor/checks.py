"""Every check, in the order in which it is looked at: what others depend on comes first."""

from manager.doctor import (
    agents,
    apiserver,
    configuration,
    entries,
    federation,
    kinds,
    leases,
    running,
    spireserver,
    webhooks,
)
from manager.doctor.examination import Check

SPIRE = "spire-server"
_CONFIGURATION = (
    ("configuration", configuration.CONFIGURATION, "the file", configuration.configuration),
)
_CLUSTER = (
    ("kubernetes", apiserver.REACHED, "the API server", apiserver.reached),
    ("kubernetes", apiserver.CLOCK, "the API server's clock", apiserver.clock),
    ("kubernetes", apiserver.RIGHTS, "what the registrar may do", apiserver.rights),
    ("kubernetes", kinds.KINDS, "the CustomResourceDefinitions", kinds.kinds),
)
_SERVER = (
    (SPIRE, spireserver.REACHED, "the SPIRE server", spireserver.reached),
    (SPIRE, spireserver.TRUST_DOMAIN, "the trust domain", spireserver.trust_domain),
    (SPIRE, spireserver.ACCESS, "whether SPIRE lets us in", spireserver.access),
    (SPIRE, spireserver.AUTHORITY, "the X.509 authority", spireserver.authority),
    (SPIRE, entries.CLOCK, "the SPIRE server's clock", entries.clock),
)
_AGENTS = (
    ("agents", agents.CLUSTER, "the cluster of the agents", agents.cluster_name),
    ("agents", agents.NODES, "which Nodes have an agent", agents.nodes),
    ("agents", agents.ALIVE, "whether agents live", agents.alive),
)
_REGISTRAR = (
    ("registrar", leases.LEADER, "who leads", leases.leader),
    ("registrar", leases.PREFIX, "who has our prefix", leases.prefix),
    ("registrar", running.READY, "whether the running registrar is ready", running.ready),
    ("registrar", running.WITHHELD, "deletions that are withheld", running.withheld),
    ("registrar", running.WRITES, "SPIRE's time per write", running.write_time),
)
_WEBHOOK = (
    ("webhook", webhooks.CONFIGURATION, "the webhook's configuration", webhooks.configuration),
    ("webhook", webhooks.CERTIFICATE, "the webhook's certificate", webhooks.certificate),
)
_RECORDS = (
    ("entries", entries.LOST, "records and entries", entries.records),
    ("entries", entries.GONE, "Pods of entries", entries.gone),
    ("entries", entries.FAILING, "what records say is wrong", entries.failing),
)
_OTHERS = (("entries", entries.OTHERS, "whose other entries are", entries.others),)
_FEDERATION = (("federation", federation.BUNDLES, "bundles", federation.bundles),)
_PARTNERS = (("federation", federation.OBJECTS, "other trust domains", federation.objects),)

IN_CLUSTER = tuple(
    Check(*each)
    for each in (
        *_CONFIGURATION,
        *_CLUSTER,
        *_SERVER,
        *_AGENTS,
        *_REGISTRAR,
        *_WEBHOOK,
        *_RECORDS,
        *_OTHERS,
        *_PARTNERS,
        *_FEDERATION,
    )
)
WITHOUT_CLUSTER = tuple(
    Check(*each) for each in (*_CONFIGURATION, *_SERVER, *_REGISTRAR[2:], *_OTHERS, *_FEDERATION)
)
"""In static mode there is no cluster to look at."""
