#!/bin/sh
# Python's tarfile ends at a header that it cannot read as if the tar ended there, without an error.
#
# One would expect an error, as for a tar that is cut within a member, or the member, as GNU tar and bsdtar show it. tarfile
# takes a bad header for the end unless it is the first one; and for it a header is bad if a number that nobody needs is not
# octal: an owner written as text, or a device number that a long group name has run into (npm tar-stream with a group name of
# 40 letters). All that follows is lost: `tarfile.open(...).getnames()`, and so WebDataset, Hugging Face datasets, Ray and
# Energon, see a shorter shard and no error. Go's archive/tar reports an error at such a header.
#
# Seen with Python 3.8 to 3.13: "a.jpg" of "a.jpg b.jpg c.jpg". Needs Python 3 and GNU tar. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >make.py <<'PY'
import tarfile

with open("owner.tar", "wb") as f:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        header = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
        if name == "b.jpg":
            header[108:116] = b"nobody\0\0"
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
        f.write(header)
    f.write(bytes(1024))
PY
python3 make.py
echo "GNU tar: $(tar tf owner.tar 2>/dev/null | tr '\n' ' ')" >out
for mode in 'r:' 'r|'; do
	python3 -c "import sys, tarfile; print(sys.argv[1], *tarfile.open('owner.tar', sys.argv[1]).getnames())" "$mode" >>out
done
cat out
printf 'GNU tar: a.jpg b.jpg c.jpg \nr: a.jpg\nr| a.jpg\n' | cmp - out
