package main

import (
	"fmt"
	"strings"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/ui"
)

// maxShown is how many findings of one kind are printed for each shard.
const maxShown = 10

// findings prints the findings of check.
type findings struct {
	ui    *ui.UI
	worst lint.Severity // over all shards
	err   error         // first error of printing

	shard  string            // the current shard
	kinds  []lint.Code       // codes found in it, in the order of their first findings
	counts map[lint.Code]int // number of findings with each code
}

// begin starts the next shard.
func (f *findings) begin(shard string) {
	f.shard, f.kinds, f.counts = shard, nil, make(map[lint.Code]int)
}

// listedFinding is a finding as JSON.
type listedFinding struct {
	Shard     *string   `json:"shard,omitempty"`
	ShardHex  *string   `json:"shard_hex,omitempty"`
	Severity  string    `json:"severity"`
	Code      lint.Code `json:"code"`
	Key       *string   `json:"key,omitempty"`
	KeyHex    *string   `json:"key_hex,omitempty"`
	Member    *string   `json:"member,omitempty"`
	MemberHex *string   `json:"member_hex,omitempty"`
	Offset    *int64    `json:"offset,omitempty"` // in the plain tar
	Message   string    `json:"message"`
	Hint      string    `json:"hint"`
	Mend      lint.Mend `json:"mend,omitempty"` // how it can be mended without touching content

	Readers []listedReader `json:"readers,omitempty"`
}

// listedReader is what happens to a reader, as JSON.
type listedReader struct {
	Reader  string        `json:"reader"`
	Version string        `json:"version"`
	Effects []lint.Effect `json:"effects"`
}

// newListedReaders returns what happens to readers because of a finding.
func newListedReaders(found lint.Finding) (list []listedReader) {
	claims := found.Claims()
	for _, r := range lint.Readers() {
		l := listedReader{Reader: r.Name, Version: r.Version}
		for _, c := range claims {
			if c.Reader == r.Name {
				l.Effects = append(l.Effects, c.Effect)
			}
		}
		if l.Effects != nil {
			list = append(list, l)
		}
	}
	return list
}

func newListedFinding(shard string, found lint.Finding) listedFinding {
	of := ui.NewJSONText(shard)
	l := listedFinding{
		Shard: of.Text, ShardHex: of.Hex, Severity: found.Code.Severity().String(), Code: found.Code,
		Message: ui.Printable(found.Message), Hint: found.Code.Hint(), Mend: found.Code.Mend(),
		Readers: newListedReaders(found),
	}
	if found.Key != "" {
		key := ui.NewJSONText(found.Key)
		l.Key, l.KeyHex = key.Text, key.Hex
	}
	if found.Member != "" {
		member := ui.NewJSONText(found.Member)
		l.Member, l.MemberHex = member.Text, member.Hex
	}
	if found.Offset >= 0 {
		l.Offset = &found.Offset
	}
	return l
}

// add prints a finding.
func (f *findings) add(found lint.Finding) error {
	severity := found.Code.Severity()
	f.worst = max(f.worst, severity)
	f.counts[found.Code]++
	n := f.counts[found.Code]
	if n == 1 {
		f.kinds = append(f.kinds, found.Code)
	}
	switch {
	case f.ui.JSON:
		f.err = f.ui.Print(newListedFinding(f.shard, found))
	case n <= maxShown:
		f.printf(severity, "%s%s [%s]", about(found), found.Message, found.Code)
	}
	return f.err
}

// about returns the beginning of a finding's line: the member that it is about, if any.
func about(found lint.Finding) string {
	switch {
	case found.Member == "" && found.Key != "":
		return "sample " + found.Key + ": "
	case found.Member == "":
		return ""
	case found.Code.Severity() == lint.Damage, found.Code == lint.Cut:
		return "after " + found.Member + ": "
	}
	return found.Member + ": "
}

func (f *findings) printf(severity lint.Severity, format string, args ...any) {
	text := ui.Printable(fmt.Sprintf(format, args...))
	_, f.err = fmt.Fprintf(f.ui.Out, "%s: %v: %s\n", ui.Printable(f.shard), severity, text)
}

// end summarizes the findings in the current shard.
func (f *findings) end(s *lint.Shard) error {
	bySeverity := make(map[lint.Severity]int)
	for _, code := range f.kinds {
		n := f.counts[code]
		bySeverity[code.Severity()] += n
		if n > maxShown && !f.ui.JSON && f.err == nil {
			f.printf(code.Severity(), "%d more like these [%s]", n-maxShown, code)
		}
	}
	var all []string
	if bySeverity[lint.Damage] > 0 {
		all = append(all, lint.Damage.String())
	}
	for _, severity := range []lint.Severity{lint.Error, lint.Warning, lint.Note} {
		if n := bySeverity[severity]; n > 0 {
			all = append(all, ui.Count(n, severity.String()))
		}
	}
	if all == nil {
		all = []string{"nothing found"}
	}
	f.ui.Note("%s: %s, %s: %s",
		f.shard, ui.Count(s.Samples(), "sample"), ui.Count(s.Members(), "member"), strings.Join(all, ", "))
	return f.err
}
