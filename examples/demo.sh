#!/bin/sh
# A tour of shardfs in some seconds: explore a shard, process its samples, pack them again.
#
#	make demo
#
# needs Go and FUSE, nothing else. SHARDFS names the binary, by default bin/shardfs.
set -eu

cd "$(dirname "$0")/.."
shardfs=$(realpath "${SHARDFS:-bin/shardfs}")
tmp=$(realpath "$(mktemp -d)")

cleanup() {
	cd /
	if grep -q " $tmp/mnt " /proc/mounts; then
		shardfs umount --discard "$tmp/mnt" || fusermount3 -u -z "$tmp/mnt" || umount -l "$tmp/mnt"
	fi
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step announces a step, show runs a line as one would type it.
step() {
	printf '\n# %s\n' "$*"
}
show() {
	printf '$ %s\n' "$*"
	eval "$*"
}

# The examples' programs and shardfs are found as if they were installed.
mkdir "$tmp/bin" "$tmp/mnt"
go build -o "$tmp/bin/" ./examples/imagenet ./examples/jpg2ppm
ln -s "$shardfs" "$tmp/bin/shardfs"
PATH=$tmp/bin:$PATH
cd "$tmp"

step 'Draw a shard like those of ImageNet: 100 samples, each a class number, a picture and an annotation.'
show 'imagenet -n 100 demo.tgz'
show 'tar tvf demo.tgz | head -n 3'

step 'Explore: mount it, and every sample is a directory. Nothing is extracted.'
show 'shardfs mount demo.tgz mnt'
show 'ls mnt | head -n 3'
key=$(ls mnt | head -n 1)
show "ls -l mnt/$key"
show "cat mnt/$key/__key__; echo"
show "cat mnt/$key/sample.json; echo"

step 'Any program can read it: samples by class.'
show 'grep -h . mnt/*/sample.cls | sort -n | uniq -c'

step 'Process: run a command in every sample, several at a time. The changes are kept apart from the shard, which stays as it is.'
jobs=$(nproc)
show "shardfs run -j $jobs -c 'jpg2ppm sample.jpg sample.ppm && rm sample.jpg' mnt"
show "ls mnt/$key"
show 'shardfs status mnt | head -n 3'

step 'Repack: write the samples as they are now, in their order.'
show 'shardfs pack mnt -o out.tar'
show 'tar tvf out.tar | head -n 6'
show 'shardfs ls out.tar | head -n 3'
show 'shardfs umount mnt'

step 'All of it as one line, without a mountpoint, gives the same bytes.'
show "shardfs run -j $jobs -c 'jpg2ppm sample.jpg sample.ppm && rm sample.jpg' -o again.tar demo.tgz"
show 'cmp out.tar again.tar'
