package fusefs

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// Mounted is a mount as /proc/self/mountinfo tells it.
type Mounted struct {
	Mountpoint string
	Type       string
	Source     string // of ours: the scratch directory
	Ours       bool
}

// overlaySource is what the sources of our mounts of overlayfs begin with, in front of the scratch directory.
const overlaySource = "shardfs:"

// Mounts returns everything that is mounted, in the order of mounting.
func Mounts() ([]Mounted, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Mounted
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		place, what := strings.Split(before, " "), strings.Split(after, " ")
		if len(place) < 5 || len(what) < 2 {
			continue
		}
		m := Mounted{Mountpoint: unescape(place[4]), Type: what[0], Source: unescape(what[1])}
		if m.Type == kernelType {
			m.Source, m.Ours = strings.CutPrefix(m.Source, overlaySource)
		} else {
			m.Ours = m.Type == Type
		}
		all = append(all, m)
	}
	return all, lines.Err()
}

// At returns our mount at a mountpoint, given as an absolute path without links; the last one, where several are stacked.
func At(mountpoint string) (m Mounted, ok bool, err error) {
	all, err := Mounts()
	for _, candidate := range all {
		if candidate.Mountpoint == mountpoint {
			m = candidate
		}
	}
	return m, m.Ours, err
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
