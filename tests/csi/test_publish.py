"""NodePublishVolume and NodeUnpublishVolume on real mounts."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.csi import Node, mounts_below


async def test_a_volume_holds_the_files_of_its_pod_when_the_call_returns(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert sorted(
            found.name for found in path.iterdir() if not found.name.startswith("..")
        ) == [
            "bundle.pem",
            "svid.pem",
            "svid_key.pem",
        ]
        leaf = x509.load_pem_x509_certificate((path / "svid.pem").read_bytes())
        key = load_pem_private_key((path / "svid_key.pem").read_bytes(), password=None)
        assert key.public_key() == leaf.public_key()
        assert (path / "bundle.pem").read_bytes() == node.spire.authority.certificate_pem
        assert mounts_below(node.folder) == [str(path)]
        await driver.unpublish(pod)
        assert mounts_below(node.folder) == []
        assert not path.exists()
        assert not list(node.records.iterdir())
