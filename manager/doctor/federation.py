"""Other trust domains: their relationships, and whether what is held of them is fresh and valid."""

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.meta import Condition, find_condition
from manager.doctor.authorities import lasting
from manager.doctor.finding import Finding, error, ok, some, warning
from manager.doctor.world import World
from manager.output import counted

OBJECTS, BUNDLES = "federation-objects", "federation-bundles"
_RUNBOOK = "a-bundle-is-not-fresh"


async def objects(world: World) -> list[Finding]:
    """What ClusterFederatedTrustDomains say of themselves."""
    manager = world.settings.controller_manager
    if manager is None or not manager.reconciled.cluster_federated_trust_domains:
        return [ok(OBJECTS, "federation is not this mode's business")]
    found, listed = list[Finding](), await world.objects(CLUSTER_FEDERATED_TRUST_DOMAIN)
    for obj in listed:
        for type_ in ("Ready", "BundleAvailable", "BundleFresh"):
            condition = find_condition(obj.status.conditions, type_)
            if condition is not None and condition.status == "False":
                found.append(_of_condition(obj.metadata.name, condition))
                break
    if not found:
        words = "there are no ClusterFederatedTrustDomains"
        if listed:
            number = counted(len(listed), "ClusterFederatedTrustDomain")
            words = f"{number}, none of which says that anything is wrong"
        found.append(ok(OBJECTS, words))
    return found


def _of_condition(name: str, condition: Condition) -> Finding:
    say = warning if condition.type == "BundleFresh" else error
    return say(
        OBJECTS,
        f"{name}: {condition.type} is False ({condition.reason}): {condition.message}",
        meaning="workloads may not trust what that trust domain signs now",
        remedy="as the message says",
        runbook=_RUNBOOK,
    )


async def bundles(world: World) -> list[Finding]:
    """What the server holds of the trust domains that it federates with."""
    await world.spire()
    client = world.bundles()
    relationships = await world.federation().list()
    held = set(await client.federated_trust_domains())
    found = []
    missing = sorted(set(relationships) - held)
    if missing:
        found.append(
            error(
                BUNDLES,
                f"the SPIRE server has no bundle of {some(missing)}, with whom it federates",
                meaning="entries that federate with them are set without, and wait",
                remedy="look at the server's log, and at the bundle endpoint of the other side",
                runbook=_RUNBOOK,
            )
        )
    ended, ending = [], []
    for name in sorted(held):
        last = lasting((await client.federated(name)).x509_authorities)
        if last is not None and last.has_ended:
            ended.append(name)
        elif last is not None and last.is_late and name in relationships:
            ending.append(name)
    if ended:
        found.append(
            error(
                BUNDLES,
                f"every X.509 authority in the bundle of {some(ended)} has ended",
                meaning="nothing that is signed there now is trusted here",
                remedy="the server could not fetch a newer one: look at its log and the endpoint",
                runbook=_RUNBOOK,
            )
        )
    if ending:
        found.append(
            warning(
                BUNDLES,
                f"the newest X.509 authority in the bundle of {some(ending)} is in the last "
                "quarter of its time",
                meaning="the other side should have shown the next one by now",
                remedy="does the server fetch that bundle? Its log says so",
            )
        )
    if not found:
        words = counted(len(relationships), "relationship")
        words = f"{words}, {counted(len(held), 'bundle')} of other trust domains, valid"
        none = "the SPIRE server federates with no other trust domain"
        found.append(ok(BUNDLES, words if held or relationships else none))
    return found
