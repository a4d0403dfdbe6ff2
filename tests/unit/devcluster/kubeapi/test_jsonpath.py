"""The JSONPath of printer columns."""

import pytest

from devcluster.kubeapi import jsonpath
from devcluster.kubeapi.documents import JSONObject, JSONValue

DOCUMENT: JSONObject = {
    "spec": {"a": 1, "b.c": 2, "list": [{"n": "x", "v": 3}, {"n": "y", "v": 4}]},
    "metadata": {"annotations": {"example.com/key": "value"}},
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".spec.a", [1]),
        ("{.spec.a}", [1]),
        ("$.spec.a", [1]),
        (".spec.none", []),
        (".spec['b.c']", [2]),
        (r".spec.b\.c", [2]),
        (r".metadata.annotations.example\.com/key", ["value"]),
        ('.spec.list[?(@.n=="y")].v', [4]),
        (".spec.list[?(@.v==3)].n", ["x"]),
        (".spec.list[0].v", [3]),
        (".spec.list[-1].v", [4]),
        (".spec.list[7].v", []),
        (".spec.list[*].n", ["x", "y"]),
        (".spec.a.b", []),
        ("][", []),
    ],
)
def test_paths_lead_to_values(path: str, values: list[JSONValue]) -> None:
    assert jsonpath.find(DOCUMENT, path) == values
