"""An archive never leaves its own folder, and whatever it is made of, its reading ends soon and in little memory."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib

import pytest
from project import SLOWER

from rlhf_lesson.grading.archives import files_of, in_archive, sound
from rlhf_lesson.grading.files import Budget, Entry, Unreadable


def zipped(files, method=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def tarred(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return data.getvalue()


def handed_in(name, data, **limits):
    """What one student's file gives, and what is noted of it."""
    notes = []
    entry = Entry(name, lambda most: data[:most])
    return dict(files_of([entry], Budget(**limits), notes)), notes


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.py", "a/../../up.py", "C:/x.py", "\\\\host\\x.py", "..\\x.py"])
def test_a_member_outside_the_archive_is_named_as_such(name):
    path, problem = sound(name)
    assert "outside itself" in problem and ".." not in path and not path.startswith("/")


def test_leftovers_of_platforms_are_passed_over_and_paths_are_made_plain():
    assert sound("__MACOSX/a.py") == ("", "") == sound("a/._b.py")
    assert sound("./a//b.py") == ("a/b.py", "") and sound("a\\b.py") == ("a/b.py", "") and sound("ann/") == ("ann/", "")
    assert sound("Eve: Prof_3_assignsubmission_file_/gae.ipynb")[1] == ""


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_is_read_however_it_is_compressed(pack):
    found, notes = handed_in("a.tar", pack(tarred({"one.py": b"1", "folder/two.py": b"2"})))
    assert found == {"a.tar/one.py": b"1", "a.tar/folder/two.py": b"2"} and not notes


def test_one_member_that_cannot_be_read_costs_only_itself():
    good = zipped({"a.py": b"a = 1", "b.py": b"b = 2", "c.py": b"c = 3"})
    second = good.index(b"PK\x01\x02", good.index(b"PK\x01\x02") + 1)  # its line in the table of contents
    for byte, line in ((8, "b.py in hw.zip is locked with a password"), (16, "b.py in hw.zip is broken")):  # flags, sum
        spoilt = bytearray(good)
        spoilt[second + byte] ^= 1
        found, notes = handed_in("hw.zip", bytes(spoilt))
        assert list(found) == ["hw.zip/a.py", "hw.zip/c.py"] and line in notes[0]
    for bad, line in (
        ({"../a.py": b""}, "outside itself"),
        ({"a.py": b"#" * (2 << 20)}, "hw.zip/a.py is larger than 1 MB"),
    ):
        found, notes = handed_in("hw.zip", zipped({**bad, "b.py": b"b = 2"}))
        assert list(found) == ["hw.zip/b.py"] and line in notes[0]


def test_a_link_in_a_zip_is_not_taken_for_its_target():
    data, info = io.BytesIO(), zipfile.ZipInfo("a.py")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    found, notes = handed_in("hw.zip", data.getvalue())
    assert not found and "is a link" in notes[0]


def test_files_that_are_no_hand_ins_do_not_count():
    many = {f"data/{i}.csv": b"" for i in range(250)} | {f".venv/lib/{i}.py": b"" for i in range(300)}
    many |= {f"rlhf/site-packages/jax/{i}.py": b"" for i in range(300)}
    found, notes = handed_in("hw.zip", zipped({**many, "gae.py": b"x = 1"}))
    assert list(found) == ["hw.zip/gae.py"] and not notes


def test_archives_inside_archives_are_read_up_to_three():
    data = zipped({"gae.py": b"x = 1"})
    for around in range(5):
        found, notes = handed_in("hw.zip", data)
        assert bool(found) == (around < 3) and bool(notes) == (around >= 3)
        data = zipped({"hw.zip": data})
    assert "inside 3 others" in notes[0]


def test_names_that_macos_wrote_are_read_as_it_meant_them():
    data = bytearray(zipped({"Jörg/gae.py": b""}))
    for sign, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + flags + 1] &= ~8  # what would say UTF-8
    assert [e.path for e in in_archive("a.zip", io.BytesIO(bytes(data)), Budget())] == ["Jörg/gae.py"]


# ---- bombs -----------------------------------------------------------------------------------------


def members(number):
    """A zip whose table of contents names one file again and again."""
    data = zipped({"a.py": b""})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    table = data[start:end] * number
    return data[:start] + table + data[end : end + 12] + struct.pack("<L", len(table)) + data[end + 16 :]


def xz_of_a_large_dictionary():
    data = bytearray(lzma.compress(b"x"))
    data[16] = 37  # 1.5 GiB, in the block's header, which ends with its sum
    data[20:24] = struct.pack("<L", zlib.crc32(data[12:20]))
    return bytes(data)


ZEROS = bytes(40 << 20)
BOMBS = {  # a file, what is said of it
    "a tar in bz2": ("a.tar", lambda: bz2.compress(ZEROS), "35 MB of unpacked archives"),
    "a tar in gzip": ("a.tar.gz", lambda: gzip.compress(ZEROS), "35 MB of unpacked archives"),
    "a tar in xz": ("a.tar.xz", lambda: lzma.compress(ZEROS, preset=0), "35 MB of unpacked archives"),
    "tars in a zip": ("a.zip", lambda: zipped({f"{i}.tar": bz2.compress(ZEROS[: 9 << 20]) for i in range(9)}), "35 MB of"),
    "an xz that asks for 1.5 GB": ("a.tar.xz", xz_of_a_large_dictionary, "broken archive"),
    "bz2 in a zip": ("a.zip", lambda: zipped({"a.py": ZEROS}, zipfile.ZIP_BZIP2), "an unusual way"),
    "lzma in a zip": ("a.zip", lambda: zipped({"a.py": ZEROS}, zipfile.ZIP_LZMA), "an unusual way"),
    "members of a zip": ("a.zip", lambda: members(9_000), "2,000 entries"),
    "members of a tar": ("a.tar.gz", lambda: gzip.compress(tarfile.TarInfo("a").tobuf() * 3_000), "2,000 entries"),
    "a long name": ("a.tar", lambda: tarfile.TarInfo("x" * (9 << 20)).tobuf(tarfile.GNU_FORMAT), "broken archive"),
    "names in names": ("a.tar", lambda: tarfile.TarInfo("x" * 99).tobuf()[:156] + b"L" + bytes(355), "broken archive"),
    "large modules": ("a.zip", lambda: zipped({f"{i}.py": bytes(1 << 20) for i in range(60)}), "50 MB of files"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_soon_and_in_little_memory(bomb):
    name, make, line = BOMBS[bomb]
    data = make()
    begin = time.process_time()
    tracemalloc.start()
    try:
        found, notes = handed_in(name, data, entries=2_000, unpacked=35 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any(line in note for note in notes), notes
    assert time.process_time() - begin < 10 * SLOWER and peak < 150 << 20, (time.process_time() - begin, peak >> 20)
    assert sum(map(len, found.values())) <= 50 << 20


def test_a_broken_archive_is_named_and_its_error_too():
    with pytest.raises(Unreadable, match=r"a\.zip is a broken archive"):
        in_archive("a.zip", io.BytesIO(b"PK nothing"), Budget())
    with pytest.raises(Unreadable, match="broken archive"):
        in_archive("a.zip", io.BytesIO(b"hello"), Budget())
