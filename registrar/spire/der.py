"""Certificates as SPIFFE's APIs send them: DER values that stand one after the other."""


class BrokenDER(ValueError):  # noqa: N818 - named by what it is
    """Not a row of DER values; the message says why."""


def split_der(data: bytes) -> tuple[bytes, ...]:
    """The values, apart. Raises BrokenDER."""
    values = []
    start = 0
    while start < len(data):
        end = start + _der_length(data, start)
        if end > len(data):
            raise BrokenDER("a certificate that is cut off")
        values.append(data[start:end])
        start = end
    return tuple(values)


def _der_length(data: bytes, start: int) -> int:
    """The length of the value at ``start``, with its tag and length octets (X.690, 8.1.3)."""
    header = data[start : start + 2]
    if len(header) < 2 or header[0] != 0x30:
        raise BrokenDER("something that is no certificate")
    if header[1] < 0x80:
        return 2 + header[1]
    count = header[1] & 0x7F
    octets = data[start + 2 : start + 2 + count]
    if not 1 <= count <= 4 or len(octets) < count:
        raise BrokenDER("a certificate of no sensible length")
    return 2 + count + int.from_bytes(octets, "big")
