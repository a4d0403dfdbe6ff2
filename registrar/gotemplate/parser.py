"""Tokens to trees: one for the template itself, one for each ``define`` and ``block``."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NoReturn

from registrar.gotemplate.errors import TemplateLimitError, TemplateParseError
from registrar.gotemplate.lexer import Kind, Lexer, Token, quoted
from registrar.gotemplate.limits import Limits
from registrar.gotemplate.nodes import (
    Action,
    Bool,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Jump,
    List,
    Nil,
    Number,
    Operand,
    Pipe,
    Statement,
    String,
    Text,
    Variable,
)
from registrar.gotemplate.numbers import number, unquote

_OPERANDS = frozenset(
    {
        Kind.BOOL,
        Kind.CHARACTER,
        Kind.COMPLEX,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)


@dataclass(slots=True)
class _End:
    """What ends a list: ``end``, or ``else``, or ``else if`` and ``else with`` by their word."""

    keyword: str
    following: str = ""

    def __str__(self) -> str:
        return "{{" + self.keyword + "}}"


@dataclass(slots=True)
class _Scope:
    """What is in force while one tree is parsed."""

    variables: list[str] = field(default_factory=lambda: ["$"])
    ranges: int = 0


class Parser:
    """Parses one text. ``trees`` has what came of it, the template's own under its name."""

    def __init__(self, name: str, text: str, functions: Collection[str], limits: Limits) -> None:
        self._name = name
        self._functions = functions
        self._limits = limits
        self._tokens = Lexer(text).tokens()
        self._ahead: list[Token] = []
        self._line = 1
        self._action_line = 0
        self._nesting = 0
        self._scope = _Scope()
        self.trees: dict[str, List] = {}

    def parse(self) -> dict[str, List]:
        """All trees by name. Raises TemplateParseError."""
        root = List(0)
        while self._peek().kind is not Kind.EOF:
            if self._peek().kind is Kind.LEFT:
                delimiter = self._next()
                token = self._next_word()
                if token.kind is Kind.KEYWORD and token.text == "define":
                    self._define()
                    continue
                self._ahead += [token, delimiter]
            node = self._text_or_action()
            if isinstance(node, _End):
                self._fail(f"unexpected {node}")
            root.nodes.append(node)
        self._add(self._name, root)
        return self.trees

    # Tokens.

    def _next(self) -> Token:
        if self._ahead:
            return self._ahead.pop()
        token = next(self._tokens, None)
        if token is None:
            token = Token(Kind.EOF, "EOF", 0, self._line)
        self._line = token.line
        return token

    def _peek(self) -> Token:
        token = self._next()
        self._ahead.append(token)
        return token

    def _next_word(self) -> Token:
        """The next token that is not space."""
        token = self._next()
        while token.kind is Kind.SPACE:
            token = self._next()
        return token

    def _peek_word(self) -> Token:
        token = self._next_word()
        self._ahead.append(token)
        return token

    def _expect(self, context: str, *kinds: Kind) -> Token:
        token = self._next_word()
        if token.kind not in kinds:
            self._unexpected(token, context)
        return token

    def _fail(self, message: str) -> NoReturn:
        raise TemplateParseError(f"template: {self._name}:{self._line}: {message}")

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        if token.kind is not Kind.ERROR:
            self._fail(f"unexpected {token} in {context}")
        extra = ""
        if self._action_line and self._action_line != token.line:
            extra = f" in action started at {self._name}:{self._action_line}"
            if token.text.endswith(" action"):
                extra = extra.removeprefix(" in action")
        self._fail(f"{token}{extra}")

    # Lists of statements.

    def _add(self, name: str, tree: List) -> None:
        known = self.trees.get(name)
        if known is None or known.is_empty:
            self.trees[name] = tree
        elif not tree.is_empty:
            self._fail(f"template: multiple definition of template {quoted(name)}")

    def _define(self) -> None:
        context = "define clause"
        name = self._string(self._expect(context, Kind.STRING, Kind.RAW_STRING))
        self._expect(context, Kind.RIGHT)
        outer, self._scope = self._scope, _Scope()
        body, end = self._list()
        if end.keyword != "end":
            self._fail(f"unexpected {end} in {context}")
        self._scope = outer
        self._add(name, body)

    def _list(self) -> tuple[List, _End]:
        """Statements up to an ``end`` or ``else``."""
        self._nesting += 1
        if self._nesting > self._limits.nesting:
            raise TemplateLimitError(
                f"template: {self._name}:{self._line}: nested deeper than {self._limits.nesting}"
            )
        found = List(self._peek_word().at)
        while self._peek_word().kind is not Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, _End):
                self._nesting -= 1
                return found, node
            found.nodes.append(node)
        self._fail("unexpected EOF")

    def _text_or_action(self) -> Statement | _End:
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return Text(token.at, token.text)
        if token.kind is Kind.LEFT:
            self._action_line = token.line
            node = self._action()
            self._action_line = 0
            return node
        self._unexpected(token, "input")

    def _action(self) -> Statement | _End:
        token = self._next_word()
        if token.kind is Kind.KEYWORD:
            match token.text:
                case "if" | "with" | "range":
                    return self._branch(token.text)
                case "break" | "continue":
                    return self._jump(token)
                case "else":
                    return self._else()
                case "end":
                    self._expect("end", Kind.RIGHT)
                    return _End("end")
                case "template":
                    return self._call()
                case "block":
                    return self._block()
        self._ahead.append(token)
        at = self._peek().at
        return Action(at, self._pipeline("command", Kind.RIGHT))

    def _branch(self, keyword: str) -> Branch:
        variables = len(self._scope.variables)
        at = self._peek().at
        pipe = self._pipeline(keyword, Kind.RIGHT)
        self._scope.ranges += keyword == "range"
        body, end = self._list()
        self._scope.ranges -= keyword == "range"
        otherwise: List | None = None
        if end.keyword == "else":
            if end.following and end.following == keyword and keyword != "range":
                self._next_word()
                otherwise = List(self._peek().at)
                otherwise.nodes.append(self._branch(keyword))
            else:
                otherwise, end = self._list()
                if end.keyword != "end":
                    self._fail(f"expected end; found {end}")
        del self._scope.variables[variables:]
        return Branch(at, keyword, pipe, body, otherwise)

    def _else(self) -> _End:
        token = self._peek_word()
        if token.kind is Kind.KEYWORD and token.text in {"if", "with"}:
            return _End("else", token.text)
        self._expect("else", Kind.RIGHT)
        return _End("else")

    def _jump(self, token: Token) -> Jump:
        word = token.text
        following = self._next_word()
        if following.kind is not Kind.RIGHT:
            self._unexpected(following, "{{" + word + "}}")
        if not self._scope.ranges:
            self._fail(f"{{{{{word}}}}} outside {{{{range}}}}")
        return Jump(token.at, word)

    def _call(self) -> Call:
        context = "template clause"
        token = self._next_word()
        name = self._template_name(token, context)
        pipe: Pipe | None = None
        following = self._next_word()
        if following.kind is not Kind.RIGHT:
            self._ahead.append(following)
            pipe = self._pipeline(context, Kind.RIGHT)
        return Call(token.at, name, pipe)

    def _block(self) -> Call:
        context = "block clause"
        token = self._next_word()
        name = self._template_name(token, context)
        pipe = self._pipeline(context, Kind.RIGHT)
        line = self._line
        self._action_line = 0
        outer, self._scope = self._scope, _Scope()
        body, end = self._list()
        if end.keyword != "end":
            # Go says it of the line where the block begins.
            self._line = line
            self._fail(f"unexpected {end} in {context}")
        self._scope = outer
        self._add(name, body)
        return Call(token.at, name, pipe)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind not in {Kind.STRING, Kind.RAW_STRING}:
            self._unexpected(token, context)
        return self._string(token)

    def _string(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            self._fail(str(error))

    # Pipelines.

    def _pipeline(self, context: str, end: Kind) -> Pipe:
        self._nesting += 1
        if self._nesting > self._limits.nesting:
            raise TemplateLimitError(
                f"template: {self._name}:{self._line}: nested deeper than {self._limits.nesting}"
            )
        pipe = Pipe(self._peek_word().at)
        self._declarations(pipe, context)
        while True:
            token = self._next_word()
            if token.kind is end:
                self._check(pipe, context)
                self._nesting -= 1
                return pipe
            is_nil = token.kind is Kind.KEYWORD and token.text == "nil"
            if token.kind not in _OPERANDS and not is_nil:
                self._unexpected(token, context)
            self._ahead.append(token)
            pipe.commands.append(self._command())

    def _declarations(self, pipe: Pipe, context: str) -> None:
        while self._peek_word().kind is Kind.VARIABLE:
            variable = self._next_word()
            behind = self._next()
            following = behind
            if behind.kind is Kind.SPACE:
                following = self._next_word()
            if following.kind in {Kind.ASSIGN, Kind.DECLARE}:
                pipe.assigns = following.kind is Kind.ASSIGN
                self._declare(pipe, variable)
                return
            if following.kind is Kind.CHAR and following.text == ",":
                self._declare(pipe, variable)
                if context == "range" and len(pipe.variables) < 2:
                    token = self._peek_word()
                    if token.kind in {Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN}:
                        continue
                    self._fail("range can only initialize variables")
                self._fail(f"too many declarations in {context}")
            self._ahead.append(following)
            if behind is not following:
                self._ahead.append(behind)
            self._ahead.append(variable)
            return

    def _declare(self, pipe: Pipe, token: Token) -> None:
        pipe.variables.append(Variable(token.at, token.text.split(".")))
        self._scope.variables.append(token.text)

    def _check(self, pipe: Pipe, context: str) -> None:
        if not pipe.commands:
            self._fail(f"missing value for {context}")
        for place, command in enumerate(pipe.commands[1:]):
            if isinstance(command.args[0], Bool | Dot | Nil | Number | String):
                self._fail(f"non executable command in pipeline stage {place + 2}")

    def _command(self) -> Command:
        command = Command(self._peek_word().at)
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in {Kind.RIGHT, Kind.RIGHT_PAREN}:
                self._ahead.append(token)
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not command.args:
            self._fail("empty command")
        return command

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        at = self._peek().at
        names = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(node, Field):
            return Field(at, node.names + names)
        if isinstance(node, Variable):
            return Variable(at, node.names + names)
        if isinstance(node, Identifier | Chain | Pipe):
            return Chain(at, node, names)
        self._fail(f"unexpected . after term {quoted(str(node))}")

    def _term(self) -> Operand | None:
        token = self._next_word()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._fail(f"function {quoted(token.text)} not defined")
                return Identifier(token.at, token.text)
            case Kind.DOT:
                return Dot(token.at)
            case Kind.VARIABLE:
                if token.text not in self._scope.variables:
                    self._fail(f"undefined variable {quoted(token.text)}")
                return Variable(token.at, [token.text])
            case Kind.FIELD:
                return Field(token.at, [token.text[1:]])
            case Kind.BOOL:
                return Bool(token.at, token.text == "true")
            case Kind.CHARACTER | Kind.COMPLEX | Kind.NUMBER:
                try:
                    return number(token)
                except ValueError as error:
                    self._fail(str(error))
            case Kind.LEFT_PAREN:
                return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
            case Kind.STRING | Kind.RAW_STRING:
                return String(token.at, token.text, self._string(token))
            case _:
                if token.kind is Kind.KEYWORD and token.text == "nil":
                    return Nil(token.at)
                self._ahead.append(token)
                return None
