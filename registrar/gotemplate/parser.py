"""Tokens to trees: one for the template itself, one for each ``define`` and ``block``."""

from collections.abc import Collection
from dataclasses import dataclass, field

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.lexer import Kind, Token, quoted
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
from registrar.gotemplate.tokens import Tokens

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
        self._tokens = Tokens(name, text, limits.tokens)
        self._nesting = 0
        self._scope = _Scope()
        self.trees: dict[str, List] = {}

    def parse(self) -> dict[str, List]:
        """All trees by name. Raises TemplateParseError."""
        root = List(0)
        while self._tokens.peek().kind is not Kind.EOF:
            if self._tokens.peek().kind is Kind.LEFT:
                delimiter = self._tokens.next()
                token = self._tokens.next_word()
                if token.kind is Kind.KEYWORD and token.text == "define":
                    self._define()
                    continue
                self._tokens.back(delimiter, token)
            node = self._text_or_action()
            if isinstance(node, _End):
                self._tokens.fail(f"unexpected {node}")
            root.nodes.append(node)
        self._add(self._name, root)
        return self.trees

    @property
    def size(self) -> int:
        """How many words and signs were parsed."""
        return self._tokens.taken

    # Lists of statements.

    def _add(self, name: str, tree: List) -> None:
        known = self.trees.get(name)
        if known is None or known.is_empty:
            self.trees[name] = tree
        elif not tree.is_empty:
            self._tokens.fail(f"template: multiple definition of template {quoted(name)}")

    def _define(self) -> None:
        context = "define clause"
        name = self._string(self._tokens.expect(context, Kind.STRING, Kind.RAW_STRING))
        self._tokens.expect(context, Kind.RIGHT)
        outer, self._scope = self._scope, _Scope()
        body, end = self._list()
        if end.keyword != "end":
            self._tokens.fail(f"unexpected {end} in {context}")
        self._scope = outer
        self._add(name, body)

    def _deeper(self) -> None:
        """Go into a list or pipeline. Raises TemplateLimitError when it lies in too many."""
        self._nesting += 1
        if self._nesting > self._limits.nesting:
            place = f"{self._name}:{self._tokens.line}"
            raise TemplateLimitError(
                f"template: {place}: nested deeper than {self._limits.nesting}"
            )

    def _list(self) -> tuple[List, _End]:
        """Statements up to an ``end`` or ``else``."""
        self._deeper()
        found = List(self._tokens.peek_word().at)
        while self._tokens.peek_word().kind is not Kind.EOF:
            node = self._text_or_action()
            if isinstance(node, _End):
                self._nesting -= 1
                return found, node
            found.nodes.append(node)
        self._tokens.fail("unexpected EOF")

    def _text_or_action(self) -> Statement | _End:
        token = self._tokens.next_word()
        if token.kind is Kind.TEXT:
            return Text(token.at, token.text)
        if token.kind is Kind.LEFT:
            self._tokens.action_line = token.line
            node = self._action()
            self._tokens.action_line = 0
            return node
        self._tokens.unexpected(token, "input")

    def _action(self) -> Statement | _End:
        token = self._tokens.next_word()
        if token.kind is Kind.KEYWORD:
            match token.text:
                case "if" | "with" | "range":
                    return self._branch(token.text)
                case "break" | "continue":
                    return self._jump(token)
                case "else":
                    return self._else()
                case "end":
                    self._tokens.expect("end", Kind.RIGHT)
                    return _End("end")
                case "template":
                    return self._call()
                case "block":
                    return self._block()
        self._tokens.back(token)
        at = self._tokens.peek().at
        return Action(at, self._pipeline("command", Kind.RIGHT))

    def _branch(self, keyword: str) -> Branch:
        variables = len(self._scope.variables)
        at = self._tokens.peek().at
        pipe = self._pipeline(keyword, Kind.RIGHT)
        self._scope.ranges += keyword == "range"
        body, end = self._list()
        self._scope.ranges -= keyword == "range"
        otherwise: List | None = None
        if end.keyword == "else":
            if end.following and end.following == keyword and keyword != "range":
                self._tokens.next_word()
                otherwise = List(self._tokens.peek().at)
                otherwise.nodes.append(self._branch(keyword))
            else:
                otherwise, end = self._list()
                if end.keyword != "end":
                    self._tokens.fail(f"expected end; found {end}")
        del self._scope.variables[variables:]
        return Branch(at, keyword, pipe, body, otherwise)

    def _else(self) -> _End:
        token = self._tokens.peek_word()
        if token.kind is Kind.KEYWORD and token.text in {"if", "with"}:
            return _End("else", token.text)
        self._tokens.expect("else", Kind.RIGHT)
        return _End("else")

    def _jump(self, token: Token) -> Jump:
        word = token.text
        following = self._tokens.next_word()
        if following.kind is not Kind.RIGHT:
            self._tokens.unexpected(following, "{{" + word + "}}")
        if not self._scope.ranges:
            self._tokens.fail(f"{{{{{word}}}}} outside {{{{range}}}}")
        return Jump(token.at, word)

    def _call(self) -> Call:
        context = "template clause"
        token = self._tokens.next_word()
        name = self._template_name(token, context)
        pipe: Pipe | None = None
        following = self._tokens.next_word()
        if following.kind is not Kind.RIGHT:
            self._tokens.back(following)
            pipe = self._pipeline(context, Kind.RIGHT)
        return Call(token.at, name, pipe)

    def _block(self) -> Call:
        context = "block clause"
        token = self._tokens.next_word()
        name = self._template_name(token, context)
        pipe = self._pipeline(context, Kind.RIGHT)
        line = self._tokens.line
        self._tokens.action_line = 0
        outer, self._scope = self._scope, _Scope()
        body, end = self._list()
        if end.keyword != "end":
            # Go says it of the line where the block begins.
            self._tokens.line = line
            self._tokens.fail(f"unexpected {end} in {context}")
        self._scope = outer
        self._add(name, body)
        return Call(token.at, name, pipe)

    def _template_name(self, token: Token, context: str) -> str:
        if token.kind not in {Kind.STRING, Kind.RAW_STRING}:
            self._tokens.unexpected(token, context)
        return self._string(token)

    def _string(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            self._tokens.fail(str(error))

    # Pipelines.

    def _pipeline(self, context: str, end: Kind) -> Pipe:
        self._deeper()
        pipe = Pipe(self._tokens.peek_word().at)
        self._declarations(pipe, context)
        while True:
            token = self._tokens.next_word()
            if token.kind is end:
                self._check(pipe, context)
                self._nesting -= 1
                return pipe
            is_nil = token.kind is Kind.KEYWORD and token.text == "nil"
            if token.kind not in _OPERANDS and not is_nil:
                self._tokens.unexpected(token, context)
            self._tokens.back(token)
            pipe.commands.append(self._command())

    def _declarations(self, pipe: Pipe, context: str) -> None:
        while self._tokens.peek_word().kind is Kind.VARIABLE:
            variable = self._tokens.next_word()
            behind = self._tokens.next()
            following = behind
            if behind.kind is Kind.SPACE:
                following = self._tokens.next_word()
            if following.kind in {Kind.ASSIGN, Kind.DECLARE}:
                pipe.assigns = following.kind is Kind.ASSIGN
                self._declare(pipe, variable)
                return
            if following.kind is Kind.CHAR and following.text == ",":
                self._declare(pipe, variable)
                if context == "range" and len(pipe.variables) < 2:
                    token = self._tokens.peek_word()
                    if token.kind in {Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN}:
                        continue
                    self._tokens.fail("range can only initialize variables")
                self._tokens.fail(f"too many declarations in {context}")
            spaces = () if behind is following else (behind,)
            self._tokens.back(variable, *spaces, following)
            return

    def _declare(self, pipe: Pipe, token: Token) -> None:
        pipe.variables.append(Variable(token.at, token.text.split(".")))
        self._scope.variables.append(token.text)

    def _check(self, pipe: Pipe, context: str) -> None:
        if not pipe.commands:
            self._tokens.fail(f"missing value for {context}")
        for place, command in enumerate(pipe.commands[1:]):
            if isinstance(command.args[0], Bool | Dot | Nil | Number | String):
                self._tokens.fail(f"non executable command in pipeline stage {place + 2}")

    def _command(self) -> Command:
        command = Command(self._tokens.peek_word().at)
        while True:
            self._tokens.peek_word()
            operand = self._operand()
            if operand is not None:
                command.args.append(operand)
            token = self._tokens.next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in {Kind.RIGHT, Kind.RIGHT_PAREN}:
                self._tokens.back(token)
            elif token.kind is not Kind.PIPE:
                self._tokens.unexpected(token, "operand")
            break
        if not command.args:
            self._tokens.fail("empty command")
        return command

    def _operand(self) -> Operand | None:
        node = self._term()
        if node is None or self._tokens.peek().kind is not Kind.FIELD:
            return node
        at = self._tokens.peek().at
        names = []
        while self._tokens.peek().kind is Kind.FIELD:
            names.append(self._tokens.next().text[1:])
        if isinstance(node, Field):
            return Field(at, node.names + names)
        if isinstance(node, Variable):
            return Variable(at, node.names + names)
        if isinstance(node, Identifier | Chain | Pipe):
            return Chain(at, node, names)
        self._tokens.fail(f"unexpected . after term {quoted(str(node))}")

    def _term(self) -> Operand | None:
        token = self._tokens.next_word()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._tokens.fail(f"function {quoted(token.text)} not defined")
                return Identifier(token.at, token.text)
            case Kind.DOT:
                return Dot(token.at)
            case Kind.VARIABLE:
                if token.text not in self._scope.variables:
                    self._tokens.fail(f"undefined variable {quoted(token.text)}")
                return Variable(token.at, [token.text])
            case Kind.FIELD:
                return Field(token.at, [token.text[1:]])
            case Kind.BOOL:
                return Bool(token.at, token.text == "true")
            case Kind.CHARACTER | Kind.COMPLEX | Kind.NUMBER:
                try:
                    return number(token)
                except ValueError as error:
                    self._tokens.fail(str(error))
            case Kind.LEFT_PAREN:
                return self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
            case Kind.STRING | Kind.RAW_STRING:
                return String(token.at, token.text, self._string(token))
            case _:
                if token.kind is Kind.KEYWORD and token.text == "nil":
                    return Nil(token.at)
                self._tokens.back(token)
                return None
