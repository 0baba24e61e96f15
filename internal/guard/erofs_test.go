package guard

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

const block = 512 // bytes, of the images of these tests

// image returns an EROFS image with one file, "data", whose content is the first size bytes of the data device.
func image(size int64) []byte {
	le := binary.LittleEndian
	b := make([]byte, 4096)
	super := b[1024:]
	le.PutUint32(super, 0xE0F5E1E2)
	super[12] = 9                // blocks of 512 bytes
	le.PutUint16(super[14:], 64) // the root's inode, at 2048, in units of 32 bytes
	le.PutUint64(super[16:], 2)
	le.PutUint32(super[36:], uint32(len(b)/block))
	le.PutUint32(super[80:], 0x4|0x8) // files in chunks, on other devices
	le.PutUint16(super[86:], 1)
	le.PutUint16(super[88:], 9) // their table, at 1152, in units of 128 bytes
	le.PutUint32(b[1152+64:], uint32((size+block-1)/block))

	const root, data, names = 64, 80, 3 * 12 // inodes 64 and 80 at 2048 and 2560
	entries := make([]byte, names, names+7)
	for i, e := range []struct {
		nid  uint64
		kind byte
		name string
	}{{root, 2, "."}, {root, 2, ".."}, {data, 1, "data"}} {
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
	chunk := inode(data, 4, unix.S_IFREG|0o644, uint64(size), 0x20|22)         // one chunk of 2 GiB
	le.PutUint16(chunk[2:], 1)                                                 // on device 1, from block 0
	return b
}

// mountOver mounts an image of size bytes of a data device, and returns the mountpoint.
func mountOver(t *testing.T, device string, size int64) string {
	t.Helper()
	dir := t.TempDir()
	img := filepath.Join(dir, "image")
	if err := os.WriteFile(img, image(size), 0o600); err != nil {
		t.Fatal(err)
	}
	mnt := filepath.Join(dir, "mnt")
	if err := os.Mkdir(mnt, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mountAt(mnt, img, device); err != nil {
		skip.Without(t, "EROFS over files: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) })
	return mnt
}

// mountAt mounts an image with its data device.
func mountAt(mnt, img, device string) error {
	fs, err := unix.Fsopen("erofs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fs)
	for _, p := range [][2]string{{"source", img}, {"device", device}} {
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
