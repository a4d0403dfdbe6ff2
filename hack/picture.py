"""The README's picture: what becomes of one sample, worked out by the product's own rules."""

from html import escape
from pathlib import Path

from api.codec import convert
from api.documents import load_yaml_documents
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from registrar.claims.clusterspiffeid import claim_of
from registrar.claims.instance import Instance
from registrar.claims.naming import Naming
from registrar.claims.ownership import default_prefixes, entry_id

_SAMPLE = Path(__file__).resolve().parent.parent / "config/samples/by_label.yaml"
_CLUSTER, _TRUST_DOMAIN, _UID = "demo", "example.org", "690f61dc-0000-4000-8000-000000000000"
_WIDTH, _BOX, _GAP, _LINE, _TOP = 960, 288, 48, 20, 16

_STYLE = """\
text { font: 13px ui-monospace, monospace; fill: #1f2328; }
.title { font: bold 14px ui-sans-serif, sans-serif; }
.who { font: 12px ui-sans-serif, sans-serif; fill: #57606a; }
rect { fill: #f6f8fa; stroke: #57606a; }
path { stroke: #57606a; fill: none; marker-end: url(#end); }
#end path { marker-end: none; fill: #57606a; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .who { fill: #9da7b3; } rect { fill: #161b22; stroke: #9da7b3; }
  path { stroke: #9da7b3; } #end path { fill: #9da7b3; }
}"""


def render_picture() -> str:
    """The picture as SVG."""
    (document,) = load_yaml_documents(_SAMPLE.read_text(encoding="utf-8"))
    obj = convert(document, ClusterSpiffeId)
    key = claim_of(obj, trust_domain=_TRUST_DOMAIN, cluster=_CLUSTER).key
    name = Naming(Instance("layered").label).candidate(key)
    prefix = default_prefixes(_CLUSTER, _UID, "layered", "").current
    selectors = [str(selector) for selector in key.selectors]
    wanted = [f"podLabel {name}: {value}" for name, value in obj.spec.selector.pod_label.items()]
    boxes = [
        (
            "ClusterSpiffeId",
            "you write it",
            [obj.metadata.name, key.spiffe_id, *wanted],
        ),
        (
            "SpireEntry",
            "the registrar's record of it",
            [*_cut(name), "Ready: True"],
        ),
        (
            "entry on the SPIRE server",
            "the registrar makes and keeps it",
            [*_cut(entry_id(prefix, name)), key.spiffe_id, *selectors],
        ),
    ]
    rows = max(len(lines) for _, _, lines in boxes)
    height = _TOP + (rows + 3) * _LINE
    below = height + _LINE * 2
    parts = [_box(number, height, *box) for number, box in enumerate(boxes)]
    for number in range(len(boxes) - 1):
        x = (number + 1) * _BOX + number * _GAP
        parts.append(f'<path d="M {x} {height // 2} H {x + _GAP - 8}"/>')
    middle = 2 * (_BOX + _GAP) + _BOX // 2
    parts.append(f'<path d="M {middle} {height} V {below - 8}"/>')
    parts.append(_served(below, key.spiffe_id))
    title = "From an object that you write to the identity of a Pod"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {below + 4 * _LINE}"'
        f' role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n"
        '<marker id="end" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
        '<path d="M 0 0 L 8 4 L 0 8 z"/></marker>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _box(number: int, height: int, title: str, who: str, lines: list[str]) -> str:
    x = number * (_BOX + _GAP)
    parts = [f'<rect x="{x + 1}" y="1" width="{_BOX - 2}" height="{height - 2}" rx="6"/>']
    parts.append(_text(x, 0, title, "title"))
    parts.append(_text(x, 1, who, "who"))
    parts += [_text(x, row + 2, line) for row, line in enumerate(lines)]
    return "\n".join(parts)


def _served(top: int, spiffe_id: str) -> str:
    """The Pod that the entry is for, with all boxes' width."""
    said = f"The agent on its Node gives the Pod shop/web-1 (app=web) an SVID: {spiffe_id}"
    return "\n".join(
        [
            f'<rect x="1" y="{top}" width="{_WIDTH - 2}" height="{3 * _LINE}" rx="6"/>',
            f'<text class="title" x="16" y="{top + 25}">Pod</text>',
            f'<text x="16" y="{top + 46}">{escape(said)}</text>',
        ]
    )


def _text(x: int, row: int, line: str, name: str = "") -> str:
    kind = f' class="{name}"' if name else ""
    return f'<text{kind} x="{x + 16}" y="{_TOP + 12 + row * _LINE}">{escape(line)}</text>'


def _cut(text: str, width: int = 32) -> list[str]:
    """A long name in as many lines as it needs."""
    return [text[start : start + width] for start in range(0, len(text), width)]
