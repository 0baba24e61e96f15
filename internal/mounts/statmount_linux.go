package mounts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mountRequest is the kernel's struct mnt_id_req.
type mountRequest struct {
	size, _   uint32
	id, param uint64
}

// What is asked of statmount(2), and where it is in the answer, which is a struct statmount.
const (
	askDevice, askBasic, askRoot, askPoint, askType, askSubtype, askSource = 1, 2, 8, 16, 32, 256, 512

	atMajor, atMinor, atType, atOldID, atRoot, atPoint, atSubtype, atSource = 16, 20, 36, 56, 104, 108, 120, 124

	atTexts = 512 // the offsets of texts count from here
)

// listByCalls returns all mounts in this process's mount namespace without /proc, which a chroot may lack. Linux 6.13 is
// the first that can say all of it.
func listByCalls() (all []Mount, err error) {
	const root = ^uint64(0)
	ids := make([]uint64, 256)
	var last uint64
	for {
		req := mountRequest{size: 24, id: root, param: last}
		n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&req)),
			uintptr(unsafe.Pointer(&ids[0])), uintptr(len(ids)), 0, 0, 0)
		if errno != 0 {
			return nil, errno
		}
		for _, id := range ids[:n] {
			m, err := statByCall(id)
			if err == unix.ENOENT || err == unix.EPERM {
				continue // unmounted since, or not below this root
			}
			if err != nil {
				return nil, err
			}
			all = append(all, m)
			last = id
		}
		if int(n) < len(ids) {
			return all, nil
		}
		last = ids[n-1]
	}
}

func statByCall(id uint64) (m Mount, err error) {
	const asked = askDevice | askBasic | askRoot | askPoint | askType | askSubtype | askSource
	b := make([]byte, 64<<10)
	req := mountRequest{size: 24, id: id, param: asked}
	_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&b[0])),
		uintptr(len(b)), 0, 0, 0)
	if errno != 0 {
		return m, errno
	}
	number := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	if got := binary.NativeEndian.Uint64(b[8:]); got&askSource == 0 && got&askPoint == 0 {
		return m, unix.ENOSYS
	}
	text := func(asked uint64, at int) string {
		if binary.NativeEndian.Uint64(b[8:])&asked == 0 {
			return ""
		}
		t := b[atTexts+int(number(at)):]
		return string(t[:bytes.IndexByte(t, 0)])
	}
	kind := text(askType, atType)
	if sub := text(askSubtype, atSubtype); sub != "" {
		kind += "." + sub
	}
	return newMount(uint64(number(atOldID)), fmt.Sprintf("%d:%d", number(atMajor), number(atMinor)),
		text(askRoot, atRoot), text(askPoint, atPoint), kind, text(askSource, atSource)), nil
}

// errNoProc is the error without /proc, on a kernel that has no other way to tell the mounts.
var errNoProc = fmt.Errorf("/proc is not mounted, so mounts cannot be told from directories: %w", fs.ErrNotExist)
