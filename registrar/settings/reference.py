"""The reference page of the configuration, written from the tables of keys.

``docs/reference/configuration.md`` is what ``render_reference`` returns, so it
says what the program does. Called by the generator of files.
"""

from registrar.settings.csi import CSI_KEYS
from registrar.settings.keys import KEYS, keys_of
from registrar.settings.kinds import Key
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

`spire-registrar check --config FILE` says whether a file is right, whose it is, which mode it
means, and how that is known; the first line of the log says so too. All mistakes are reported
together, each with its line: unknown and repeated keys, wrong types, values out of range, required
keys that are missing. A mistake in the syntax is reported alone.

**A zero value that a key cannot have counts as not given**, in every file: `null`, an empty text,
list or mapping, `0`, `0s`. Programs and templates write them for what nobody set. So an interval of
0 is the default, while `deletion_budget_count = 0` is a budget of none.

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
- `reconcile: {{}}` turns all three kinds off, as in the original; `reconcile: null` is nothing.
- `ignoreNamespaces: []` ignores none; `entryIDPrefixCleanup: ""` is not nothing either, see there.
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
- A flag of the layered registrar overrides the key of the same name here.
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

_TABLE = """
{title}

| Key | Type | Default | Meaning |
|---|---|---|---|
{rows}"""

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
    return _HEAD.format(example=EXAMPLE) + rows + manager + workload + csi


def _row(key: Key[object], mark: str) -> str:
    return f"| `{key.name}`{mark} | {key.kind.name} | {_default(key)} | {key.meaning} |\n"


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
    if isinstance(value, float) and key.kind.name == "duration":
        return f'`"{value:g}s"`'
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'
