"""URLs of bundle endpoints, read and written anew as Go's net/url does for a server."""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from devcluster.spire.refusal import Refusal

_WHAT = "failed to parse bundle endpoint URL"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_BAD_IN_HOST = re.compile(r"[ ^`{|}\\]")
_VALID = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/?%]*")
_PORT = re.compile(r"(?:.*\]|[^:\[]*)(?::[0-9]*)?", re.DOTALL)


def endpoint_url(url: str) -> str:
    """The URL as a server writes it. Raises Refusal."""
    if re.search(r"[\x00-\x1f\x7f]", url):
        raise Refusal(f'{_WHAT}: parse "{url}": net/url: invalid control character in URL')
    try:
        scheme, host, path, query, fragment = urlsplit(url)
        name = urlsplit(url).hostname
    except ValueError as error:
        raise Refusal(f"{_WHAT}: {error}") from error
    _check_text(url, host, path + fragment)
    if scheme != "https" or url[:1].isspace():
        raise Refusal("bundle endpoint URL must use the https scheme")
    if not name:
        raise Refusal("bundle endpoint URL must specify the host")
    if "@" in host:
        raise Refusal("bundle endpoint URL must not contain user info")
    host = quote_from_bytes(host.encode(), safe="!$&'()*+,;=:[]<>\"%")
    mark = "?" if "?" in url.partition("#")[0] else ""
    fragment = "#" + _written(fragment, "!()*$&+,/:;=?@") if fragment else ""
    return f"https://{host}{_written(path, '$&+,/:;=@')}{mark}{query}{fragment}"


def _check_text(url: str, host: str, rest: str) -> None:
    if found := _BAD_IN_HOST.search(host):
        raise Refusal(f'{_WHAT}: parse "{url}": invalid character "{found[0]}" in host name')
    if found := re.search(r"%(?!25).{0,2}", host) or _BAD_ESCAPE.search(rest):
        raise Refusal(f'{_WHAT}: parse "{url}": invalid URL escape "{found[0]}"')
    if "@" not in host and not _PORT.fullmatch(host):
        raise Refusal(f'{_WHAT}: parse "{url}": invalid port after host')


def _written(part: str, safe: str) -> str:
    """A part as it is, or with all escaped that must be where something must."""
    if _VALID.fullmatch(part):
        return part
    return quote_from_bytes(unquote_to_bytes(part), safe=safe)
