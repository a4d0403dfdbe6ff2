"""What was learnt of a peer's installation, and what this registrar needs in its place."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFE_ID,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    SPIFFE_ID,
    SPIRE_ENTRY,
)
from controllers.rights import Need
from manager.migrate.installation import ConfigFile, Installation
from manager.migrate.reading import at, mapping, mappings, text
from manager.migrate.rights import lacking, rights
from manager.migrate.surroundings import Surroundings
from manager.modes.choice import mode_of
from manager.rights import needs_of
from registrar.claims.naming import short_hash
from registrar.settings.legacy import LAYERED
from registrar.settings.model import Settings

_CUSTOM = {
    "layered": (CLUSTER_SPIFFE_ID, SPIRE_ENTRY),
    "controller-manager": (
        CLUSTER_SPIFFEID,
        CLUSTER_STATIC_ENTRY,
        CLUSTER_FEDERATED_TRUST_DOMAIN,
        SPIRE_ENTRY,
    ),
    "crd": (SPIFFE_ID, SPIRE_ENTRY),
    "static": (),
}


@dataclass(frozen=True, slots=True)
class Survey:
    """``problems`` keep this registrar from running with the peer's file; ``warnings`` do not."""

    installation: Installation
    config: ConfigFile
    given: bool
    """Whether the file was given by hand, in the place of the peer's."""
    settings: Settings | None
    """As the registrar reads the file in its Pod; None where there are problems."""
    tool: str
    problems: Sequence[str]
    warnings: Sequence[str]
    surroundings: Surroundings

    @property
    def changes_kinds(self) -> bool:
        """Whether the peer's kinds cannot be changed into ours, but must be deleted first."""
        return self.installation.peer.name == LAYERED

    @property
    def account(self) -> str:
        """Namespace and name of the service account, in words."""
        return f"{self.installation.place.namespace}/{self.installation.service_account}"

    def needs(self) -> list[Need]:
        """The rights that the mode uses. Raises InvalidField for what the mode refuses."""
        if self.settings is None or self.settings.mode == "static":
            return []
        namespace = self.installation.place.namespace
        return needs_of(
            self.settings, mode_of(self.settings, namespace=namespace), namespace=namespace
        )

    def lacking(self) -> list[Need]:
        """Those of them that the roles of the peer do not give."""
        return lacking(self.needs(), self.surroundings.rules)

    def definitions(self) -> list[JSONObject]:
        """The CRDs of the mode."""
        if self.settings is None:
            return []
        kinds = _CUSTOM.get(self.settings.mode, (SPIRE_ENTRY,))
        return [crd(custom) for custom in CUSTOM_KINDS if custom.kind in kinds]

    def roles(self) -> list[JSONObject]:
        """The roles and their bindings to the service account of the peer's Pods."""
        place = self.installation.place
        return rights(
            self.needs(),
            name=f"spire-registrar-for-{place.namespace}-{place.name}-"
            + short_hash(place.kind, place.namespace, place.name),
            namespace=place.namespace,
            account=self.installation.service_account,
        )

    def notes(self) -> list[str]:
        """What a person should know before anything is swapped."""
        found = []
        installation = self.installation
        place, spec = installation.place, installation.pod_spec
        metadata = mapping(installation.workload.get("metadata"))
        if at(metadata, "labels", "app.kubernetes.io/managed-by") == "Helm":
            found.append(
                f"{place.workload} is Helm's: its next upgrade takes the swap back, unless the "
                "image stands in the release's values too"
            )
        strict = self.surroundings.strict
        if strict:
            found.append(
                f"webhook {', '.join(strict)} has failurePolicy: Fail: requests that it hears of "
                "are refused while no registrar runs"
            )
        update = text(at(installation.workload, "spec", "updateStrategy", "type"))
        if update == "OnDelete":
            found.append(
                f"{place.workload} has updateStrategy OnDelete: delete its Pods once it is changed"
            )
        own = mapping(installation.container.get("securityContext"))
        if "runAsUser" not in own and "runAsUser" not in mapping(spec.get("securityContext")):
            found.append(
                "neither the Pod nor the container says as which user it runs: this image is user "
                "65532, which must be able to open the SPIRE server's socket"
            )
        if mappings(spec.get("initContainers")) and place.field == "initContainers":
            found.append("it is an init container that goes on running, and stays one")
        found += [f"not read: {problem}" for problem in self.surroundings.unread]
        return found
