"""DALI's wds2idx: dali.py DIRECTORY-OF-WDS2IDX. Its index is read as DALI's reader does: words between blanks, four a
member, a line a sample. The samples are the bytes that it points to."""
import os
import sys

sys.path.insert(0, sys.argv[1])
import common  # noqa: E402
import wds2idx  # noqa: E402


def read(files):
    for number, name in enumerate(files):
        index = "%d.idx" % number
        creator = wds2idx.IndexCreator(os.path.abspath(name), index, verbose=False)
        try:
            creator.create_index()
        finally:
            creator.close()
        with open(name, "rb") as f:
            data = f.read()
        with open(index, errors="surrogateescape", newline="\n") as f:
            lines = f.read().split("\n")
        count = int(lines[0].split()[1])
        if len(lines) - 2 != count:
            raise ValueError("malformed index: %d lines for %d samples" % (len(lines) - 2, count))
        for line in lines[1:-1]:
            words = line.split()
            if len(words) % 4 or not words:
                raise ValueError("malformed index: %d words in a line" % len(words))
            key, fields = None, []
            for ext, offset, size, path in zip(*[iter(words)] * 4):
                fields.append((ext, data[int(offset):int(offset) + int(size)]))
                key = key or wds2idx.IndexCreator.split_name(path)[0]
            yield common.sample(key, fields)


common.main(read)
