"""The reference page of the configuration, written from the tables of keys.

``docs/reference/configuration.md`` is what ``render_reference`` returns, so it
says what the program does. Called by the generator of files.
"""

from registrar.settings.csi import CSI_KEYS
from registrar.settings.keys import KEYS, keys_of
from registrar.settings.kinds import Dialect, Key
from registrar.settings.managerkeys import IGNORED, MANAGER_KEYS
from registrar.settings.workloadkeys import ADDED, COMMON, IDLE, OF_MODE, Mode

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

MANAGER_EXAMPLE = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: production
trustDomain: example.org
spireServerSocketPath: /run/spire/server/api.sock
ignoreNamespaces: ["^kube-system$", "^kube-public$", "^spire$"]
leaderElection:
  leaderElect: true
metrics:
  bindAddress: ":8082"
health:
  healthProbeBindAddress: ":8083"
"""

WORKLOAD_EXAMPLE = """\
mode               = "crd"
cluster            = "production"
trust_domain       = "example.org"
server_socket_path = "/run/spire/sockets/registration.sock"

identity_template  = "region/{{.Context.Region}}/ns/{{.Pod.Namespace}}/sa/{{.Pod.ServiceAccount}}"
dns_name_templates = ["{{.Pod.Name}}", "{{.Pod.ServiceAccount}}.{{.Pod.Namespace}}.svc"]
context {
  Region = "north"
}
"""

CSI_EXAMPLE = """\
node_name                = "node-1"
agent_admin_socket_path  = "/run/spire/admin/admin.sock"
workload_api_socket_path = "/run/spire/agent/api.sock"
first_svid_timeout       = "30s"
"""

_HEAD = """\
<!-- Generated from registrar/settings/{{keys,managerkeys,workloadkeys,csi}}.py: edit those. -->
# Configuration

`spire-registrar run --config FILE` reads one of three files, and knows by what stands in it which:

- the layered registrar's, in HCL 1 (the format of SPIRE's own configuration) or the same keys as
  JSON;
