"""Our label selectors against a server's: the same objects, the same mistakes."""

import itertools
import random

import pytest

from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from devcluster.kubeapi.documents import JSONObject
from registrar.errors import InvalidField
from tests.conformance.kube.client import Kube
from tests.conformance.kube.conftest import SERVERS

KEYS = ("a", "b", "x.example/c")
VALUES = ("", "1", "2")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def as_query(selector: LabelSelector) -> str:
    """The selector as a query parameter writes it."""
    terms = [f"{key}={value}" for key, value in selector.match_labels.items()]
    for requirement in selector.match_expressions:
        values = f"({','.join(requirement.values)})"
        match requirement.operator:
            case "In":
                terms.append(f"{requirement.key} in {values}")
            case "NotIn":
                terms.append(f"{requirement.key} notin {values}")
            case "Exists":
                terms.append(requirement.key)
            case _:
                terms.append(f"!{requirement.key}")
    return ",".join(terms)


def some_selector(chance: random.Random) -> LabelSelector:
    """A selector with up to three requirements."""
    expressions = []
    for _ in range(chance.randrange(3)):
        operator = chance.choice(OPERATORS)
        count = chance.randint(1, 2) if operator in {"In", "NotIn"} else 0
        expressions.append(
            LabelSelectorRequirement(
                key=chance.choice(KEYS),
                operator=operator,
                values=tuple(chance.sample(VALUES, count)),
            )
        )
    labels = {chance.choice(KEYS): chance.choice(VALUES)} if chance.random() < 0.5 else {}
    return LabelSelector(match_labels=labels, match_expressions=tuple(expressions))


@pytest.mark.slow
async def test_a_selector_matches_what_the_server_lists(kube: Kube, config_maps: str) -> None:
    labels_of: dict[str, dict[str, str]] = {}
    for number, values in enumerate(itertools.product((None, *VALUES), repeat=len(KEYS))):
        labels = {key: v for key, v in zip(KEYS, values, strict=True) if v is not None}
        name = f"map-{number:02}"
        labels_of[name] = labels
        sent: JSONObject = {"suite": "labels", **labels}
        await kube.made(config_maps, {"metadata": {"name": name, "labels": sent}})
    chance = random.Random(4)
    for _ in range(60):
        selector = some_selector(chance)
        matcher = compile_selector(selector, path="selector")
        query = ",".join(filter(None, ["suite=labels", as_query(selector)]))
        listed = await kube.get(config_maps, labelSelector=query)
        matching = [name for name, labels in labels_of.items() if matcher.matches(labels)]
        assert listed.names == matching, query


@pytest.mark.parametrize("kube", SERVERS[1:], indirect=True)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", "1"),
        ("A_b.c-1", "A_b.c-1"),
        ("x.example/a", ""),
        ("x" * 63, "x" * 63),
        ("x" * 64, ""),
        ("a", "x" * 64),
        ("-a", ""),
        ("a", "-a"),
        ("a", "a."),
        ("a", "a/b"),
        ("a_", ""),
        ("x/y/a", ""),
        ("X.example/a", ""),
        ("x-.example/a", ""),
        ("x..example/a", ""),
        ("/a", ""),
        ("a/", ""),
        (f"{'x' * 253}/a", ""),
        (f"{'x' * 254}/a", ""),
        ("é", ""),
        ("a", "é"),
    ],
)
async def test_a_selector_is_wrong_where_the_server_says_so(
    kube: Kube, namespace: str, key: str, value: str
) -> None:
    listed = await kube.get(
        f"/api/v1/namespaces/{namespace}/configmaps", labelSelector=f"{key} in ({value})"
    )
    requirement = LabelSelectorRequirement(key=key, operator="In", values=(value,))
    try:
        compile_selector(LabelSelector(match_expressions=(requirement,)), path="selector")
    except InvalidField:
        assert listed.code == 400
    else:
        assert listed.code == 200, listed.body
