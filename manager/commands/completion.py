"""``spire-registrar completion``: what a shell and kubectl ask while somebody types a command.

The candidates come from the parser itself, so they cannot differ from what it takes. They are
given as kubectl's plugins give them (cobra's protocol): one in a line, with a tab and its help,
then a colon and a number. 4 says that files are no candidates, 0 that they are.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

WORD = "__complete"
"""The hidden command that the scripts call with the words that were typed so far."""

_FILES, _NO_FILES = 0, 4

_BASH = """\
# bash completion of {name}: source <({name} completion bash)
_{function}() {{
    local lines directive
    mapfile -t lines < <({name} {word} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null)
    [[ ${{#lines[@]}} -gt 0 ]] || return
    directive=${{lines[-1]}}
    unset 'lines[-1]'
    COMPREPLY=("${{lines[@]%%$'\\t'*}}")
    [[ $directive == :4 ]] || compopt -o default
}}
complete -F _{function} {name}
"""
_ZSH = """\
#compdef {name}
# zsh completion of {name}: source <({name} completion zsh)
_{function}() {{
    local -a lines described
    local line directive
    lines=("${{(@f)$({name} {word} "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    directive=$lines[-1]
    for line in ${{lines[1,-2]}}; do
        described+=("${{${{line%%$'\\t'*}}//:/\\\\:}}:${{line#*$'\\t'}}")
    done
    _describe '{name}' described
    [[ $directive == :4 ]] || _files
}}
compdef _{function} {name}
"""
_FISH = """\
# fish completion of {name}: {name} completion fish | source
function __{function}
    set -l words (commandline -opc) (commandline -ct)
    set -l lines ({name} {word} $words[2..-1] 2>/dev/null)
    test (count $lines) -gt 1; and printf '%s\\n' $lines[1..-2]
    test "$lines[-1]" = ":4"; or __fish_complete_path (commandline -ct)
end
complete -c {name} -f -a '(__{function})'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "completion",
        help="print a shell's completion script",
        description="Print the script that lets a shell complete the commands, flags and values of "
        "this program, as in: source <(spire-registrar completion bash). kubectl completes "
        "`kubectl spire` by itself where kubectl_complete-spire is in the PATH.",
        epilog="Exit code 0; 2 for a shell that is not known.",
    )
    parser.add_argument("shell", choices=tuple(_SCRIPTS))
    parser.set_defaults(main=main)


def main(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    name = Path(sys.argv[0]).name or "spire-registrar"
    function = name.replace("-", "_")
    script = _SCRIPTS[arguments.shell]
    sys.stdout.write(script.format(name=name, function=function, word=WORD))
    return 0


def answer(parser: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Print what may stand in the place of the last of the words, which may be empty."""
    found, directive = candidates(parser, words)
    for word, meaning in found:
        first = meaning.partition("\n")[0]
        sys.stdout.write(f"{word}\t{first}\n" if first else f"{word}\n")
    sys.stdout.write(f":{directive}\n")
    return 0


def candidates(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> tuple[list[tuple[str, str]], int]:
    """What may stand in the place of the last word, each with its help; and whether files may."""
    *before, last = words or [""]
    place = _Place(parser)
    for word in before:
        place.take(word)
    if place.option is None and last.startswith("-") and "=" in last:
        flag, _, begun = last.partition("=")
        option = place.flags.get(flag)
        values, directive = _values(option)
        return [(f"{flag}={v}", h) for v, h in values if v.startswith(begun)], directive
    if place.option is not None:
        values, directive = _values(place.option)
    elif last.startswith("-"):
        values, directive = place.unused_flags(), _NO_FILES
    else:
        values, directive = _values(place.positional)
    return [(word, meaning) for word, meaning in values if word.startswith(last)], directive


class _Place:
    """Where in the command line the next word stands."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._given: set[str] = set()
        self._enter(parser)

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        self.option: argparse.Action | None = None
        """The flag whose value comes next."""
        actions = parser._actions  # noqa: SLF001 - there is no other way to ask a parser
        self.flags = {name: a for a in actions for name in a.option_strings}
        self._positionals = [a for a in actions if not a.option_strings]

    @property
    def positional(self) -> argparse.Action | None:
        """What a word that is no flag would be."""
        return self._positionals[0] if self._positionals else None

    def take(self, word: str) -> None:
        """Go on behind a word."""
        if self.option is not None:
            self.option = None
        elif word.startswith("-") and word != "-":
            flag, equals, _ = word.partition("=")
            self._given.add(flag)
            action = self.flags.get(flag)
            if action is not None and not equals and _needs_value(action):
                self.option = action
        else:
            self._take_positional(word)

    def _take_positional(self, word: str) -> None:
        action = self.positional
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            found = action.choices.get(word)
            if found is not None:
                self._enter(found)
                return
        if action is not None and action.nargs not in {"*", "+"}:
            self._positionals.pop(0)

    def unused_flags(self) -> list[tuple[str, str]]:
        """The long flags that were not given yet."""
        return [
            (name, _help(action))
            for name, action in self.flags.items()
            if name not in self._given
            and action.help != argparse.SUPPRESS
            and (name.startswith("--") or len(action.option_strings) == 1)
        ]


def _needs_value(action: argparse.Action) -> bool:
    return action.nargs not in {0, "?"}


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _values(action: argparse.Action | None) -> tuple[list[tuple[str, str]], int]:
    """What may stand as the value of a flag or positional, and whether files may."""
    if action is None:
        return [], _NO_FILES
    if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
        return list(_subcommands(action)), _NO_FILES
    if action.choices is not None:
        return [(str(choice), "") for choice in action.choices], _NO_FILES
    return [], _FILES if _takes_path(action.type) else _NO_FILES


def _takes_path(kind: Callable[[str], object] | str | None) -> bool:
    return kind is Path


def _subcommands(
    action: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> Iterator[tuple[str, str]]:
    for choice in action._choices_actions:  # noqa: SLF001 - as above
        yield choice.dest, _help(choice)
