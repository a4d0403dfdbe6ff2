"""All targets, by name."""

from tests.fuzz import documents, identities, kubernetes, names, templates, volumes

TARGETS = {
    target.name: target
    for target in (
        templates.TARGET,
        names.ID,
        names.SELECTOR,
        names.DURATION,
        documents.HCL,
        documents.YAML,
        kubernetes.WATCH,
        kubernetes.ADMISSION,
        identities.ENTRY,
        identities.AGENT,
        identities.DER,
        identities.BUNDLE,
        volumes.TARGET,
    )
}
