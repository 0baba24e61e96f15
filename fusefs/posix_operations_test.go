package fusefs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// operations are tried in a bed each. Each bed is a plain directory, a sample's directory, and a new one in a mount.
var operations = []struct {
	name string
	do   func(b *bed)
}{
	{"create", func(b *bed) {
		f := b.open("new", os.O_CREATE|os.O_EXCL|os.O_RDWR)
		n, err := f.WriteString("hello")
		b.note("write", n, err)
		b.stat(f)
		b.read(f)
		b.note("sync", f.Sync(), b.open(".", os.O_RDONLY).Sync(), b.open("other", os.O_RDONLY).Sync())
	}},
	{"create exclusively what exists", func(b *bed) {
		_, err := os.OpenFile(b.path("a.txt"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
		b.note("open", err)
		b.note("mkdir", os.Mkdir(b.path("a.txt"), 0o755), os.Mkdir(b.path("sub"), 0o755))
		b.note("symlink", os.Symlink("x", b.path("a.txt")))
		b.note("link", os.Link(b.path("a.txt"), b.path("c.txt")))
	}},
	{"create with a mode", func(b *bed) {
		for _, mode := range []uint32{0o400, 0o000, 0o6755, 0o1777, 0o640} {
			fd, err := unix.Open(b.path(fmt.Sprintf("m%o", mode)), unix.O_CREAT|unix.O_RDWR, mode)
			b.note("open", err)
			_, err = unix.Write(fd, []byte("x"))
			b.note("write", err, unix.Ftruncate(fd, 9), unix.Close(fd))
			b.note("mkdir", unix.Mkdir(b.path(fmt.Sprintf("d%o", mode)), mode))
		}
	}},
	{"append", func(b *bed) {
		f := b.open("a.txt", os.O_APPEND|os.O_WRONLY)
		n, err := f.WriteString("more")
		b.note("write", n, err)
		b.stat(f)
		b.cat("a.txt")
	}},
	{"two append", func(b *bed) {
		f, g := b.open("a.txt", os.O_APPEND|os.O_WRONLY), b.open("a.txt", os.O_APPEND|os.O_WRONLY)
		for range 10 {
			f.WriteString("f")
			g.WriteString("g")
		}
		b.cat("a.txt")
	}},
	{"overwrite in place", func(b *bed) {
		f := b.open("b.bin", os.O_RDWR)
		n, err := f.WriteAt([]byte("HERE"), 200_000)
		b.note("write", n, err)
		n, err = f.WriteAt([]byte("THERE"), 400_000)
		b.note("write after the end", n, err)
		b.stat(f)
	}},
	{"truncate", func(b *bed) {
		b.note("shrink", os.Truncate(b.path("b.bin"), 100_000))
		b.note("grow", os.Truncate(b.path("a.txt"), 5000))
		b.note("empty", os.Truncate(b.path("c.txt"), 0))
		b.note("a directory", os.Truncate(b.path("sub"), 0))
		f := b.open("b.bin", os.O_RDWR)
		b.note("ftruncate", f.Truncate(7))
		b.stat(f)
		b.read(f)
	}},
	{"open and truncate", func(b *bed) {
		f := b.open("b.bin", os.O_TRUNC|os.O_WRONLY)
		b.stat(f)
		f.WriteString("short")
		g := b.open("b.bin", os.O_RDONLY)
		b.read(g)
		b.open("b.bin", os.O_TRUNC|os.O_RDWR)
		b.read(g)
		b.stat(g)
	}},
	{"rename a file over a file", func(b *bed) {
		b.note("rename", os.Rename(b.path("a.txt"), b.path("c.txt")))
		b.cat("a.txt")
		b.cat("c.txt")
		b.note("rename what is gone", os.Rename(b.path("a.txt"), b.path("c.txt")))
		b.note("rename back", os.Rename(b.path("c.txt"), b.path("a.txt")))
	}},
	{"rename over what was deleted", func(b *bed) {
		b.note("remove", os.Remove(b.path("a.txt")))
		b.note("rename", os.Rename(b.path("c.txt"), b.path("a.txt")))
		b.cat("a.txt")
	}},
	{"rename without replacing", func(b *bed) {
		rename := func(from, to string, flags uint) error {
			return unix.Renameat2(unix.AT_FDCWD, b.path(from), unix.AT_FDCWD, b.path(to), flags)
		}
		b.note("there", rename("a.txt", "c.txt", unix.RENAME_NOREPLACE))
		b.note("not there", rename("a.txt", "d.txt", unix.RENAME_NOREPLACE))
	}},
	{"save as editors do", func(b *bed) {
		b.note("write", os.WriteFile(b.path("a.txt~"), []byte("edited"), 0o600))
		b.note("rename", os.Rename(b.path("a.txt~"), b.path("a.txt")))
		b.note("backup", os.Rename(b.path("c.txt"), b.path("c.bak")),
			os.WriteFile(b.path("c.txt"), []byte("new"), 0o644))
		b.note("remove", os.Remove(b.path("c.bak")))
		b.cat("a.txt")
	}},
	{"sed and vim", func(b *bed) {
		b.sh("sed -i s/text/TEXT/ a.txt; cat a.txt")
		b.sh("command -v vim >/dev/null || exit 0; vim -u NONE -es -c '%s/text/vim/' -c wq c.txt; cat c.txt; ls -A")
	}},
	{"rename a directory", func(b *bed) {
		b.note("away", os.Rename(b.path("sub"), b.path("moved")))
		b.cat("moved/s.txt")
		b.note("write", os.WriteFile(b.path("moved/new"), []byte("x"), 0o644))
		b.note("again", os.Rename(b.path("moved"), b.path("other/moved")))
		b.note("make again", os.Mkdir(b.path("sub"), 0o755))
		b.cat("sub/s.txt")
		b.note("over it", os.Rename(b.path("other/moved"), b.path("sub")))
		b.cat("sub/s.txt")
	}},
	{"rename a directory over another", func(b *bed) {
		b.note("not empty", os.Rename(b.path("sub"), b.path("other")))
		b.sh("rm other/* && ls -A other")
		b.note("empty", os.Rename(b.path("sub"), b.path("other")))
		b.cat("other/s.txt")
		b.cat("other/o.txt")
		b.note("gone", os.Rename(b.path("sub"), b.path("other")))
		b.note("over a file", os.Rename(b.path("other"), b.path("a.txt")))
		b.note("a file over it", unix.Rename(b.path("a.txt"), b.path("other")))
	}},
	{"rename into itself", func(b *bed) {
		b.note("rename", os.Rename(b.path("sub"), b.path("sub/x")))
		b.note("to itself", os.Rename(b.path("sub"), b.path("sub")), os.Rename(b.path("a.txt"), b.path("a.txt")))
		b.note("over its parent", unix.Rename(b.path("sub/s.txt"), b.path("sub")))
	}},
	{"remove directories", func(b *bed) {
		b.note("not empty", unix.Rmdir(b.path("sub")))
		b.note("a file", unix.Rmdir(b.path("a.txt")))
		b.note("unlink a directory", unix.Unlink(b.path("sub")) != nil)
		b.sh("rm -r sub && ls; mkdir sub && ls -A sub && rmdir sub")
		b.sh("echo file >sub && cat sub && rm sub && mkdir -p sub/x/y")
		b.note("gone", unix.Rmdir(b.path("nothing")))
	}},
	{"delete and make again", func(b *bed) {
		for range 2 {
			b.note("remove", os.Remove(b.path("a.txt")))
			b.cat("a.txt")
			b.note("write", os.WriteFile(b.path("a.txt"), []byte("again"), 0o600))
			b.cat("a.txt")
			b.note("remove", os.Remove(b.path("a.txt")), os.Mkdir(b.path("a.txt"), 0o700))
			b.note("in it", os.WriteFile(b.path("a.txt/x"), nil, 0o600), os.RemoveAll(b.path("a.txt")))
			b.note("link", os.Symlink("c.txt", b.path("a.txt")))
			b.cat("a.txt")
		}
	}},
	{"hard links", func(b *bed) {
		b.note("link", os.Link(b.path("a.txt"), b.path("sub/l")), os.Link(b.path("sub/l"), b.path("l2")))
		f := b.open("a.txt", os.O_RDWR)
		b.stat(f)
		f.WriteString("BY ONE")
		b.cat("l2")
		b.note("remove", os.Remove(b.path("a.txt")))
		b.cat("sub/l")
		b.stat(f)
		b.note("rename to the same", unix.Rename(b.path("l2"), b.path("sub/l")))
		b.note("where one was", os.Link(b.path("l2"), b.path("a.txt")))
		b.note("a directory", os.Link(b.path("sub"), b.path("x")))
		b.note("of nothing", os.Link(b.path("nothing"), b.path("x")))
	}},
	{"symbolic links", func(b *bed) {
		b.note("link", os.Symlink("a.txt", b.path("l")), os.Symlink("../"+filepath.Base(b.dir)+"/sub", b.path("ld")))
		b.cat("l")
		b.cat("ld/s.txt")
		b.note("write", os.WriteFile(b.path("l"), []byte("through"), 0o644))
		b.cat("a.txt")
		target, err := os.Readlink(b.path("l"))
		b.note("readlink", target, err)
		_, err = os.Readlink(b.path("a.txt"))
		b.note("no link", err)
		b.note("loop", os.Symlink("loop", b.path("loop")))
		b.cat("loop")
		b.note("long", os.Symlink(strings.Repeat("x/", 2000), b.path("long")))
		b.note("chown", os.Lchown(b.path("l"), 1, 2))
	}},
	{"fifos and sockets", func(b *bed) {
		b.note("mkfifo", unix.Mkfifo(b.path("fifo"), 0o644))
		b.sh("echo through >fifo & cat fifo; wait")
		b.note("socket", unix.Mknod(b.path("socket"), unix.S_IFSOCK|0o600, 0))
		b.note("file", unix.Mknod(b.path("file"), unix.S_IFREG|0o600, 0))
	}},
	{"modes, owners and times", func(b *bed) {
		b.note("chmod", os.Chmod(b.path("a.txt"), 0o600), unix.Chmod(b.path("c.txt"), 0o4711),
			os.Chmod(b.path("sub"), 0o711))
		b.note("chown", os.Chown(b.path("a.txt"), 12, 34), os.Chown(b.path("sub"), 12, 34),
			os.Chown(b.path("c.txt"), 5, -1))
		times := []unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: 3, Nsec: 4}}
		for _, name := range []string{"a.txt", "b.bin", "sub"} {
			b.note("utimes", unix.UtimesNanoAt(unix.AT_FDCWD, b.path(name), times, 0))
			var st unix.Stat_t
			err := unix.Stat(b.path(name), &st)
			b.note("stat", st.Mode, st.Uid, st.Gid, st.Atim, st.Mtim, err)
		}
		b.note("before 1970", unix.UtimesNanoAt(unix.AT_FDCWD, b.path("a.txt"), []unix.Timespec{{Sec: -5}, {Sec: -5}},
			0))
		b.sh("stat -c %Y a.txt; touch a.txt; test a.txt -nt b.bin; touch -r b.bin c.txt; stat -c %Y c.txt")
	}},
	{"set-group-ID directories", func(b *bed) {
		b.note("chown", os.Chown(b.path("sub"), 0, 1234), unix.Chmod(b.path("sub"), 0o2775))
		b.note("remove", os.Remove(b.path("sub/s.txt")), os.Remove(b.path("sub/sample.s2.txt")))
		b.sh("cd sub; touch new s.txt; mkdir dir sample.s2.txt; ln -s x link; mkfifo f; mkdir dir/deeper")
		b.sh("cd sub; stat -c '%n %a %g' * dir/*")
	}},
	{"unlink while open", func(b *bed) {
		f, g := b.open("a.txt", os.O_RDWR), b.open("b.bin", os.O_RDONLY)
		b.note("remove", os.Remove(b.path("a.txt")), os.Remove(b.path("b.bin")))
		b.stat(f)
		b.stat(g)
		b.read(f)
		b.read(g)
		_, err := f.WriteAt([]byte("still here"), 3)
		b.note("write", err, f.Truncate(8), f.Chmod(0o600), f.Sync())
		b.read(f)
		b.note("text again", os.WriteFile(b.path("a.txt"), []byte("another"), 0o644))
		b.note("bytes again", os.WriteFile(b.path("b.bin"), []byte("b"), 0o644))
		b.read(f)
		b.read(g)
		b.stat(g)
	}},
	{"rename while open", func(b *bed) {
		f, g := b.open("a.txt", os.O_RDWR), b.open("c.txt", os.O_RDONLY)
		b.note("rename", os.Rename(b.path("a.txt"), b.path("sub/moved")), os.Rename(b.path("c.txt"), b.path("a.txt")))
		_, err := f.WriteString("to the moved")
		b.note("write", err)
		b.cat("sub/moved")
		b.read(g)
		b.note("over an open one", os.Rename(b.path("sub/moved"), b.path("a.txt")))
		b.read(f)
		b.read(g)
		b.stat(g)
	}},
	{"read while another changes it", func(b *bed) {
		f, g, h := b.open("a.txt", os.O_RDONLY), b.open("b.bin", os.O_RDONLY), b.open("c.txt", os.O_RDONLY)
		b.sh("printf CHANGED | dd of=a.txt conv=notrunc status=none; rm b.bin; echo replaced >x; mv x c.txt")
		b.read(f)
		b.read(g)
		b.read(h)
		b.sh("echo more >>a.txt")
		b.read(f)
		b.stat(f)
	}},
	{"delete a file that is open and change it", func(b *bed) {
		f := b.open("a.txt", os.O_RDONLY)
		b.note("remove", os.Remove(b.path("a.txt")), os.WriteFile(b.path("a.txt"), []byte("another"), 0o644))
		b.note("chmod", f.Chmod(0o600))
		again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
		b.note("open again", err)
		if err == nil {
			b.note("truncate", again.Truncate(7))
			b.stat(again)
			again.Close()
		}
		b.stat(f)
		b.read(f)
	}},
	{"delete a directory that is open and change it", func(b *bed) {
		f := b.open("sub", os.O_RDONLY)
		b.note("remove", os.RemoveAll(b.path("sub")))
		b.note("change", f.Sync(), f.Chmod(0o700), f.Chown(1, 1))
		var st unix.Stat_t
		b.note("fstat", unix.Fstat(int(f.Fd()), &st), st.Mode, st.Uid)
	}},
	{"delete a directory that is open", func(b *bed) {
		f := b.open("sub", os.O_RDONLY)
		b.note("remove", os.RemoveAll(b.path("sub")))
		var st unix.Stat_t
		b.note("fstat", unix.Fstat(int(f.Fd()), &st), st.Nlink, st.Mode)
		_, err := unix.Openat(int(f.Fd()), "x", unix.O_CREAT, 0o644)
		b.note("create in it", err)
		names, err := f.Readdirnames(-1)
		b.note("list", names, err != nil)
		b.note("again", os.Mkdir(b.path("sub"), 0o755))
		_, err = unix.Openat(int(f.Fd()), "x", unix.O_CREAT, 0o644)
		b.note("create in the old one", err)
	}},
	{"shared memory", func(b *bed) {
		for _, name := range []string{"a.txt", "b.bin"} {
			f := b.open(name, os.O_RDWR)
			m, err := unix.Mmap(int(f.Fd()), 0, 12, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			b.note("mmap", err)
			copy(m, "BY MEMORY")
			b.cat(name)
			b.note("msync", unix.Msync(m, unix.MS_SYNC))
			_, err = f.WriteAt([]byte("written"), 2)
			b.note("write", string(m), err)
			b.note("munmap", unix.Munmap(m))
			b.note("close", f.Close())
			b.cat(name)
		}
	}},
	{"private memory", func(b *bed) {
		f := b.open("a.txt", os.O_RDONLY)
		m, err := unix.Mmap(int(f.Fd()), 0, 12, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
		b.note("mmap", err)
		copy(m, "PRIVATE")
		b.cat("a.txt")
		b.note("munmap", unix.Munmap(m))
		_, err = unix.Mmap(int(f.Fd()), 0, 12, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		b.note("shared and writable, of what is open for reading", err)
	}},
	{"fallocate", func(b *bed) {
		f := b.open("a.txt", os.O_RDWR)
		fd := int(f.Fd())
		b.note("grow", unix.Fallocate(fd, 0, 0, 10_000))
		b.stat(f)
		b.note("keep size", unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 20_000))
		b.stat(f)
		b.note("punch", unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 2, 4))
		b.read(f)
	}},
	{"copies within the kernel", func(b *bed) {
		from, to := b.open("b.bin", os.O_RDONLY), b.open("copy", os.O_CREATE|os.O_RDWR)
		var n, total int
		var err error
		for total < 300_000 && err == nil {
			if n, err = unix.CopyFileRange(int(from.Fd()), nil, int(to.Fd()), nil, 300_000-total, 0); n == 0 {
				break
			}
			total += n
		}
		b.note("copy_file_range", total, err)
		b.stat(to)
		var off int64
		to2 := b.open("copy2", os.O_CREATE|os.O_RDWR)
		total, err = 0, nil
		for total < 300_000 && err == nil {
			if n, err = unix.Sendfile(int(to2.Fd()), int(from.Fd()), &off, 300_000-total); n == 0 {
				break
			}
			total += n
		}
		b.note("sendfile", total, err)
		b.sh("cmp b.bin copy && cmp b.bin copy2 && cp b.bin copy3 && cmp b.bin copy3")
		b.sh("cp --reflink=auto sub/s.txt b.bin && cat b.bin")
	}},
	{"statfs", func(b *bed) {
		var st unix.Statfs_t
		err := unix.Statfs(b.dir, &st)
		b.note("statfs", st.Blocks > 0, st.Bavail > 0, st.Namelen, err)
	}},
	{"names", func(b *bed) {
		long := strings.Repeat("n", 255)
		b.note("longest", os.WriteFile(b.path(long), nil, 0o644), os.Rename(b.path(long), b.path("sub/"+long)))
		b.note("too long", os.WriteFile(b.path(long+"n"), nil, 0o644), os.Mkdir(b.path(long+"n"), 0o755))
		_, err := os.Stat(b.path(long + "n"))
		b.note("stat", err)
		b.note("bytes", os.WriteFile(b.path("\xff\n\t%00 ~"), nil, 0o644))
		_, err = os.Stat(b.path("a.txt/x"))
		b.note("in a file", err)
		deep := b.path(strings.Repeat("d/", 100))
		b.note("deep", os.MkdirAll(deep, 0o755), os.WriteFile(deep+"/f", []byte("deep"), 0o644))
	}},
	{"devices", func(b *bed) {
		for _, mode := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
			b.note("make", unix.Mknod(b.path("device"), mode|0o600, int(unix.Mkdev(1, 7))))
			var st unix.Stat_t
			b.note("stat", unix.Lstat(b.path("device"), &st), st.Mode, st.Rdev)
			b.note("remove", os.Remove(b.path("device")))
		}
		// A plain directory takes a device 0:0. For a mount it would be a whiteout.
		if err := unix.Mknod(b.path("null"), unix.S_IFCHR|0o666, 0); err == nil {
			os.Remove(b.path("null"))
		}
	}},
	{"archives", func(b *bed) {
		b.sh("cp -a . ../copy.$$ && rm -r sub && cp -a ../copy.$$/. . && diff -r . ../copy.$$; echo $?; " +
			"rm -r ../copy.$$")
		b.sh("tar cf ../t.$$ . && tar xf ../t.$$ && tar df ../t.$$; echo $?; rm ../t.$$")
		b.sh("mv a.txt sub; mv sub other; rm -rf other; ls -A")
	}},
	{"python", func(b *bed) {
		b.sh(`command -v python3 >/dev/null || exit 0
python3 - <<'END'
import os, shutil, tempfile, pathlib, json
p = pathlib.Path('a.txt')
p.write_text(p.read_text().upper())
print(p.read_text())
with open('b.bin', 'r+b') as f:
    f.seek(1000); f.write(b'py'); f.truncate(2000); f.flush(); os.fsync(f.fileno())
shutil.copytree('sub', 'tree'); shutil.move('tree', 'other/tree'); shutil.rmtree('sub')
with tempfile.NamedTemporaryFile(dir='.', delete=False) as f:
    f.write(json.dumps({'a': 1}).encode())
os.replace(f.name, 'c.txt')
print(sorted(os.listdir('.')), [(d, sorted(f)) for d, _, f in sorted(os.walk('other'))])
END`)
	}},
	{"parallel writers", func(b *bed) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 20 {
					name := b.path(fmt.Sprintf("w%d-%d", w, i))
					if err := os.WriteFile(name+".tmp", []byte(name[len(b.dir):]), 0o644); err != nil {
						b.t.Error(err)
					}
					if err := os.Rename(name+".tmp", name); err != nil {
						b.t.Error(err)
					}
					if i%2 == 1 {
						os.Remove(name)
					}
					f, err := os.OpenFile(b.path("b.bin"), os.O_WRONLY, 0)
					if err != nil {
						b.t.Error(err)
						continue
					}
					f.WriteAt([]byte{byte(w), byte(i)}, int64(w*1000+2*i))
					f.Close()
				}
			})
		}
		wg.Wait()
	}},
}
