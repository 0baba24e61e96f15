package guard

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

const block = 512 // bytes, of the images of these tests

// dataName returns the name of the i-th file of an image.
func dataName(i int) string { return "data" + strings.Repeat("+", i) }

// image returns an EROFS image with one file for each of at most seven data devices: the first size bytes of it.
func image(size int64, devices int) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	super := b[1024:]
	le.PutUint32(super, 0xE0F5E1E2)
	super[12] = 9                // blocks of 512 bytes
	le.PutUint16(super[14:], 64) // the root's inode, at 2048, in units of 32 bytes
	le.PutUint64(super[16:], 2)
	le.PutUint32(super[36:], uint32(len(b)/block))
	le.PutUint32(super[80:], 0x4|0x8) // files in chunks, on other devices
	le.PutUint16(super[86:], uint16(devices))
	le.PutUint16(super[88:], 9) // their table, at 1152, in units of 128 bytes

	const root, data, between = 64, 80, 4 // inodes 64, and 80 and so on, at 2048, and 2560 and so on
	type entry struct {
		nid  uint64
		kind byte
		name string
	}
	all := []entry{{root, 2, "."}, {root, 2, ".."}}
	for i := range devices {
		le.PutUint32(b[1152+128*i+64:], uint32((size+block-1)/block))
		all = append(all, entry{uint64(data + between*i), 1, dataName(i)})
	}
	entries := make([]byte, 12*len(all))
	for i, e := range all {
		le.PutUint64(entries[12*i:], e.nid)
		le.PutUint16(entries[12*i+8:], uint16(len(entries)))
		entries[12*i+10] = e.kind
		entries = append(entries, e.name...)
	}
	inode := func(nid, layout int, mode uint16, size uint64, u uint32) []byte {
		p := b[32*nid:]
		le.PutUint16(p, uint16(layout<<1)|1) // 64 bytes
		le.PutUint16(p[4:], mode)
		le.PutUint64(p[8:], size)
		le.PutUint32(p[16:], u)
		le.PutUint32(p[20:], uint32(nid))
		le.PutUint32(p[44:], 1)
		return p[64:]
	}
	copy(inode(root, 2, unix.S_IFDIR|0o755, uint64(len(entries)), 0), entries) // inline
	for i := range devices {
		chunk := inode(data+between*i, 4, unix.S_IFREG|0o644, uint64(size), 0x20|22) // one chunk of 2 GiB
		le.PutUint16(chunk[2:], uint16(i+1))                                         // on the device, from block 0
	}
	return b
}

// mountOver mounts an image of size bytes of a data device, and returns the mountpoint.
func mountOver(t *testing.T, device string, size int64) string {
	t.Helper()
	return mountOverAll(t, []string{device}, size)
}

// mountOverAll is mountOver for many data devices.
func mountOverAll(t *testing.T, devices []string, size int64) string {
	t.Helper()
	dir := t.TempDir()
	img := filepath.Join(dir, "image")
	if err := os.WriteFile(img, image(size, len(devices)), 0o600); err != nil {
		t.Fatal(err)
	}
	mnt := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountAt(mnt, img, devices...); err != nil {
		skip.Without(t, "EROFS over files: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) })
	return mnt
}

// mountAt mounts an image with its data devices.
func mountAt(mnt, img string, devices ...string) error {
	fs, err := unix.Fsopen("erofs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	options := [][2]string{{"source", img}}
	for _, device := range devices {
		options = append(options, [2]string{"device", device})
	}
	for _, p := range options {
		if err := unix.FsconfigSetString(fs, p[0], p[1]); err != nil {
			return os.NewSyscallError("fsconfig "+p[0], err)
		}
	}
	if err := unix.FsconfigSetFlag(fs, "ro"); err != nil {
		return os.NewSyscallError("fsconfig ro", err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return os.NewSyscallError("fsconfig create", err)
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return os.NewSyscallError("fsmount", err)
	}
	defer unix.Close(m)
	return unix.MoveMount(m, "", unix.AT_FDCWD, mnt, unix.MOVE_MOUNT_F_EMPTY_PATH)
}
