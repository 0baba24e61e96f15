#!/bin/sh
# Python's tarfile, reading a compressed stream ("r|*", "r|gz", "r|bz2"), reads the first gzip member or bzip2 stream only.
#
# A gzip file may have several members, and gzip, Python's own gzip module and tarfile's "r:gz" read all of them;
# `cat a.gz b.gz` and writers that append make such files. In stream mode, which WebDataset, Hugging Face datasets, Ray and
# Lhotse use, the tar ends where the first gzip member does: files are missing, and there is no error. An xz with several
# streams gives EOFError instead, and a gzip member without content at the front "empty file".
#
# Seen with Python 3.8 to 3.13: "r:* 4 members", "r|* 2 members". Needs Python 3, gzip and GNU tar. Exits 1 if the behaviour
# has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
for name in a b c d; do echo $name >$name.txt; done
tar -cf all.tar a.txt b.txt c.txt d.txt
{ head -c 2048 all.tar | gzip; tail -c +2049 all.tar | gzip; } >all.tgz
for mode in 'r:*' 'r|*'; do
	python3 -c "import sys, tarfile; print(sys.argv[1], len(tarfile.open('all.tgz', sys.argv[1]).getnames()), 'members')" "$mode"
done | tee out
printf 'r:* 4 members\nr|* 2 members\n' | cmp - out
