package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/erofs"
	"github.com/shardfs/shardfs/internal/folder"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/table"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Exit statuses. Schedulers use them to decide whether to try again.
const (
	exitOK         = 0
	exitFailed     = 1  // a sample failed, nothing published; check has found errors; outputs are missing; differences
	exitPartly     = 3  // published, but some samples failed; check has found warnings only
	exitUsage      = 64 // a mistake in the command line
	exitDamaged    = 65 // a damaged or truncated shard
	exitNoShard    = 66 // no such shard
	exitNoAnswer   = 69 // a store does not answer
	exitIO         = 74 // read or write error, disk full
	exitTemporary  = 75 // try again
	exitPermission = 77
)

// Errors of this package.
var (
	errNoSample      = errors.New("no such sample")
	errCheckErrors   = errors.New("there are errors in the shards")
	errCheckWarnings = errors.New("there are warnings about the shards")
	errDiffer        = errors.New("the samples differ")
)

// exitStatus returns the exit status for an error. No other function knows them.
func exitStatus(err error) int {
	var usage *ui.UsageError
	var signal interrupted
	var child *exec.ExitError
	var program *exec.Error
	var readOnly *store.ReadOnlyError
	var missing *pack.MissingKeysError
	var empty emptyShardError
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &signal):
		return 128 + int(signal.signal)
	case is(unix.EPIPE):
		return 128 + int(unix.SIGPIPE) // the reader of standard output has closed it
	case is(pack.ErrSharedKey):
		return exitUsage // also if it is found only when a sample is packed
	case is(job.ErrSampleFailed): // whatever the failure was
		return exitFailed
	case errors.As(err, &empty):
		return exitDamaged
	case errors.As(err, &usage), errors.As(err, &missing), errors.As(err, &program), errors.As(err, &readOnly),
		is(pack.ErrEmpty, pack.ErrSameKey, pack.ErrNoMatch, store.ErrScheme, store.ErrName, store.ErrExists,
			store.ErrNoDir, exec.ErrNotFound, fusefs.ErrOption, mounts.ErrNotMounted, scratch.ErrOtherShard,
			scratch.ErrNotScratch, scratch.ErrNoTemp, scratch.ErrSecret, shard.ErrNotIndex, pack.ErrSort,
			pack.ErrRepeated, folder.ErrNoClass, folder.ErrSampleDir, table.ErrFormat, table.ErrColumn,
			table.ErrTwice, table.ErrNoKey):
		return exitUsage
	case errors.As(err, &child) && child.Exited():
		return child.ExitCode() // of a child that runs this program and has reported its error
	case is(job.ErrPartial, source.ErrCut, errCheckWarnings):
		return exitPartly
	case is(mounts.ErrUnpacked, mounts.ErrHidden, errCheckErrors, errDiffer, errMissing, pack.ErrKey,
		pack.ErrDuplicateExtension, pack.ErrExtensionConflict):
		return exitFailed
	case is(fusefs.ErrUnavailable, fusefs.ErrRefused, erofs.ErrUnavailable):
		return exitPermission
	case is(scratch.ErrInUse, store.ErrBusy, unix.EBUSY, index.ErrStale):
		return exitTemporary
	case is(indexformat.ErrUnsuited, indexformat.ErrUnknownFormat, erofs.ErrUnsuited):
		return exitUsage
	case is(index.ErrNotTar, index.ErrDamaged, index.ErrTruncated, index.ErrTooLarge, codec.ErrDamaged, codec.ErrLimit,
		codec.ErrFormat, indexformat.ErrMalformed, indexformat.ErrDiffers, job.ErrNotReport, io.ErrUnexpectedEOF):
		return exitDamaged
	case is(store.ErrUnreachable):
		return exitNoAnswer
	case is(errNoSample, source.ErrNoSamples, source.ErrNoFiles, fs.ErrNotExist, unix.ENOTDIR, store.ErrNotRegular):
		return exitNoShard
	case is(fs.ErrPermission):
		return exitPermission
	}
	return exitIO
}

// hintOf returns a hint what the user can do about an error, or "".
func hintOf(err error) string {
	var missing *pack.MissingKeysError
	var hinted interface {
		error
		Hint() string
	}
	switch hint := ui.HintOf(err); {
	case hint != "":
		return hint
	case errors.Is(err, scratch.ErrSecret):
		return "mount it again with --scratch and its whole name, then pack the mount"
	case errors.Is(err, mounts.ErrDead):
		return "its changes are kept: pack and status read them, umount clears the mountpoint"
	case errors.Is(err, scratch.ErrReplaced):
		return replacedHint(err)
	case errors.Is(err, fusefs.ErrUnavailable):
		return "run and pack do without; else load the module fuse and install fuse3; a container needs " +
			"--device /dev/fuse --cap-add SYS_ADMIN"
	case errors.Is(err, fusefs.ErrRefused):
		return refusedHint(err)
	case errors.As(err, &missing):
		if hint := missing.Hint(); hint != "" {
			return hint
		}
		return "--missing-keys ignore does without them"
	case errors.Is(err, pack.ErrSameKey):
		return "--on-duplicate-key rename makes KEY~2, KEY~3 of them, and --rekey makes new keys"
	case errors.As(err, new(*exec.Error)):
		return "is it there, installed and executable?"
	case errors.As(err, &hinted) && hinted.Hint() != "":
		return hinted.Hint()
	case errors.Is(err, source.ErrNoFiles):
		return "nothing is mounted there, and no file is named KEY.EXT: ls -AR shows what it has"
	case errors.Is(err, source.ErrNoSamples):
		return "nothing is mounted there: shardfs mount SHARD MOUNTPOINT; " +
			"a folder of files becomes a shard: shardfs pack FOLDER -o OUT.tar"
	case errors.Is(err, scratch.ErrNoTemp):
		return "TMPDIR names another one"
	case errors.Is(err, table.ErrColumn):
		return "--key-column NAME: the column with keys or names of files"
	case errors.Is(err, pack.ErrRepeated):
		return "--on-duplicate-extension first, last or rename"
	case errors.Is(err, store.ErrUnreachable):
		return "check the name of the server and the network, or try again later"
	case errors.Is(err, pack.ErrNoMatch):
		return "keys are compared byte by byte: shardfs ls shows them; without --with nothing is added"
	case errors.Is(err, pack.ErrEmpty):
		return "--allow-empty means it"
	case errors.Is(err, index.ErrStale):
		return "--index none ignores index files"
	case errors.Is(err, index.ErrDamaged), errors.Is(err, codec.ErrDamaged):
		return "shardfs check tells more; get the shard again, from where it was copied or made"
	case errors.Is(err, store.ErrChanged):
		return "run the command again when nothing writes to the shard"
	case errors.Is(err, pack.ErrExtensionConflict):
		return "rename it in one of the two: shardfs pack OTHER --fields NEW=OLD -o RENAMED.tar"
	}
	return ""
}

// replacedHint returns the hint for a mount whose shard was changed.
func replacedHint(err error) string {
	if errors.Is(err, scratch.ErrOverwritten) {
		return "copy these (cp), then umount --discard the mount"
	}
	return "copy what the mount still shows (cp -r), then umount --discard it"
}

// refusedHint returns the hint for a mount that was refused. In containers users often have no name, and fusermount3 says
// no more than "could not determine username".
func refusedHint(err error) string {
	const without = "run, pack, ls and cat do without a mount"
	if strings.Contains(err.Error(), "username") {
		return fmt.Sprintf("fusermount3 wants a name for user %d in /etc/passwd; %s", os.Getuid(), without)
	}
	return without
}
