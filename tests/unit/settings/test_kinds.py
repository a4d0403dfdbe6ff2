"""A key is another tool's by its row in the alias table, and the rule of nothing is the key's."""

import pytest

from registrar.settings import kinds
from registrar.settings.hcl import Entry, Items, Scalar, Table, Value
from registrar.settings.hcltokens import Position
from registrar.settings.kinds import As, Key

AT = Position(1, 1)
KEY = Key(
    "metrics_addr",
    kinds.LISTEN,
    ":8080",
    "Where.",
    required=True,
    shown="words",
    names={"crd": As(name="metrics_bind_addr"), "webhook": As(default="0", required=False)},
)


def test_a_key_is_what_the_row_says_where_no_tool_differs() -> None:
    assert KEY.spelled("manager") is KEY
    assert KEY.flag == "--metrics-addr"


def test_another_tool_has_another_name_and_all_else_stays() -> None:
    crd = KEY.spelled("crd")
    assert (crd.name, crd.default, crd.shown) == ("metrics_bind_addr", ":8080", "words")
    assert crd.required


def test_another_default_does_not_keep_the_words_of_the_first() -> None:
    webhook = KEY.spelled("webhook")
    assert (webhook.name, webhook.default, webhook.shown) == ("metrics_addr", "0", "")
    assert not webhook.required


@pytest.mark.parametrize(
    "value",
    [
        Scalar(None, AT),
        Scalar("", AT),
        Scalar(0, AT, "0"),
        Scalar(0.0, AT),
        Scalar("0h0m0s", AT),
        Items((), AT),
        Table({}, AT),
    ],
)
def test_every_zero_value_is_nothing_until_a_row_names_it(value: Value) -> None:
    assert Key("k", kinds.DURATION, 1.0, "How long.").is_nothing(value)


@pytest.mark.parametrize(
    "value",
    [
        Scalar("0", AT),
        Scalar(" ", AT),
        Scalar(1, AT),
        Scalar(value=False, at=AT),
        Items((Scalar("", AT),), AT),
        Table({"a": Entry(AT, Scalar(None, AT))}, AT),
    ],
)
def test_what_says_anything_is_something(value: Value) -> None:
    assert not Key("k", kinds.DURATION, 1.0, "How long.").is_nothing(value)


def test_a_kind_and_a_row_name_zero_values_that_mean_something() -> None:
    text = Key("k", kinds.TEXT, "", "A text.")
    assert not text.is_nothing(Scalar(0, AT, "0"))
    assert text.is_nothing(Scalar("", AT))
    named = Key("k", kinds.TEXT, "", "A text.", zeros={'""': "all"})
    assert not named.is_nothing(Scalar("", AT))
