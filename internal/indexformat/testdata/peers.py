"""Writers and readers of three index formats, reimplemented with Python's tarfile, to compare with the exports.

peers.py FORMAT TAR INDEX   writes the index that the format's own tool would write beside the tar, as INDEX.peer, and
                            prints a line for each member that a reader finds by INDEX: sample, name, content
"""
import hashlib, io, json, re, struct, sys, tarfile

def members(tar):
    return [m for m in tarfile.open(tar, encoding="utf-8", errors="surrogateescape") if m.isreg()]

def write_wds2idx(tar, out):
    samples, last = [], None
    for m in members(tar):
        directory, slash, base = m.name.rpartition("/")
        stem, dot, ext = base.partition(".")
        if not dot or not stem or re.match(r"__[^/]*__($|/)", m.name):
            continue
        if last != directory + slash + stem:
            samples.append([])
            last = directory + slash + stem
        samples[-1].append("%s %d %d %s" % (ext, m.offset_data, m.size, m.name))
    text = "v1.2 %d\n" % len(samples) + "".join(" ".join(s) + "\n" for s in samples)
    out.write(text.encode("utf-8", "surrogateescape"))

def write_energon(tar, out):
    offsets, last = [], None
    with tarfile.open(tar, encoding="utf-8", errors="surrogateescape") as t:
        for m in t:
            match = re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", m.name)
            if not m.isreg() or re.match(r"__[^/]*__($|/)", m.name) or not match:
                continue
            if last != match[1]:
                offsets.append(m.offset)
                last = match[1]
        offsets.append(t.offset)
    out.write(struct.pack("<%dQ" % len(offsets), *offsets))

def write_hf(tar, out):
    content = open(tar, "rb").read()
    files = {}
    for m in members(tar):
        part = content[m.offset_data:m.offset_data + m.size]
        files.pop(m.name, None)  # so that the order is that of the offsets
        files[m.name] = {"offset": m.offset_data, "size": m.size, "sha256": hashlib.sha256(part).hexdigest()}
    out.write(json.dumps({
        "filesize": len(content),
        "hash": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
        "hash_lfs": hashlib.sha256(content).hexdigest(),
        "files": files,
    }).encode())

def read_wds2idx(tar, index):
    with open(tar, "rb") as t, open(index, "rb") as lines:
        version, count = lines.readline().split()
        assert version == b"v1.2" and int(count) > 0
        for sample in range(int(count)):
            words = lines.readline().split()
            assert words and len(words) % 4 == 0
            for ext, offset, size, name in zip(*[iter(words)] * 4):
                assert int(offset) % 512 == 0 and name.endswith(b"." + ext)
                t.seek(int(offset))
                yield sample, name, t.read(int(size))
        assert not lines.read()

def read_energon(tar, index):
    plain, raw = open(tar, "rb").read(), open(index, "rb").read()
    offsets = struct.unpack("<%dQ" % (len(raw) // 8), raw)
    assert plain[offsets[-1]:offsets[-1] + 1024] == bytes(1024)
    for sample, (start, end) in enumerate(zip(offsets, offsets[1:])):
        # The slice alone is a tar, which its end marker completes.
        part = tarfile.open(fileobj=io.BytesIO(plain[start:end] + bytes(1024)), encoding="utf-8", errors="surrogateescape")
        for m in part:
            if m.isreg() and re.match(r"^((?:.*/|)[^.]+)[.]([^/]*)$", m.name) and not re.match(r"__[^/]*__($|/)", m.name):
                yield sample, m.name.encode("utf-8", "surrogateescape"), part.extractfile(m).read()

def read_hf(tar, index):
    info = json.load(open(index))
    with open(tar, "rb") as t:
        assert t.seek(0, 2) == info["filesize"]
        for name, m in info["files"].items():
            t.seek(m["offset"])
            content = t.read(m["size"])
            assert hashlib.sha256(content).hexdigest() == m["sha256"]
            yield 0, name.encode("utf-8", "surrogateescape"), content

kind, tar, index = sys.argv[1:]
with open(index + ".peer", "wb") as out:
    globals()["write_" + kind](tar, out)
for sample, name, content in globals()["read_" + kind](tar, index):
    print(sample, name.hex(), content.hex())
