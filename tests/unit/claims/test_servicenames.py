"""Names of a Pod that are those of other services."""

import pytest

from api.meta import ObjectKey
from registrar.claims.servicenames import Shared, shared_names

VAULT = ObjectKey("prod", "vault")
ZONE = "cluster.local"


@pytest.mark.parametrize("name", ["vault.prod", "vault.prod.svc", "vault.prod.svc.cluster.local"])
def test_each_form_of_another_services_name_is_found(name: str) -> None:
    found = shared_names([name], namespace="svc", services=["prod"], zone=ZONE)
    assert Shared(name, VAULT) in found


@pytest.mark.parametrize(
    "name", ["vault", "web.vault.prod.svc", "10-0-0-1.prod.pod", "prod.svc.svc.cluster.local"]
)
def test_other_names_of_a_pod_are_not_anothers(name: str) -> None:
    found = shared_names([name], namespace="svc", services=["prod"], zone=ZONE)
    assert VAULT not in {shared.service for shared in found}
    assert ObjectKey("svc", "prod") not in {shared.service for shared in found}
