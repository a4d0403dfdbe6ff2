"""Literals of HCL 1 and of JSON: what they mean and which are refused."""

import pytest

from registrar.settings.hcltokens import HCLError, Lexer, Mark, Position, ScalarValue


def value(text: str, *, json: bool = False) -> ScalarValue:
    """The value of the one literal that the text is."""
    lexer = Lexer(text, json=json)
    token = lexer.next()
    assert token.mark is Mark.LITERAL
    assert lexer.next().mark is Mark.END
    return token.value


def mistake(text: str, *, json: bool = False) -> tuple[str, Position]:
    with pytest.raises(HCLError) as caught:
        value(text, json=json)
    return caught.value.message, caught.value.at


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("010", 8),
        ("0x1F", 31),
        ("-0XfF", -255),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("01.5E-1", 0.15),
    ],
)
def test_a_number_is_decimal_octal_hexadecimal_or_real(text: str, number: float) -> None:
    read = value(text)
    assert read == number
    assert type(read) is type(number)


@pytest.mark.parametrize("text", ["30s", "08", "0x", "1e", "1.2.3", "0b1", "1-2", "1_000"])
def test_what_only_begins_like_a_number_is_refused_with_its_quoted_form(text: str) -> None:
    message, at = mistake(text)
    assert f'"{text}"' in message
    assert at == Position(1, 1)


@pytest.mark.parametrize("text", ["9223372036854775808", "1e999", "9" * 5000])
def test_a_number_beyond_64_bits_is_too_large(text: str) -> None:
    assert mistake(text)[0].endswith("is too large")


@pytest.mark.parametrize("text", ["010", "0x10", ".5", "1."])
def test_json_has_only_its_own_numbers(text: str) -> None:
    assert "not a number" in mistake(text, json=True)[0]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r'"a\"b\\c\n\t\r\a\b\f\v"', 'a"b\\c\n\t\r\a\b\f\v'),
        (r'"\u00e9\U0001F600"', "é😀"),
        (r'"\303\251 \xc3\xa9"', "é é"),
        ('"a\tb $c $$"', "a\tb $c $$"),
        ('"${join(",", x)} ${"a\n{}"}"', '${join(",", x)} ${"a\n{}"}'),
        ("<<EOF\na\n  b\n\nEOF", "a\n  b\n\n"),
        ("<<EOF\nEOF\n", ""),
        ("<<EOF\nEOFX\n EOF", "EOFX\n"),
        ("<<-EOF\n    a\n\n      b\n    EOF\n", "a\n\n  b\n"),
        ("<<-EOF\n  a\n b\n  EOF\n", "  a\n b\n"),
        ("<<EOF\r\na\r\nEOF\r\n", "a\n"),
    ],
)
def test_a_text_means_what_is_written(written: str, text: str) -> None:
    assert value(written) == text


@pytest.mark.parametrize(
    ("written", "text"), [(r'"\/\u0041\ud83d\ude00"', "/A😀"), ('"${"', "${"), (r'"\b\f"', "\b\f")]
)
def test_a_json_text_means_what_is_written(written: str, text: str) -> None:
    assert value(written, json=True) == text


@pytest.mark.parametrize(
    ("text", "words", "column"),
    [
        pytest.param('"abc', "has no end", 1, id="open text"),
        pytest.param('"a\nb"', "on the same line", 1, id="line break"),
        pytest.param(r'"ab\q"', r"unknown escape \q", 4, id="escape"),
        pytest.param(r'"\400"', "more than a byte", 2, id="octal"),
        pytest.param(r'"\xff"', "do not make UTF-8", 1, id="bytes"),
        pytest.param(r'"\ud800"', "U+D800 is not a character", 2, id="surrogate"),
        pytest.param(r'"\UFFFFFFFF"', "is not a character", 2, id="beyond Unicode"),
        pytest.param('"a ${b"', "'${'", 1, id="open interpolation"),
        pytest.param('"a\0"', "control character", 1, id="zero byte"),
        pytest.param("'a'", "double quotes", 1, id="single quotes"),
        pytest.param("<<EOF\na\n", "write EOF on a line of its own", 1, id="open heredoc"),
        pytest.param("<<\na\n", "a heredoc begins", 1, id="heredoc without a mark"),
        pytest.param("/* a", "write '*/'", 1, id="open comment"),
        pytest.param("/ a", "a comment begins", 1, id="slash"),
        pytest.param("@", "unexpected character '@'", 1, id="sign"),
    ],
)
def test_a_malformed_literal_is_refused_where_it_is_wrong(
    text: str, words: str, column: int
) -> None:
    message, at = mistake(text)
    assert words in message
    assert at == Position(1, column)


@pytest.mark.parametrize(
    ("text", "words"),
    [(r'"\x41"', "unknown escape"), ("# a", "no comments"), ("<<A\nA", "unexpected character")],
)
def test_json_has_neither_comments_nor_heredocs_nor_escapes_of_hcl(text: str, words: str) -> None:
    assert words in mistake(text, json=True)[0]


def test_lines_are_counted_through_comments_heredocs_and_texts() -> None:
    lexer = Lexer('/* 1\n2 */ <<X\n3\nX\n"${\n}" a')
    places = [lexer.next().at for _ in range(3)]
    assert places == [Position(2, 6), Position(5, 1), Position(6, 4)]
