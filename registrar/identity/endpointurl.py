"""The URL of a bundle endpoint, spelled as a SPIRE server gives it back.

A server reads it as Go's net/url does and writes it anew: what has to be escaped is, and the scheme
is in small letters. Whoever compares what was sent with what comes back needs the same spelling,
or would find a difference for ever.
"""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

_REMEDY = "write https://<host>[:<port>]/<path>, without a user name or password"
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Of escapes Go takes those that are no ASCII, and that of the percent sign itself.
_NOT_IN_HOST = re.compile(r"[ ^`{|}\\]|%(?!25|[89A-Fa-f][0-9A-Fa-f])")
_PARTS = re.compile(r"[hH][tT][tT][pP][sS]://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#(.*))?", re.DOTALL)
_PORT = re.compile(r"(?::[0-9]*)?")
# What may stand as it is, and what stays unescaped where something else has to be escaped.
_PATH_AS_IT_IS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]*")
_FRAGMENT_AS_IT_IS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/?%]*")
_IN_HOST = "!$&'()*+,;=:[]<>\""
_IN_PATH = "$&+,/:;=@"
_IN_FRAGMENT = "!()*$&+,/:;=?@"


def as_server_writes(url: str) -> str:
    """Return the server's spelling.

    Raises:
        ValueError: it would refuse the URL; the message ends with what to do.

    """
    found = _PARTS.fullmatch(url)
    if found is None or _CONTROL.search(url):
        raise ValueError(_REMEDY)
    host, path, query, fragment = (part or "" for part in found.groups())
    _check_host(url, host)
    if _ESCAPE.search(path) or _ESCAPE.search(fragment):
        raise ValueError(f"a % must begin an escape such as %20: {_REMEDY}")
    authority = quote_from_bytes(unquote_to_bytes(host), safe=_IN_HOST)
    path = _escaped(path, _PATH_AS_IT_IS, _IN_PATH)
    fragment = _escaped(fragment, _FRAGMENT_AS_IT_IS, _IN_FRAGMENT)
    return f"https://{authority}{path}{query}" + (f"#{fragment}" if fragment else "")


def _check_host(url: str, host: str) -> None:
    if "@" in host:
        raise ValueError(_REMEDY)
    if _NOT_IN_HOST.search(host):
        raise ValueError(f"a character of the host is none: {_REMEDY}")
    try:
        name = urlsplit(url).hostname
    except ValueError as error:
        raise ValueError(f"{error}: {_REMEDY}") from error
    if not name:
        raise ValueError(_REMEDY)
    _, bracket, port = host.rpartition("]")
    port = port if bracket else ":" + host.partition(":")[2] if ":" in host else ""
    if not _PORT.fullmatch(port):
        raise ValueError(f"a port is a number: {_REMEDY}")


def _escaped(text: str, as_it_is: re.Pattern[str], safe: str) -> str:
    if as_it_is.fullmatch(text):
        return text
    return quote_from_bytes(unquote_to_bytes(text), safe=safe)
