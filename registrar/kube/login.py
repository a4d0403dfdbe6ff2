"""What one reading of a Kubernetes configuration gives: where to call, and as whom."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass


@dataclass(frozen=True, slots=True)
class Login:
    """Everything that one reading of the configuration gives."""

    host: str
    authorization: str = ""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


def environment_proxy(host: str) -> str | None:
    """The proxy that HTTPS_PROXY and NO_PROXY name, address ranges in NO_PROXY included."""
    parts = urlsplit(host)
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme)
    name = parts.hostname or ""
    if not proxy or proxy_bypass(name):
        return None
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return proxy
    for item in proxies.get("no", "").split(","):
        try:
            if address in ipaddress.ip_network(item.strip(), strict=False):
                return None
        except ValueError:
            continue
    return None if address.is_loopback else proxy
