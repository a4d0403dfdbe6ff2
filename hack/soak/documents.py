"""What lies in documents of Kubernetes, read without trust in their shape."""

Document = dict[str, object]


def text(document: object, *path: str) -> str:
    """Return a text in a document; empty where there is none."""
    found = at(document, *path)
    return found if isinstance(found, str) else ""


def at(document: object, *path: str) -> object:
    """Return what is at a path; None where nothing is."""
    for name in path:
        if not isinstance(document, dict):
            return None
        document = document.get(name)
    return document


def texts(document: object, *path: str) -> tuple[str, ...]:
    """Return a list of texts."""
    found = at(document, *path)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def table(document: object, *path: str) -> dict[str, str]:
    """Return a mapping of texts."""
    found = at(document, *path)
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def number(document: object, *path: str) -> int:
    """Return a number; 0 where there is none."""
    found = at(document, *path)
    return found if isinstance(found, int) else 0


def name_of(document: Document) -> str:
    """Return its name, with its namespace where it has one."""
    namespace, name = text(document, "metadata", "namespace"), text(document, "metadata", "name")
    return f"{namespace}/{name}" if namespace else name


def generation_of(document: Document) -> int:
    """Return the number of its last edit; 0 where there is none."""
    return number(document, "metadata", "generation")


def observed_generation_of(document: Document) -> int:
    """Return the number of the edit that its status speaks of."""
    return number(document, "status", "observedGeneration")


def uid_of(document: Document) -> str:
    """Return its uid."""
    return text(document, "metadata", "uid")


def age_of(document: Document) -> str:
    """Return when it was made, as text that sorts."""
    return text(document, "metadata", "creationTimestamp")
