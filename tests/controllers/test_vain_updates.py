"""A server that keeps an entry otherwise than it was sent: an update is not sent for ever."""

from api.meta import find_condition
from api.proto.types_pb2 import Entry
from tests.support.setup import Setup, changed, some_looks, until


async def test_an_update_that_changes_nothing_is_not_sent_again_and_said(embedded: Setup) -> None:
    state, updates = embedded.spire.state, embedded.spire.calls
    put = state.put

    def put_in_lower_case(entry: Entry) -> Entry:
        entry.hint = entry.hint.lower()
        return put(entry)

    state.put = put_in_lower_case  # type: ignore[method-assign]
    async with embedded.registrar():
        await embedded.apply("web", hint="Loud")
        found = await embedded.until_ready("web")
        ready = find_condition(found.status.conditions, "Ready")
        assert ready is not None
        assert ready.reason == "EntryDiffers"
        assert "hint" in ready.message
        await some_looks(embedded)
        assert updates["BatchUpdateEntry"] == 1
        # It is sent again when the object changes, …
        await embedded.apply("web", hint="LOUDER")
        await until(lambda: [e.hint for e in embedded.entries("/web")] == ["louder"])
        assert updates["BatchUpdateEntry"] == 2
        # … and when somebody changes the entry on the server.
        (entry,) = embedded.entries("/web")
        put(changed(entry, hint="other"))
        await until(lambda: updates["BatchUpdateEntry"] == 3)
        await some_looks(embedded)
        assert updates["BatchUpdateEntry"] == 3


async def test_dns_names_keep_their_order_and_are_written_once(embedded: Setup) -> None:
    names = ["web-0.example.org", "alias.example.org"]
    async with embedded.registrar():
        await embedded.apply("web", dnsNames=names)
        await embedded.until_ready("web")
        await some_looks(embedded)
        assert [list(e.dns_names) for e in embedded.entries("/web")] == [names]
        assert embedded.spire.calls["BatchUpdateEntry"] == 0
        await embedded.apply("web", dnsNames=names[::-1])
        await until(lambda: [list(e.dns_names) for e in embedded.entries("/web")] == [names[::-1]])
        await some_looks(embedded)
        assert embedded.spire.calls["BatchUpdateEntry"] == 1
