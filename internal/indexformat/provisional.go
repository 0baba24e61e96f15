package indexformat

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
)

// Place is where an index of a shard may be.
type Place struct {
	Format Format
	Name   string
}

// Beside returns the places where tools look for indexes of a shard that name its members, given the shard's path.
func Beside(shard string) (places []Place) {
	dir, base := path.Split(shard)
	if base == "" {
		return nil
	}
	for _, r := range formats {
		if !r.names {
			continue
		}
		// Some give the index the name of the shard up to its first dot, their users up to its last.
		for _, name := range []string{r.file(base), withoutSuffix(base) + path.Ext(r.file(base))} {
			if p := (Place{r.format, dir + name}); !slices.Contains(places, p) && p.Name != shard {
				places = append(places, p)
			}
		}
	}
	return places
}

// Limits of what an index may leave out if it is to be used without a scan.
const (
	mostBetween = 1 << 20              // before a member's content, for its headers and entries outside samples
	mostAfter   = 22 * index.BlockSize // after the last member: the end marker, and padding to a record of 20 blocks
	leastAfter  = 2 * index.BlockSize  // the end marker
	madeUpMode  = 0o644                // permissions: the formats have none
)

// Provisional returns the members as an index that can be used until the shard is scanned; see
// [index.Builder.Provisional]. All have one time. Samples are those of this program's rule, whatever those of the
// imported index are. The error is ErrUnsuited if the format has no names or some cannot be told for certain, and
// ErrDiffers if more of the shard is left out than headers and padding.
func (im *Imported) Provisional(at time.Time) (*index.Index, error) {
	var b index.Builder
	end := int64(0)
	for _, m := range im.members {
		if why := im.doubt(m.name); why != "" {
			return nil, fmt.Errorf("%s: %w: %s", im.format, ErrUnsuited, why)
		}
		if m.offset-end > mostBetween {
			return nil, fmt.Errorf("%s: %w", im.format, differs("%d bytes before %s are left out", m.offset-end, m))
		}
		e := index.Entry{
			Name: []byte(m.name), Header: end, Data: m.offset, Size: m.size, Stored: m.size,
			End: m.offset + padded(m.size), ModTime: at, Mode: madeUpMode, Type: '0', Regular: true,
		}
		if err := b.Add(&e); err != nil {
			return nil, fmt.Errorf("%s: %w", im.format, err)
		}
		end = e.End
	}
	if rest := im.size - end; rest < leastAfter || rest >= mostAfter {
		return nil, fmt.Errorf("%s: %w", im.format, differs("its members end %d bytes before the shard", rest))
	}
	x := b.Provisional(end, im.size)
	if x.Samples() == 0 {
		return nil, fmt.Errorf("%s: %w: it has no samples", im.format, ErrUnsuited)
	}
	return x, nil
}

// doubt returns why a name may not be the one in the shard, or should not be; "" if it is fine.
func (im *Imported) doubt(name string) string {
	switch {
	case name == "":
		return "it has no names of members"
	case strings.IndexByte(name, 0) >= 0, slices.Contains(strings.Split(name, "/"), ".."):
		return fmt.Sprintf("a member of the name %.80q", name)
	case strings.ContainsRune(name, utf8.RuneError):
		return fmt.Sprintf("the name %.80q may stand for another one", name) // as decoded from what is not UTF-8
	case im.row.escapes && strings.IndexByte(name, '\\') >= 0:
		return fmt.Sprintf("the name %.80q may be escaped", name)
	}
	return ""
}
