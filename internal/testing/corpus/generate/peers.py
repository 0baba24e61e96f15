"""What Python's tarfile and libarchive find in each of the files named: a line of JSON each, with [name, sha256] of every
regular member, names in hexadecimal digits, up to the first error."""

import ctypes
import ctypes.util
import hashlib
import json
import sys
import tarfile


def with_tarfile(path):
    found = []
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for m in tar:
                if m.isreg():
                    content = tar.extractfile(m).read()
                    name = m.name.encode("utf-8", "surrogateescape").rstrip(b"/")
                    found.append([name.hex(), hashlib.sha256(content).hexdigest()])
    except Exception:
        pass
    return found


lib = ctypes.CDLL(ctypes.util.find_library("archive") or "libarchive.so.13")
for name in "archive_read_new", "archive_entry_pathname", "archive_entry_hardlink":
    getattr(lib, name).restype = ctypes.c_void_p
lib.archive_read_data.restype = ctypes.c_ssize_t


def with_libarchive(path):
    found = []
    a = ctypes.c_void_p(lib.archive_read_new())
    lib.archive_read_support_format_tar(a)
    entry = ctypes.c_void_p()
    if lib.archive_read_open_filename(a, path.encode(), ctypes.c_size_t(10240)) == 0:
        while lib.archive_read_next_header(a, ctypes.byref(entry)) in (0, -20):  # or with a warning
            if lib.archive_entry_filetype(entry) & 0o170000 != 0o100000 or lib.archive_entry_hardlink(entry):
                continue
            name = ctypes.string_at(lib.archive_entry_pathname(entry)).rstrip(b"/")
            content, b = hashlib.sha256(), ctypes.create_string_buffer(1 << 16)
            while (n := lib.archive_read_data(a, b, ctypes.c_size_t(len(b)))) > 0:
                content.update(b.raw[:n])
            if n < 0:
                break
            found.append([name.hex(), content.hexdigest()])
    lib.archive_read_free(a)
    return found


for path in sys.argv[1:]:
    print(json.dumps({"python": with_tarfile(path), "libarchive": with_libarchive(path)}))
