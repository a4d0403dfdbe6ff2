"""All targets, by name."""

from tests.fuzz import agents, documents, identities, kubernetes, names, templates, volumes

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
        agents.TARGET,
        identities.DER,
        identities.BUNDLE,
        volumes.TARGET,
    )
}
