package ahead

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
)

// Sizes in a block file.
const (
	block   = 1 << 20
	granule = 16 << 10
	records = 4 << 10 // where the bytes of the block begin
)

// mark is in the record of each granule that is there. It is the version of the format: a file with another one is empty.
const mark = 0x31424653

const blockSuffix = ".sfblk"

// mostWrites is how many parts are written to a disk at a time. Others are not kept there: a slow disk slows no reader.
const mostWrites = 4

// pause is how long nothing is written after an error, such as a full disk.
const pause = time.Minute

// Disk keeps bytes of objects in a directory. It is safe for concurrent use, also by several processes. What cannot be
// read or written is not there, which is never an error.
//
// The directory has had the same files since the first release. A block is a MiB of an object, at a multiple of that; its
// file is DIGEST-NUMBER.sfblk, where DIGEST is the first 32 hexadecimal digits of the SHA-256 of the key and size of the
// object, and NUMBER that of the block in hexadecimal digits. Its bytes are from 4096 on, in granules of 16 KiB, the last
// of which is shorter at the end of the object. Before them is a record of 8 bytes for each granule, little endian: the
// version of the format, and the CRC-32C of the granule. A record is written after its granule. So a file can be cut or
// damaged at any place, and written by several processes at a time: a granule whose sum is right is whole.
type Disk struct {
	dir   *os.File
	limit int64

	mu       sync.Mutex // guards all below
	room     int64      // bytes that can be written before the files are counted again
	writing  int
	paused   time.Time // until when nothing is written
	evicting bool
}

// OpenDisk opens a directory, which it creates if it is missing, for files of at most limit bytes. The error is
// atomicfile.ErrForeign if other users can write to it.
func OpenDisk(dir string, limit int64) (*Disk, error) {
	f, err := atomicfile.OpenOwnDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cache of blocks: %w", err)
	}
	return &Disk{dir: f, limit: limit}, nil
}

// Close closes the directory. The objects that use it must be closed.
func (d *Disk) Close() error { return d.dir.Close() }

// sums has the records of a block file.
type sums [block / granule]struct {
	there bool
	sum   uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digestOf returns what the files of an object begin with.
func digestOf(key string, size int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, size))
	return hex.EncodeToString(sum[:16])
}

func blockName(digest string, off int64) string {
	return fmt.Sprintf("%s-%x%s", digest, off/block, blockSuffix)
}

// isBlock reports whether a file name is that of a block.
func isBlock(name string) bool {
	name, ok := strings.CutSuffix(name, blockSuffix)
	digest, number, found := strings.Cut(name, "-")
	return ok && found && len(digest) == 32 && number != "" && strings.Trim(digest+number, "0123456789abcdef") == ""
}

// open opens the file of the block at off and reads its records.
func (d *Disk) open(digest string, off int64, flags int) (fd int, s sums, err error) {
	const safe = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	name := blockName(digest, off)
	if fd, err = unix.Openat(int(d.dir.Fd()), name, flags|safe, 0o600); err != nil {
		return -1, s, err
	}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil {
		err = atomicfile.CheckWriters(&stat, unix.S_IFREG, os.Geteuid())
	}
	if err != nil {
		unix.Close(fd)
		return -1, s, err
	}
	if stat.Size > 0 && time.Since(time.Unix(stat.Mtim.Unix())) > time.Minute {
		// Only the order of removal depends on this.
		now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
		_ = unix.UtimesNanoAt(int(d.dir.Fd()), name, now, unix.AT_SYMLINK_NOFOLLOW)
	}
	var b [len(s) * 8]byte
	n, err := pread(fd, b[:], 0)
	if err != nil {
		unix.Close(fd)
		return -1, s, err
	}
	for i := range n / 8 {
		s[i].there = binary.LittleEndian.Uint32(b[8*i:]) == mark
		s[i].sum = binary.LittleEndian.Uint32(b[8*i+4:])
	}
	return fd, s, nil
}

// pread reads at off. At the end of the file it returns fewer bytes.
func pread(fd int, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(fd, p[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if m <= 0 || err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func pwrite(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// granules calls f for each block that has whole granules of p, the bytes at off of an object of size bytes: with the
// offset of these granules, and their bytes.
func granules(p []byte, off, size int64, f func(off int64, p []byte)) {
	if skip := -off & (granule - 1); skip < int64(len(p)) {
		p, off = p[skip:], off+skip
	} else {
		return
	}
	if off+int64(len(p)) != size {
		p = p[:len(p)/granule*granule]
	}
	for len(p) > 0 {
		n := min(int64(len(p)), block-off%block)
		f(off, p[:n])
		p, off = p[n:], off+n
	}
}

// read reads granules of p, the bytes at off of an object of size bytes. It returns which: there[i] says so of the one
// that begins at granule i of the object, counted from that with the first byte of p.
func (d *Disk) read(digest string, p []byte, off, size int64) (there []bool) {
	there = make([]bool, (off+int64(len(p))+granule-1)/granule-off/granule)
	granules(p, off, size, func(at int64, p []byte) {
		fd, s, err := d.open(digest, at, unix.O_RDONLY)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		for n := 0; n < len(p); n += granule {
			g := p[n:min(n+granule, len(p))]
			in := (at + int64(n)) % block
			record := s[in/granule]
			if !record.there {
				continue
			}
			m, err := pread(fd, g, records+in)
			there[(at+int64(n))/granule-off/granule] = err == nil && m == len(g) &&
				crc32.Checksum(g, castagnoli) == record.sum
		}
	})
	return there
}

// write keeps the whole granules of p, the bytes at off of an object of size bytes.
func (d *Disk) write(digest string, p []byte, off, size int64) {
	_ = d.put(digest, p, off, size, mostWrites) // what is not kept is fetched again
}

// put is write, unless as many others are writing.
func (d *Disk) put(digest string, p []byte, off, size int64, most int) error {
	if !d.begin(most) {
		return ErrNoRoom
	}
	written, failed := int64(0), error(nil)
	granules(p, off, size, func(at int64, p []byte) {
		if failed == nil {
			failed = d.writeBlock(digest, p, at)
			written += int64(len(p))
		}
	})
	d.end(written, failed)
	return failed
}

func (d *Disk) writeBlock(digest string, p []byte, off int64) error {
	fd, _, err := d.open(digest, off, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	in := off % block
	if err := pwrite(fd, p, records+in); err != nil {
		return err
	}
	var b []byte
	for n := 0; n < len(p); n += granule {
		b = binary.LittleEndian.AppendUint32(b, mark)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(p[n:min(n+granule, len(p))], castagnoli))
	}
	return pwrite(fd, b, in/granule*8)
}

// begin reports whether something may be written, while fewer than most are.
func (d *Disk) begin(most int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing >= most || time.Now().Before(d.paused) {
		return false
	}
	d.writing++
	return true
}

// end records what was written, and removes the blocks that were not used for longest if there may be too many.
func (d *Disk) end(bytes int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writing--
	if err != nil {
		d.paused = time.Now().Add(pause)
	}
	if d.room -= bytes; d.room >= 0 || d.evicting {
		return
	}
	d.evicting = true
	d.mu.Unlock()
	left := atomicfile.Evict(d.dir, isBlock, "", d.limit-d.limit/16)
	d.mu.Lock()
	d.evicting = false
	d.room = (d.limit - left) / 2 // the rest is for other processes
}
