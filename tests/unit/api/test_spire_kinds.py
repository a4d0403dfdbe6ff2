"""The controller manager's kinds as typed objects: names on the wire, and what is left out."""

import json

from api.codec import JSONObject, convert, encode, merge_diff, to_json
from api.meta import KubeObject
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import (
    ClusterSPIFFEID,
    ClusterSPIFFEIDStats,
    ClusterSPIFFEIDStatus,
)
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry, ClusterStaticEntryStatus

PEOPLES: list[tuple[type[KubeObject], JSONObject]] = [
    (
        ClusterSPIFFEID,
        {
            "spiffeIDTemplate": "/a",
            "parentIDTemplate": "/b",
            "podSelector": {"matchLabels": {"a": "b"}},
            "namespaceSelector": {
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]
            },
            "dnsNameTemplates": ["a"],
            "workloadSelectorTemplates": ["a:b"],
            "ttl": "1h",
            "jwtTtl": "5m",
            "federatesWith": ["b"],
            "admin": True,
            "downstream": True,
            "autoPopulateDNSNames": True,
            "fallback": True,
            "hint": "h",
            "className": "c",
        },
    ),
    (
        ClusterStaticEntry,
        {
            "spiffeID": "/a",
            "parentID": "/b",
            "selectors": ["a:b"],
            "federatesWith": ["b"],
            "x509SVIDTTL": "1h",
            "jwtSVIDTTL": "5m",
            "dnsNames": ["a"],
            "hint": "h",
            "admin": True,
            "downstream": True,
            "storeSVID": True,
            "className": "c",
        },
    ),
    (
        ClusterFederatedTrustDomain,
        {
            "trustDomain": "a",
            "bundleEndpointURL": "https://a",
            "bundleEndpointProfile": {"type": "https_spiffe", "endpointSPIFFEID": "spiffe://a/b"},
            "trustDomainBundle": "{}",
            "className": "c",
        },
    ),
]


def test_every_field_of_a_spec_is_read_and_written_under_its_own_name() -> None:
    for kind, spec in PEOPLES:
        assert json.loads(encode(convert({"spec": spec}, kind))) == {"spec": spec}


def test_an_object_without_a_spec_decodes() -> None:
    for kind, _ in PEOPLES:
        assert to_json(convert({"metadata": {"name": "a"}}, kind)) == {"metadata": {"name": "a"}}


def test_the_first_status_says_false_and_nought_in_so_many_words() -> None:
    flags = ClusterStaticEntryStatus(rendered=True, masked=False, set=False)
    assert merge_diff(to_json(ClusterStaticEntryStatus()), to_json(flags)) == {
        "rendered": True,
        "masked": False,
        "set": False,
    }
    numbers = ClusterSPIFFEIDStatus(stats=ClusterSPIFFEIDStats(pods_selected=0))
    assert merge_diff(to_json(ClusterSPIFFEIDStatus()), to_json(numbers)) == {
        "stats": {"podsSelected": 0}
    }
