package main

import (
	"bytes"
	"compress/zlib"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// mistake is what a user typed, or what a file is, and what shardfs says about it.
type mistake struct {
	line   string // after "shardfs "; words in ' may have spaces
	status int
	err    string // the error
	hint   string // "" for none
}

// mistakes are the typical ones. Each has one line that says what is wrong and, where there is a way out, one that says
// what to do.
var mistakes = []mistake{
	// What is not a shard is named.
	{"ls parquet.tar", exitDamaged, "parquet.tar: not a tar: it is a Parquet file",
		"read it by pyarrow or datasets, and write its rows to a folder or tar"},
	{"ls arrow.tar", exitDamaged, "arrow.tar: not a tar: it is an Arrow file",
		"read it by pyarrow or datasets, and write its rows to a folder or tar"},
	{"run -c true age.tar", exitDamaged, "age.tar: not a tar: it is encrypted by age",
		"age -d SHARD | shardfs run - ... (or pack -, check -)"},
	{"cat openssl.tar x", exitDamaged, "openssl.tar: not a tar: it is encrypted by openssl",
		"openssl enc -d ... -in SHARD | shardfs run - ... (or pack -, check -)"},
	{"index gpg.tar", exitDamaged, "gpg.tar: not a tar: it is encrypted by gpg",
		"gpg -d SHARD | shardfs run - ... (or pack -, check -)"},
	{"pack rar.tar -o o.tar", exitDamaged, "rar.tar: not a tar: it is a rar archive",
		"extract it, and make a shard of the folder: shardfs pack FOLDER -o OUT.tar"},
	{"ls zip.tar", exitDamaged, "zip.tar: not a tar: it is a zip archive",
		"extract it, and make a shard of the folder: shardfs pack FOLDER -o OUT.tar"},
	{"ls 7z.tar", exitDamaged, "7z.tar: not a tar: it is a 7z archive",
		"extract it, and make a shard of the folder: shardfs pack FOLDER -o OUT.tar"},
	{"ls lfs.tar", exitDamaged, "lfs.tar: not a tar: it is a pointer of Git LFS, not the file itself",
		"git lfs pull fetches the file"},
	{"ls html.tar", exitDamaged, "html.tar: not a tar: it is an HTML page",
		"download it again: curl -f fails where a server answers with an error"},
	{"ls json.tar", exitDamaged, "json.tar: not a tar: it is JSON, maybe the answer of a server",
		"download it again: curl -f fails where a server answers with an error"},
	{"ls lz4.tar", exitDamaged, "lz4.tar: not a tar: unsupported compression: lz4 in its legacy frames",
		"lz4 -dc SHARD | shardfs run - ... (or pack -, check -)"},
	{"ls lzop.tar", exitDamaged, "lzop.tar: not a tar: unsupported compression: lzop",
		"lzop -dc SHARD | shardfs run - ... (or pack -, check -)"},
	{"ls zlib.tar", exitDamaged, "zlib.tar: not a tar: unsupported compression: zlib",
		"zlib-flate -uncompress, or zlib of Python, decompresses it"},
	{"ls lzma.tar", exitDamaged, "lzma.tar: not a tar: unsupported compression: lzma",
		"xz -dc SHARD | shardfs run - ... (or pack -, check -)"},
	{"ls compress.tar", exitDamaged, "compress.tar: not a tar: unsupported compression: compress",
		"gzip -dc SHARD | shardfs run - ... (or pack -, check -)"},
	{"ls window.tar", exitDamaged,
		"window.tar: member 0 at byte 0: compressed byte 0: more than shardfs decodes: " +
			"a zstd window of 2147483648 bytes",
		"zstd -dc --long=31 SHARD | shardfs run - ... (or pack -, check -)"},
	{"ls empty.tar", exitDamaged, "empty.tar: not a tar: the file is empty", ""},

	// Names.
	{"ls missing.tar", exitNoShard, "missing.tar: no such file or directory", ""},
	{"ls '*.tar'", exitNoShard, "*.tar: no such file or directory",
		"the shell expands * and ?: without quotes it names 21 files"},
	{"run -c true 'train-*.tgz'", exitNoShard, "train-*.tgz: no such file or directory",
		"no file is named so; a list of shards can also be name-{0000..0147}.tar or @FILE"},
	{"ls ftp://host/in.tar", exitUsage, "ftp://host/in.tar: unknown kind of URL: ftp:// (known are KNOWN)",
		"copy it to a file first, or pipe it into shardfs run, pack or check -"},
	{"mount 'htps://host/{0..9}.tar' mnt", exitUsage,
		"htps://host/0.tar: unknown kind of URL: htps:// (known are KNOWN)", "did you mean https://?"},
	{"run -c true in.tar -o http://host/out.tar", exitUsage, "http://host/out.tar: http:// cannot be written",
		"-o - | curl -fsST - URL"},
	{"ls http://host/train-*.tar", exitUsage,
		"http://host/train-*.tar: servers of http:// do not list what they have",
		"name the shards: name-{0000..0147}.tar, or @FILE with one a line"},
	{"index dir", exitNoShard, "dir: not a regular file",
		"ls, run and pack read mounts; a folder of files becomes a shard: shardfs pack FOLDER -o OUT.tar"},
	{"pack dir -o o.tar", exitNoShard, "dir: neither a mount of shardfs nor a folder with files of samples",
		"nothing is mounted there, and no file is named KEY.EXT: ls -AR shows what it has"},
	{"mount dir in.tar", exitUsage, "in.tar: the mountpoint is not a directory",
		"the directory comes last: shardfs mount SHARD... MOUNTPOINT"},
	{"mount in.tar", exitUsage, "1 argument missing", "usage: shardfs mount [flags] SHARD... MOUNTPOINT"},
	{"status dir", exitUsage, "dir: not mounted by shardfs", "mount a shard there first: shardfs mount SHARD dir"},

	{"umount", exitUsage, "1 argument missing", "usage: shardfs umount [flags] MOUNTPOINT..."},
	{"ls @list", exitNoShard, "@list: no such file or directory", "@FILE is a file with one shard a line"},

	{"mount 'nothing-*.tar' mnt", exitNoShard, "nothing-*.tar: no such file or directory",
		"no file is named so; a list of shards can also be name-{0000..0147}.tar or @FILE"},
	{"mount dir mnt", exitNoShard, "dir: not a regular file",
		"ls, run and pack read mounts; a folder of files becomes a shard: shardfs pack FOLDER -o OUT.tar"},
	{"cat a.txt in.tar", exitNoShard, "a.txt: no such file or directory", "the shard comes first, then keys"},
	{"ls a in.tar", exitNoShard, "a: no such file or directory", "the shard comes first, then keys"},
	{"check /dev/null", exitNoShard, "/dev/null: not a regular file",
		"a pipe or device is read as standard input: shardfs run - ... <FILE (or pack -, check -)"},
	{"ls elf.tar", exitDamaged, "elf.tar: not a tar: it is a program", ""},
	{"ls pickle.tar", exitDamaged, "pickle.tar: not a tar: it is a Python pickle", ""},

	{"run -c true dir", exitNoShard, "DIR/dir: neither a mount of shardfs nor a directory of sample directories",
		"nothing is mounted there: shardfs mount SHARD MOUNTPOINT; " +
			"a folder of files becomes a shard: shardfs pack FOLDER -o OUT.tar"},
	{"pack in.tar --keys a -o o.tar", exitUsage, "--keys a: no such file or directory",
		"a list of keys is a file, with one a line"},
	{"pack in.tar --captions c.csv -o o.tar", exitUsage,
		`--captions: c.csv: no such column: "key" is none of ["file" "text"]`,
		"--key-column NAME: the column with keys or names of files"},

	// Flags and verbs.
	{"ls --sha256 in.tar", exitUsage, "--all and --sha256 are for --json", ""},
	{"run -c true in.tar -o out-%d.tar", exitUsage, "-o out-%d.tar: there is one output, without a number",
		"pack --split-size S or --split-count N writes several"},
	{"pack in.tar -o out-%06d.tar", exitUsage, "-o out-%06d.tar: there is one output, without a number",
		"pack --split-size S or --split-count N writes several"},
	{"run -j -c true in.tar", exitUsage, "--jobs -c: a number, auto, or a percentage of the CPUs such as 50%", ""},
	{"run -- ls in.tar", exitDamaged, "-: not a tar: it is empty",
		"no shard is named; it comes before --: shardfs run SHARD -- ARGV..."},
	{"-V", exitUsage, "unknown shorthand flag: 'V' in -V", "shardfs help lists the flags"},
	{"moutn in.tar dir", exitUsage, `unknown verb "moutn"`, "did you mean mount?"},
	{"run -c true --retires 3 in.tar", exitUsage, "unknown flag: --retires", "did you mean --retries?"},
	{"run -c true --retries x in.tar", exitUsage, "--retries x: not a number",
		"--retries N: run a failed command up to N times more"},
	{"pack in.tar --shuffle -o o.tar", exitUsage, "--shuffle -o: not a number",
		"--shuffle N: shuffle samples, N of them at a time"},
	{"pack in.tar -o o.tar --shuffle", exitUsage, "--shuffle: its value is missing",
		"--shuffle N: shuffle samples, N of them at a time"},
	{"run in.tar -- ./convert", exitUsage, `exec: "DIR/convert": no such file or directory`,
		"is it there, installed and executable?"},
	{"run -c true in.tar -o in.tar", exitUsage, "-o in.tar: it is the same file as the shard in.tar",
		"write to another name, and then mv it"},
	{"run -c true in.tar --skip 10 -o o.tar", exitUsage, "in.tar: no sample is left: there are 2, and 10 are skipped",
		"--allow-empty means it"},
	{"pack in.tar in.tar -o o.tar", exitUsage, `equal keys: "a" is twice in in.tar, and 1 more`,
		"--on-duplicate-key rename makes KEY~2, KEY~3 of them, and --rekey makes new keys"},
	{"pack in.tar --fields .jpg -o o.tar", exitUsage,
		"o.tar: no sample is left, so nothing is written: none has a member .jpg", "the samples have txt"},
	{"run -c true in.tar -j many", exitUsage,
		"--jobs many: a number, auto, or a percentage of the CPUs such as 50%", ""},
	{"run -c true in.tar -o o.tar --add-log " + strings.Repeat("x", 249), exitUsage,
		`--add-log "` + strings.Repeat("x", 40) + `": not an extension`, ""},
	{"ls /dev/tty", exitUsage, "/dev/tty: a terminal, and a tar is not for typing",
		"name a file, or pipe a shard to this command"},
	{"mount /dev/tty mnt", exitUsage, "/dev/tty: a terminal, and a tar is not for typing",
		"name a file, or pipe a shard to this command"},
	{"run in.tar", exitUsage, "-c COMMAND or -- ARGV is missing: which command should be run?", ""},
	{"pack in.tar", exitUsage, "-o is missing: where should the output go?", ""},
	{"run -c true in.tar --failed o.tar -o o.tar", exitUsage,
		"--failed o.tar: it is the same file as -o o.tar", "give each a name of its own"},
	{"pack in.tar -o o.zip", exitUsage,
		"o.zip: the name of an output ends in .tar, .tar.gz, .tgz, .tar.zst or .tzst", ""},
	{"cat in.tar nobody", exitNoShard, "in.tar: nobody: no such sample", ""},
	{"cat in.tar '*.jpg'", exitNoShard, "in.tar: *.jpg: no such sample", "neither a key nor a member matches"},
	{"ls in.tar other.tar", exitNoShard, "in.tar: other.tar: no such sample",
		"there is no file of that name, so it is taken for a key"},
	{"ls in.tar/", exitNoShard, "in.tar/: not a directory", ""},

	// Scripts for Slurm.
	{"slurm in.tar -c true", exitUsage, "-o is missing: where should the outputs go?", ""},
	{"slurm {0..9}.tar -c true -o out.tar", exitUsage, "-o out.tar: the tasks over 10 shards would all write it",
		"with {name} or {index} in its name there is one for each"},
	{"slurm in.tar -c true -o o.tar -C 500m", exitUsage, "--cpu 500m: from 1 to 65533, whole ones", ""},
	{"slurm in.tar -c true -o o.tar -M 2GB", exitUsage, `--memory "2GB": a number and K, M, G or T`, ""},
	{"slurm in.tar -c true -o o.tar --time 4h", exitUsage, `--time "4h": not a time limit of Slurm`,
		"hours:minutes:seconds, or days-hours"},
	{"slurm in.tar -c true -o o.tar --time 1", exitUsage,
		"--time 1: too short for --grace 1m0s: a task would be told to end when it begins",
		"Slurm may warn a minute before it is asked to"},
	{"slurm in.tar -c true -o o.tar --log job.log", exitUsage, `--log "job.log": all tasks would write it`,
		"%A in it is the job, %a the task"},
	{"slurm in.tar -c true -o o.tar --name 'a b'", exitUsage,
		`--name "a b": at most 63 letters, digits and _.+-`, ""},
	{"slurm in.tar -c true -o o.tar -e SLURM_ARRAY_TASK_ID=1", exitUsage,
		"--env SLURM_ARRAY_TASK_ID: Slurm sets it", ""},
	{"slurm {0..4000}.tar -c true -o {name}.tar --shards-per-task 2", exitUsage,
		"--shards-per-task 2: 4001 shards would be 2001 tasks, at most 1001 are possible",
		"without it there are as many tasks as possible"},
	{"slurm in.tar -c true -o o.tar --max-array-size 0", exitUsage, "--max-array-size 0: from 1 to 4000001", ""},
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	shard, err := os.ReadFile(shardtest.Write(t, "a.txt", "b.txt"))
	shardtest.Check(t, err)
	var compressed bytes.Buffer
	z := zlib.NewWriter(&compressed)
	z.Write(shard)
	z.Close()
	for name, content := range map[string]string{
		"in": string(shard), "empty": "", "zlib": compressed.String(),
		"parquet": "PAR1\x15\x04", "arrow": "ARROW1\x00\x00", "age": "age-encryption.org/v1\n-> X25519",
		"openssl": "Salted__abcdefgh", "gpg": "\x8c\x0d\x04\x09\x03\x02",
		"elf": "\x7fELF\x02\x01\x01", "pickle": "\x80\x04\x95\x10",
		"rar": "Rar!\x1a\x07\x01\x00",
		"zip": "PK\x03\x04\x14\x00", "7z": "7z\xbc\xaf\x27\x1c\x00\x04", "html": "\n<!DOCTYPE HTML><html>",
		"json": "{\n  \"error\": \"not found\"}", "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
		"lz4": "\x02\x21\x4c\x18\x10\x00\x00\x00", "lzop": "\x89LZO\x00\r\n\x1a\n\x10", "lzma": "\x5d\x00\x00\x80\x00",
		"compress": "\x1f\x9d\x90x", "window": "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00",
	} {
		content += strings.Repeat("x", min(len(content), 1)*max(600-len(content), 0))
		shardtest.Check(t, os.WriteFile(name+".tar", []byte(content), 0o600))
	}
	shardtest.Check(t, os.Mkdir("dir", 0o700))
	shardtest.Check(t, os.WriteFile("c.csv", []byte("file,text\na.txt,hello\n"), 0o600))
	known := "paths, file://"
	for _, scheme := range slices.Sorted(maps.Keys(services())) {
		known += ", " + scheme + "://"
	}
	for _, m := range mistakes {
		m.try(t, dir, strings.NewReplacer("DIR", dir, "KNOWN", known))
	}
}

// try runs the line in a directory, with more environment, and compares what shardfs says.
func (m *mistake) try(t *testing.T, dir string, words *strings.Replacer, env ...string) {
	t.Helper()
	var args []string
	for i, part := range strings.Split(m.line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	cmd := shardfsIn(dir, args...)
	cmd.Env = append(cmd.Env, env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Run()
	want := "shardfs: error: " + words.Replace(m.err)
	first, rest, _ := strings.Cut(said.String(), "\n")
	hint := ""
	if m.hint != "" {
		hint = "shardfs: hint: " + m.hint + "\n"
	}
	if status := cmd.ProcessState.ExitCode(); status != m.status || first != want || rest != hint {
		t.Errorf("shardfs %s: exit status %d\n%v\nwant %d\n%s\n%s", m.line, status, &said, m.status, want, hint)
	}
}

// So are mistakes with the names and credentials of stores.
func TestMistakesWithStores(t *testing.T) {
	s := servers.Versitygw(t)
	dir := t.TempDir()
	data, err := os.ReadFile(shardtest.Write(t, "a.txt", "b.txt"))
	shardtest.Check(t, err)
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "in.tar"), data, 0o600))
	s.Bucket(t, "bucket")
	s.Put(t, "bucket", "in.tar", data)
	nobody := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_EC2_METADATA_DISABLED=true", "HOME=" + dir}
	noBucket := "there is no such bucket; AWS_ENDPOINT_URL_S3 says where it is, if not at Amazon"
	for _, tt := range []struct {
		mistake
		env []string
	}{
		{mistake{"ls s3://nobucket/in.tar", exitNoShard,
			"s3://nobucket/in.tar: 127.0.0.1: 404 Not Found (NoSuchBucket)", noBucket}, nil},
		{mistake{"ls 's3://nobucket/*.tar'", exitNoShard,
			"s3://nobucket/*.tar: 127.0.0.1: 404 Not Found (NoSuchBucket)", noBucket}, nil},
		{mistake{"ls s3://bucket/none.tar", exitNoShard,
			"s3://bucket/none.tar: 127.0.0.1: 404 Not Found (NoSuchKey)", ""}, nil},
		{mistake{"mount s3://bucket/none.tar mnt", exitNoShard,
			"s3://bucket/none.tar: 127.0.0.1: 404 Not Found (NoSuchKey)", ""}, nil},
		{mistake{"run -c true 's3://bucket/x-*.tar'", exitNoShard, "s3://bucket/x-*.tar: nothing matches",
			"no name begins with s3://bucket/x-"}, nil},
		{mistake{"run -c true s3://bucket/x-*.tar", exitNoShard, "s3://bucket/x-*.tar: nothing matches",
			"no name begins with s3://bucket/x-"}, nil}, // an unquoted pattern that no shell has expanded
		{mistake{"pack in.tar --with 's3://bucket/x-*.tar' -o o.tar", exitNoShard,
			"--with: s3://bucket/x-*.tar: nothing matches", "no name begins with s3://bucket/x-"}, nil},
		{mistake{"ls s3://bucket/in.tar nobody", exitNoShard, "s3://bucket/in.tar: nobody: no such sample", ""}, nil},
		{mistake{"ls s3://bucket/in.tar", exitPermission,
			"s3://bucket/in.tar: 127.0.0.1: 403 Forbidden (SignatureDoesNotMatch)",
			"the secret key is not that of the access key"}, []string{"AWS_SECRET_ACCESS_KEY=wrong"}},
		{mistake{"ls s3://bucket/in.tar", exitPermission, "s3://bucket/in.tar: 127.0.0.1: credentials: none in the " +
			"environment, in the files of ~/.aws, or from a service of this machine",
			"AWS_NO_SIGN_REQUEST=YES reads public data without credentials"}, nobody},
		{mistake{"ls s3://bucket/in.tar", exitPermission, "s3://bucket/in.tar: 127.0.0.1: 403 Forbidden (AccessDenied)",
			"credentials are not used, because AWS_NO_SIGN_REQUEST is set"}, []string{"AWS_NO_SIGN_REQUEST=YES"}},
		{mistake{"pack in.tar -o s3://nobucket/o.tar", exitUsage,
			"s3://nobucket/o.tar: 127.0.0.1: 404 Not Found (NoSuchBucket)", noBucket}, nil},
		{mistake{"pack in.tar --if-exists fail -o s3://bucket/in.tar", exitUsage, "s3://bucket/in.tar: output exists",
			""}, nil},
		{mistake{"pack in.tar -o s3://bucket/o.tar", exitPermission,
			"s3://bucket/o.tar: 127.0.0.1: 403 Forbidden (SignatureDoesNotMatch)",
			"the secret key is not that of the access key"}, []string{"AWS_SECRET_ACCESS_KEY=wrong"}},
	} {
		tt.try(t, dir, strings.NewReplacer(), append(s.Env(), tt.env...)...)
	}
}