- the [controller manager's](#the-controller-managers-file), in YAML;
- the [workload registrar's](#the-workload-registrars-file), in HCL 1 too.

Without `--config` the file is `spire-k8s-registrar.conf` in the current folder, else
`k8s-workload-registrar.conf`.

`spire-registrar check FILE` says which tool's file it is taken for, in which mode it would run, and
by which key that is known; the first line of the log says so too. All mistakes are reported
together, each with its line: unknown and repeated keys, wrong types, values out of range, required
keys that are missing, templates that do not render. So are the keys that are deprecated or
ignored, with what each does. A mistake in the syntax is reported alone. `-o json` and `-o yaml` are
for programs; the exit code is 0 for a file that is right, else 2.

What counts as not given, in every file and on the command line, is
[one rule](#what-counts-as-not-given). What a setting is called in each file is in
[one table](#one-setting-in-every-file). Samples have each file with every key:
[the layered registrar's](samples/spire-k8s-registrar.conf),
[the controller manager's](samples/spire-controller-manager-config.yaml), the workload registrar's
([webhook](samples/k8s-workload-registrar-webhook.conf),
[reconcile](samples/k8s-workload-registrar-reconcile.conf),
[crd](samples/k8s-workload-registrar-crd.conf)) and [the node driver's](samples/csi.conf).

## The layered registrar's file

```hcl
{example}```

- Every key can also be given as a flag, which wins over the file: `--drift-interval 1m`.
  A boolean flag may stand alone for true; a list is separated by commas.
- A duration is a number of seconds or a text such as `"30s"`, `"1m30s"` or `"500ms"`.
- The Kubernetes API is found as kubectl finds it: `kubeconfig`; else the files that `KUBECONFIG`
  lists, merged, the first to name something counts; else what a Pod has; else `~/.kube/config`.
  `--context NAME` chooses another context than the current one. This holds for all three files.
- The keys marked with * are those of the layered spire-k8s-registrar and mean the same here.

| Key | Type | Default | Meaning |
|---|---|---|---|
"""

_MANAGER = """
## The controller manager's file

A file with `kind: ControllerManagerConfig` chooses the mode of spire-controller-manager; so does
YAML without a kind but with `clusterName` or `trustDomain`. JSON is YAML. Of several documents the
first of that kind is read.

```yaml
{example}```

- A key with a dot lies within another one, as in the example.
- With `--expand-env`, `$NAME` and `${{NAME}}` in the file stand for environment variables. One that
  is not set is an empty text.
- A duration is a text such as `10s`, `1m30s` or `500ms`, or a whole number of nanoseconds, also as
  `1e+10`. `gcInterval` below zero is the default, as in the original.
- The namespace of the deprecated `cacheNamespace` counts where `cacheNamespaces` names none.
- `ENABLE_WEBHOOKS=false` in the environment turns the validating webhook off.
- A flag of the layered registrar overrides the key here that means the same, where there is one.
  The keys marked with + have one.

| Key | Type | Default | Meaning |
|---|---|---|---|
{rows}
These keys of the original are accepted with a warning, and do nothing:

| Key | Why |
|---|---|
{ignored}"""

_WORKLOAD = """
## The workload registrar's file

An HCL file is taken for k8s-workload-registrar's by a key that only that tool has, such as `mode`,
or by its name, `k8s-workload-registrar.conf`.

```hcl
{example}```

- A key of another mode is accepted with a warning, so that a file can be kept while its mode
  changes. But without `mode`, a key that webhook mode, its default, does not have is a mistake:
  `mode` must be written then.
- A flag of the layered registrar overrides the key here that means the same; its name is in the
  [table](#one-setting-in-every-file).
{tables}
These keys are accepted with a warning in every mode, and do nothing:

| Key | Why |
|---|---|
{idle}"""

_CSI = """
## The node driver's file

`spire-registrar csi --config FILE` reads a file of its own; with `--check` it only says whether
that is right.

```hcl
{example}```

| Key | Type | Default | Meaning |
|---|---|---|---|
{rows}"""

_NOTHING = """
## What counts as not given

Programs and templates write something for a key that nobody set, and the original tools take that
for nothing. So there is one rule for every key of every file:

**`null`, an empty text, an empty list, an empty mapping, `0` and `0s` count as not given**, and the
default holds. A required key is missing then. Nothing in this is a mistake or brings a warning.

- A value that the key can have is no such thing. `false` is false for a boolean, and so is `0`. For
  a key whose type is a text (a name, path, prefix or template) `0` and `0s` are that text.
- On the command line a flag without a text sets its key back to the default, whatever the file
  says; `[]` is the empty list.
- A key that holds other keys, such as `leaderElection`, says nothing as `null` or `{{}}`. Only
  `reconcile: {{}}` turns all three kinds off, as in the original.

Where a zero value has a meaning of its own, the tool that the file is for gave it that:

| Key | Written | Means |
|---|---|---|
{zeros}"""

_ALIASES = """
## One setting in every file

Each row is one setting. A flag has the name of the first column. *no*: the tool's file has no such
key. What differs besides the name stands in the sections above.

| Layered registrar, flag | Controller manager | webhook | reconcile | crd | Node driver |
|---|---|---|---|---|---|
{rows}"""

_TABLE = """
{title}

| Key | Type | Default | Meaning |
|---|---|---|---|
{rows}"""

_DIALECTS: tuple[Dialect, ...] = ("manager", "webhook", "reconcile", "crd", "csi")
_MODE_TITLES: dict[Mode, str] = {
    "webhook": "Keys of webhook mode:",
    "reconcile": "Keys of reconcile mode:",
    "crd": "Keys of crd mode:",
}


def render_reference() -> str:
    """The page, in Markdown."""
    rows = "".join(_row(key, "*" if key.inherited else "") for key in KEYS)
    with_flags = {key.name for key in keys_of("manager")}
    manager = _MANAGER.format(
        example=MANAGER_EXAMPLE,
        rows="".join(_row(key, "+" if key.name in with_flags else "") for key in MANAGER_KEYS),
        ignored="".join(f"| `{name}` | {why} |\n" for name, why in IGNORED.items()),
    )
    groups = [("Keys of all modes:", COMMON)]
    groups += [(_MODE_TITLES[mode], keys) for mode, keys in OF_MODE.items()]
    groups.append(("What the original lacks, in all modes:", ADDED))
    workload = _WORKLOAD.format(
        example=WORKLOAD_EXAMPLE,
        tables="".join(
            _TABLE.format(title=title, rows="".join(_row(key, "") for key in keys))
            for title, keys in groups
        ),
        idle="".join(f"| `{name}` | {why} |\n" for name, why in IDLE.items()),
    )
    csi = _CSI.format(example=CSI_EXAMPLE, rows="".join(_row(key, "") for key in CSI_KEYS))
    return _HEAD.format(example=EXAMPLE) + rows + manager + workload + csi + _zeros() + _aliases()


def _zeros() -> str:
    """The rule of zero values, with each one that means something."""
    tables = (KEYS, MANAGER_KEYS, *OF_MODE.values(), CSI_KEYS)
    found = {
        f"| `{key.name}` | `{zero}` | {words} |\n"
        for table in tables
        for key in table
        for zero, words in key.zeros.items()
        if words
    }
    return _NOTHING.format(zeros="".join(sorted(found)))


def _aliases() -> str:
    """The alias table."""
    rows = ""
    for key in KEYS:
        names = [key.names.get(dialect) for dialect in _DIALECTS]
        cells = ["*no*" if other is None else f"`{other.name or key.name}`" for other in names]
        if key.name == "server_address":
            # The workload registrar's takes the path of a socket, too: a row of its own.
            cells[1:4] = [f"`{key.name}`"] * 3
        rows += f"| `{key.name}` | {' | '.join(cells)} |\n"
    return _ALIASES.format(rows=rows)


def _row(key: Key[object], mark: str) -> str:
    return f"| `{key.name}`{mark} | {key.kind.name} | {default_of(key)} | {meaning_of(key)} |\n"


def meaning_of(key: Key[object]) -> str:
    """The meaning, with what zero values mean that count as given."""
    zeros = [f"`{zero}`: {words}." for zero, words in key.zeros.items() if words]
    return " ".join([key.meaning, *zeros])


def default_of(key: Key[object]) -> str:
    """The default, for a person; a value stands in backticks."""
    if key.required:
        return "**required**"
    value = key.default
    if key.shown or value is None or value == "":
        return key.shown or "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, frozenset):
        return "`[" + ", ".join(f'"{name}"' for name in sorted(value)) + "]`"
    if isinstance(value, float) and key.kind.name == "duration":
        return f'`"{value:g}s"`'
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'
