package gallery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/survey"
)

// Kept surveys are files of the cache directory, DIGEST.survey. The digest is that of the version of this form, of path,
// size and version of the shard, and of what was asked for, so that a shard that has changed has another one. The
// content is the survey as JSON.
const (
	surveySuffix  = ".survey"
	surveyVersion = 1
	surveyDigits  = 32
	mostSurvey    = 16 << 20 // bytes of one
	mostSurveys   = 64 << 20 // bytes of all
)

// keptSurvey returns the survey of a shard that is kept in a cache directory, or what make finds, which it keeps. A cache
// that cannot be used is done without.
func keptSurvey(cache string, sh *shard.Shard, o survey.Options, make func() (*survey.Survey, error)) (
	*survey.Survey, error) {
	name := surveyName(sh, o)
	if cache == "" {
		return make()
	}
	dir, err := atomicfile.OpenOwnDir(cache)
	if err != nil {
		return make()
	}
	defer dir.Close()
	if found := readSurvey(dir, name); found != nil {
		return found, nil
	}
	found, err := make()
	if err == nil {
		writeSurvey(dir, name, found)
	}
	return found, err
}

// surveyName returns the name of the file with a survey.
func surveyName(sh *shard.Shard, o survey.Options) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%q\n%d\n%q\n%q\n%q %v %v %v", surveyVersion, sh.Path(), sh.Origin.Size,
		sh.Origin.Version, sh.Origin.Probe, o.Fields, o.Pictures, o.Contents, o.Check))
	return hex.EncodeToString(sum[:])[:surveyDigits] + surveySuffix
}

// isSurvey reports whether a file in a cache is a survey.
func isSurvey(name string) bool {
	digits, ok := strings.CutSuffix(name, surveySuffix)
	return ok && len(digits) == surveyDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// readSurvey returns a survey that is kept; nil if there is none that can be trusted.
func readSurvey(dir *os.File, name string) *survey.Survey {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var stat unix.Stat_t
	if unix.Fstat(fd, &stat) != nil || atomicfile.CheckWriters(&stat, unix.S_IFREG, os.Geteuid()) != nil {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, mostSurvey))
	found := new(survey.Survey)
	if err != nil || json.Unmarshal(b, found) != nil {
		return nil
	}
	return found
}

// writeSurvey keeps a survey, and removes those that were made first until the rest have room.
func writeSurvey(dir *os.File, name string, found *survey.Survey) {
	b, err := json.Marshal(found)
	if err != nil || len(b) > mostSurvey {
		return
	}
	f, err := atomicfile.Create(dir, name, atomicfile.Options{
		Perm: 0o600, Replace: true, Durable: atomicfile.Whole, Shared: true,
	})
	if err != nil {
		return
	}
	defer f.Abort()
	if _, err := f.Write(b); err == nil && f.Commit() == nil {
		atomicfile.Evict(dir, isSurvey, name, mostSurveys)
	}
}
