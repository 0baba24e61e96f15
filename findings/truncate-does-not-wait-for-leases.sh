#!/bin/sh
# GNU truncate fails with EAGAIN on a file of which another process holds a lease; other writers wait.
#
# Who writes to a file with a read lease (fcntl F_SETLEASE; file servers hold them) is expected to wait a moment: the kernel
# has the opener sleep until the holder gives the lease up. But truncate opens its file with O_NONBLOCK, so that a FIFO does
# not block it, and with that flag the kernel breaks the lease and refuses the open at once. The second try works. The shell's
# own `>>` waits, and so does dd.
#
# Seen with coreutils 9.1 (Debian 12) on Linux 6.18: "truncate: Resource temporarily unavailable", "dd: done".
# Needs coreutils, python3 and a local file system. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >hold.py <<'PY'
import fcntl, os, signal, sys, time
F_SETLEASE = 1024
fd = os.open("file", os.O_RDONLY)
def give_up(*_):
    time.sleep(0.2)
    fcntl.fcntl(fd, F_SETLEASE, fcntl.F_UNLCK)
    sys.exit()
signal.signal(signal.SIGIO, give_up)
fcntl.fcntl(fd, F_SETLEASE, fcntl.F_RDLCK)
open("held", "w").close()
signal.pause()
PY
try() {
	head -c 8192 /dev/zero >file
	rm -f held
	python3 hold.py &
	until test -e held; do sleep 0.01; done
	if said=$(LC_ALL=C "$@" 2>&1 >/dev/null); then said="done"; fi
	wait
	echo "$1: ${said##*: }"
}
{
	try truncate -s 4096 file
	try dd if=/dev/zero of=file bs=1 count=1 conv=notrunc status=none
} >out
cat out
printf 'truncate: Resource temporarily unavailable\ndd: done\n' | cmp - out
