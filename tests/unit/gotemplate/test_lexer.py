"""Texts to tokens."""

import pytest

from registrar.gotemplate.lexer import Kind, Lexer, quoted


def tokens(text: str) -> list[tuple[str, str]]:
    return [
        (token.kind.name, token.text)
        for token in Lexer(text).tokens()
        if token.kind is not Kind.SPACE
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [("EOF", "EOF")], id="nothing"),
        pytest.param("a } b", [("TEXT", "a } b"), ("EOF", "EOF")], id="text"),
        pytest.param(
            "a {{- .B -}} c",
            [
                ("TEXT", "a"),
                ("LEFT", "{{"),
                ("FIELD", ".B"),
                ("RIGHT", "}}"),
                ("TEXT", "c"),
                ("EOF", "EOF"),
            ],
            id="trim markers take the space on both sides",
        ),
        pytest.param(
            "{{-1}}",
            [("LEFT", "{{"), ("NUMBER", "-1"), ("RIGHT", "}}"), ("EOF", "EOF")],
            id="a minus without space is a sign",
        ),
        pytest.param(
            "a {{- /* x */ -}} b", [("TEXT", "a"), ("TEXT", "b"), ("EOF", "EOF")], id="comment"
        ),
        pytest.param(
            "{{$x:=`a}}`}}",
            [
                ("LEFT", "{{"),
                ("VARIABLE", "$x"),
                ("DECLARE", ":="),
                ("RAW_STRING", "`a}}`"),
                ("RIGHT", "}}"),
                ("EOF", "EOF"),
            ],
            id="delimiters within a string",
        ),
        pytest.param("{{ (", [("LEFT", "{{"), ("LEFT_PAREN", "("), ("ERROR", "unclosed action")],
                     id="unclosed action"),
        pytest.param("{{ ( }}", [("LEFT", "{{"), ("LEFT_PAREN", "("),
                                 ("ERROR", "unclosed left paren")], id="unclosed parenthesis"),
        pytest.param('{{ "a', [("LEFT", "{{"), ("ERROR", "unterminated quoted string")],
                     id="unterminated string"),
        pytest.param("{{/* a", [("ERROR", "unclosed comment")], id="unclosed comment"),
        pytest.param("{{ \x01 }}", [("LEFT", "{{"),
                                    ("ERROR", "unrecognized character in action: U+0001")],
                     id="control character"),
        pytest.param("{{ 1a }}", [("LEFT", "{{"), ("ERROR", 'bad number syntax: "1a"')],
                     id="bad number"),
    ],
)  # fmt: skip
def test_a_text_has_these_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert tokens(text) == expected


def test_tokens_know_their_lines() -> None:
    found = Lexer("a\n{{ 1\n }}\n\n{{ 2 }}").tokens()
    lines = [token.line for token in found if token.text.strip()]
    assert lines == [1, 2, 2, 3, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('a"\\\n', r'"a\"\\\n"', id="escapes"),
        pytest.param("\x00\x7f\u200b\U000e0001", r'"\x00\x7f\u200b\U000e0001"', id="not printable"),
        pytest.param("é世", '"é世"', id="printable"),
        pytest.param("\udcff", r'"\xff"', id="a byte that is no UTF-8"),
    ],
)
def test_a_quoted_text_is_what_go_quotes(text: str, expected: str) -> None:
    assert quoted(text) == expected
