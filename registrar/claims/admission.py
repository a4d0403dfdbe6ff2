"""What an object of the controller manager's kinds may not be: the reconcilers' own checks."""

from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from registrar.claims import clusterstaticentry, federatedtrustdomain
from registrar.claims.podtemplate import Surroundings, compile_template
from registrar.errors import InvalidField


def problem_of_template(obj: ClusterSPIFFEID, surroundings: Surroundings) -> str:
    """The first thing wrong with a ClusterSPIFFEID: field, value and remedy; empty for nothing."""
    try:
        compile_template(obj, surroundings)
    except InvalidField as error:
        return str(error)
    return ""


def problem_of_static_entry(obj: ClusterStaticEntry, trust_domain: str) -> str:
    """The first thing wrong with a ClusterStaticEntry."""
    try:
        clusterstaticentry.claim_of(obj, trust_domain=trust_domain)
    except InvalidField as error:
        return str(error)
    return ""


def problem_of_trust_domain(obj: ClusterFederatedTrustDomain, trust_domain: str) -> str:
    """The first thing wrong with a ClusterFederatedTrustDomain."""
    try:
        federatedtrustdomain.wanted_by(obj, trust_domain=trust_domain)
    except InvalidField as error:
        return str(error)
    return ""
