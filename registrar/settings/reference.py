"""The reference page of the configuration, written from the table of keys.

``docs/reference/configuration.md`` is what ``render_reference`` returns, so it
says what the program does. Called by the generator of files.
"""

from registrar.settings.keys import KEYS, Key

EXAMPLE = """\
cluster            = "production"
trust_domain       = "example.org"
server_socket_path = "/run/spire/sockets/registration.sock"

# An identity for every Pod that carries this label.
pod_controller = true
pod_label      = "spiffe.io/spiffe-id"

leader_election = true
drift_interval  = "1m"
log_level       = "debug"
"""

_HEAD = """\
<!-- Generated from registrar/settings/keys.py; edit that file instead. -->
# Configuration

The registrar reads one file in HCL 1, the format of SPIRE's own configuration, or the same
keys as JSON.

```hcl
{example}```

- Every key can also be given as a flag, which wins over the file: `--drift-interval 1m`.
  A boolean flag may stand alone for true; a list is separated by commas.
- A duration is a number of seconds or a text such as `"30s"`, `"1m30s"` or `"500ms"`.
- An empty text counts as not given.
- All mistakes are reported together, each with its line: unknown and repeated keys, wrong
  types, values out of range, required keys that are missing. A mistake in the syntax is
  reported alone.
- The keys marked with * are those of the layered spire-k8s-registrar and mean the same here.

| Key | Type | Default | Meaning |
|---|---|---|---|
"""


def render_reference() -> str:
    """The page, in Markdown."""
    rows = (
        f"| `{key.name}`{'*' if key.inherited else ''} | {key.kind} | {_default(key)} "
        f"| {key.meaning} |\n"
        for key in KEYS
    )
    return _HEAD.format(example=EXAMPLE) + "".join(rows)


def _default(key: Key[object]) -> str:
    if key.required:
        return "**required**"
    value = key.default
    if key.shown or value is None or value == "":
        return key.shown or "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset):
        return "`[" + ", ".join(f'"{name}"' for name in sorted(value)) + "]`"
    if isinstance(value, float) and key.kind == "duration":
        return f'`"{value:g}s"`'
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'
