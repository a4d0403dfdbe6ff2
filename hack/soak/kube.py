"""The Kubernetes API through the official client: documents in, documents out."""

import json
from pathlib import Path

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

Document = dict[str, object]

KubeError = (ApiException, HTTPError, OSError)
"""What a call raises that was refused, or whose outcome nobody knows."""

_SECONDS = 4


class Kube:
    """One client; not for several threads at the same time."""

    def __init__(self, kubeconfig: Path) -> None:
        configuration = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        # A call that failed is told, not repeated behind the caller's back.
        configuration.retries = False
        self._client = client.ApiClient(configuration)

    def list(self, path: str) -> list[Document] | None:
        """Return the objects at a path; None for a kind that is not served."""
        try:
            found = self._call(path, "GET")
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        items = found["items"]
        return items if isinstance(items, list) else []

    def get(self, path: str) -> Document | None:
        """Return an object, or None."""
        try:
            return self._call(path, "GET")
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, document: Document) -> Document | None:
        """Make an object; None if one of that name is there."""
        try:
            return self._call(path, "POST", document)
        except ApiException as error:
            if error.status == 409:
                return None
            raise

    def merge(self, path: str, change: Document) -> Document | None:
        """Change an object; None if there is none."""
        try:
            return self._call(path, "PATCH", change, "application/merge-patch+json")
        except ApiException as error:
            if error.status == 404:
                return None
            raise

    def put(self, path: str, document: Document) -> None:
        """Make an object, or give the one that is there another spec."""
        collection, _, _ = path.rpartition("/")
        if self.create(collection, document) is not None:
            return
        there = self.get(path)
        if there is not None:
            self._call(path, "PUT", {**there, "spec": document["spec"]})

    def delete(self, path: str) -> None:
        """Delete an object at once, or all of a collection; nothing if there is none."""
        try:
            self._call(path, "DELETE", {"gracePeriodSeconds": 0})
        except ApiException as error:
            if error.status != 404:
                raise

    def _call(
        self, path: str, method: str, body: Document | None = None, kind: str = "application/json"
    ) -> Document:
        response = self._client.call_api(
            *self._client.param_serialize(
                method,
                path,
                header_params={"Accept": "application/json", "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
            ),
            _request_timeout=_SECONDS,
        )
        answer: bytes = response.read()  # type: ignore[no-untyped-call]
        if response.status >= 300:
            raise ApiException(status=response.status, reason=answer.decode(errors="replace"))
        found: Document = json.loads(answer)
        return found
