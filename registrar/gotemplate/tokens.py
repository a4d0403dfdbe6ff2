"""The tokens of a text as the parser takes them: some ahead, some put back."""

from typing import NoReturn

from registrar.gotemplate.errors import TemplateLimitError, TemplateParseError
from registrar.gotemplate.lexer import Kind, Lexer, Token


class Tokens:
    """``line`` is that of the token read last, which errors name.

    ``taken`` counts the tokens that are no space, of which there may be ``most``;
    ``action_line`` is where the action that is being parsed began, 0 outside of one.
    """

    def __init__(self, name: str, text: str, most: int) -> None:
        self.line = 1
        self.action_line = 0
        self.taken = 0
        self._name = name
        self._tokens = Lexer(text).tokens()
        self._ahead: list[Token] = []
        self._most = most

    def next(self) -> Token:
        """Take the next token; EOF for ever after the last."""
        if self._ahead:
            return self._ahead.pop()
        token = next(self._tokens, None)
        if token is None:
            token = Token(Kind.EOF, "EOF", 0, self.line)
        self.line = token.line
        self.taken += token.kind is not Kind.SPACE
        if self.taken > self._most:
            raise TemplateLimitError(
                f"template: {self._name}:{self.line}: more than {self._most} words and signs"
            )
        return token

    def back(self, *tokens: Token) -> None:
        """Put tokens back, to be taken again in this order."""
        self._ahead += reversed(tokens)

    def peek(self) -> Token:
        """Look at the next token."""
        token = self.next()
        self._ahead.append(token)
        return token

    def next_word(self) -> Token:
        """Take the next token that is not space."""
        token = self.next()
        while token.kind is Kind.SPACE:
            token = self.next()
        return token

    def peek_word(self) -> Token:
        """Look at the next token that is not space; the space is gone."""
        token = self.next_word()
        self._ahead.append(token)
        return token

    def expect(self, context: str, *kinds: Kind) -> Token:
        """Take the next word, which must be one of these. Raises TemplateParseError."""
        token = self.next_word()
        if token.kind not in kinds:
            self.unexpected(token, context)
        return token

    def fail(self, message: str) -> NoReturn:
        """Raise TemplateParseError for the line that was read last."""
        raise TemplateParseError(f"template: {self._name}:{self.line}: {message}")

    def unexpected(self, token: Token, context: str) -> NoReturn:
        """Raise TemplateParseError for a token that cannot stand there."""
        if token.kind is not Kind.ERROR:
            self.fail(f"unexpected {token} in {context}")
        extra = ""
        if self.action_line and self.action_line != token.line:
            extra = f" in action started at {self._name}:{self.action_line}"
            if token.text.endswith(" action"):
                extra = extra.removeprefix(" in action")
        self.fail(f"{token}{extra}")
