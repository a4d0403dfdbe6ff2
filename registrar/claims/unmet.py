"""A condition that keeps a Pod from an identity: what it asks for, what is there, what to do.

Rules that decide whether somebody gets an identity answer with the first condition that does not
hold. The running registrar asks only whether there is one; ``explain`` shows it. Nothing is put
into words before somebody asks for the words: of most clusters' Pods most objects want nothing.
"""

from typing import NamedTuple

FINISHED = "Finished"
NAMESPACE_DISABLED = "NamespaceDisabled"
NAMESPACE_IGNORED = "NamespaceIgnored"
NOT_ASKED_FOR = "NotAskedFor"
NOT_BOUND = "NotBound"
POD_SELECTOR = "PodSelector"
NAMESPACE_SELECTOR = "NamespaceSelector"
ANOTHER_APPLIES = "AnotherApplies"
OTHER_CLASS = "OtherClass"
BEING_DELETED = "BeingDeleted"
NOT_READ = "NotRead"
SELECTORS = "Selectors"
NO_AGENT = "NoAgent"
AGENT_BANNED = "AgentBanned"
AGENT_EXPIRED = "AgentExpired"
PARENT_ELSEWHERE = "ParentElsewhere"
NO_PARENT = "NoParent"

_REMEDIES = {
    FINISHED: "nothing: a Pod that has finished runs nothing, and the next one gets its own",
    NAMESPACE_DISABLED: "take the namespace out of disabled_namespaces in the registrar's "
    "configuration, or run the Pod in another one",
    NAMESPACE_IGNORED: "take the pattern out of ignoreNamespaces in the registrar's configuration "
    "(write ^name$ to mean one name), or run the Pod in another namespace",
    NOT_ASKED_FOR: "give the Pod {asked}, in the template of whatever makes the Pod",
    NOT_BOUND: "wait until the Pod is scheduled; kubectl describe pod says what it waits for",
    POD_SELECTOR: "change the Pod's label, in the template of whatever makes it, or the selector",
    NAMESPACE_SELECTOR: "change the label of the Pod's Namespace, or the selector",
    ANOTHER_APPLIES: "nothing, if the other one is meant; a fallback applies only where no other "
    "object selects the Pod, so remove fallback: true if both should count",
    OTHER_CLASS: "change spec.className, or the className of the registrar's configuration, if "
    "this registrar is meant; the registrar of that class handles it otherwise",
    BEING_DELETED: "remove the finalizers that keep the object, or wait for who set them",
    NOT_READ: "let cacheNamespaces in the registrar's configuration read the Pod, by namespace and "
    "selectors",
    SELECTORS: "change what the object selects, or the Pod, if it is meant for this Pod",
    NO_AGENT: "see that the SPIRE agent runs on that node and attests (kubectl get pods -o wide, "
    "its logs): a taint may keep it away, or the server may refuse it",
    AGENT_BANNED: "find out who banned it and why; evict the agent (spire-server agent evict) so "
    "that it attests anew",
    AGENT_EXPIRED: "the agent has not renewed its SVID: see its logs, and restart it",
    PARENT_ELSEWHERE: "see that the clusterName of the registrar's configuration is that of the "
    "agents' node attestor, and that the parent's template speaks of the Pod's own node",
    NO_PARENT: "see that the clusterName of the registrar's configuration is that of the agents' "
    "node attestor (k8s_psat), and that the parent is that of an agent or of an entry for agents",
}


class Unmet(NamedTuple):
    """One condition. ``reason`` is a CamelCase word, one of the above.

    ``field`` is where the value stands that decides, ``wanted`` what it would have to be, in words
    that follow "it must be", and ``found`` what it is; None where nothing stands there.
    """

    reason: str
    field: str
    wanted: str
    found: str | None = None

    @property
    def message(self) -> str:
        """What is not so, with both values."""
        is_so = "is not there" if self.found is None else f"is {self.found!r}"
        return f"{self.field} {is_so}, it must be {self.wanted}"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.reason].format(asked=f"{self.field} = {self.wanted}")


def finished(phase: str) -> Unmet | None:
    """Why a Pod in that phase needs no identity any more; None for one that may still run."""
    if phase not in {"Succeeded", "Failed"}:
        return None
    return Unmet(FINISHED, "status.phase", "Pending or Running", phase)


def not_bound(node_name: str) -> Unmet | None:
    """Why a Pod whose identity depends on its node has none yet; None for one that has a node."""
    if node_name:
        return None
    return Unmet(NOT_BOUND, "spec.nodeName", "the name of a node")
