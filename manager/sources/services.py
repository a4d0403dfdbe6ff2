"""What wakes Pods whose DNS names come of services."""

from api.meta import ObjectKey
from controllers import triggers
from controllers.source import Watch, watch
from manager.caches.services import ServiceCaches


def services_of_pods(services: ServiceCaches) -> list[Watch[ObjectKey]]:
    """Wake the Pods whose addresses in services change."""
    return [
        watch(services.slices, triggers.pods_moving_in_slice),
        watch(services.endpoints, triggers.pods_moving_in_endpoints),
    ]
