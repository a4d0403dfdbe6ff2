"""Lines of mountinfo, as proc_pid_mountinfo(5) describes them."""

from registrar.csi.mounts import Mount, parse_mount, read_mounts


def test_a_line_has_target_type_and_source() -> None:
    line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    assert parse_mount(line) == Mount("/mnt2", "ext3", "/dev/root")


def test_optional_fields_may_be_none_or_many() -> None:
    assert parse_mount("1 2 0:1 / /a rw - tmpfs csi.spire.io rw").fs_type == "tmpfs"
    assert parse_mount("1 2 0:1 / /a rw a:1 b:2 c - tmpfs x rw").source == "x"


def test_what_is_no_plain_text_is_written_in_octal() -> None:
    assert parse_mount(r"1 2 0:1 / /a\040b\134c\012 rw - tmpfs x rw").target == "/a b\\c\n"


def test_the_machines_own_mounts_can_be_read() -> None:
    assert "/" in {mount.target for mount in read_mounts()}
