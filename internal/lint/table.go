package lint

import (
	"fmt"
	"slices"
	"strings"
)

// Table returns docs/readers.md: what happens to which version of which reader, by code.
func Table() string {
	var b strings.Builder
	b.WriteString(tableHead)
	b.WriteString("| name in JSON | reader | version | what was run, if not the whole |\n|---|---|---|---|\n")
	for _, r := range readers {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Title, r.Version, r.How)
	}
	b.WriteString("\n## Codes\n\n" + codesHead)
	for _, severity := range []Severity{Damage, Error, Warning, Note} {
		for _, code := range Codes() {
			if code.Severity() == severity {
				writeCode(&b, code)
			}
		}
	}
	return b.String()
}

// Codes returns all codes, by severity from damage to notes, and then by name.
func Codes() (all []Code) {
	for code := range rules {
		all = append(all, code)
	}
	slices.SortFunc(all, func(a, b Code) int {
		if a.Severity() != b.Severity() {
			return int(b.Severity()) - int(a.Severity())
		}
		return strings.Compare(string(a), string(b))
	})
	return all
}

// writeCode writes the section of a code.
func writeCode(b *strings.Builder, code Code) {
	fmt.Fprintf(b, "### %s\n\n%s: %s.\n%s.", code, strings.ToUpper(code.Severity().String()[:1])+
		code.Severity().String()[1:], unfilled(code.Meaning()), strings.ToUpper(code.Hint()[:1])+code.Hint()[1:])
	if mend := code.Mend(); mend != NotMended {
		fmt.Fprintf(b, " Can be mended: %s.", mend)
	}
	b.WriteString("\n\n")
	var rows []string
	for _, set := range claims {
		if set.code != code {
			continue
		}
		for _, e := range effects {
			if names := namesOf(set.list(), e.Effect); names != "" {
				rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", set.variant, e.words, names))
			}
		}
	}
	if len(rows) > 0 {
		b.WriteString("| case | the shard | in |\n|---|---|---|\n" + strings.Join(rows, "") + "\n")
	}
}

// namesOf lists the readers of claims about an effect; all versions of Python as a range.
func namesOf(list []Claim, effect Effect) string {
	var names []string
	for _, c := range list {
		if c.Effect == effect {
			names = append(names, "`"+c.Reader+"`")
		}
	}
	text := strings.Join(names, " ")
	all := "`" + strings.Join(groups["python"], "` `") + "`"
	return strings.Replace(text, all, "`python3.8` to `python3.13`", 1)
}

// unfilled replaces the places of a format that are filled in each finding.
func unfilled(format string) string {
	if format == "%v" {
		return "the message says what and where, by member and byte"
	}
	for _, verb := range []string{"%.20q", "%v", "%d", "%s"} {
		format = strings.ReplaceAll(format, verb, "…")
	}
	return strings.ReplaceAll(format, "%%", "%")
}

const tableHead = `# What readers make of odd shards

Generated from the data of ` + "`shardfs check`" + ` by
` + "`go test ./internal/lint -run TestTable -update`" + `; do not edit.

The readers below were run over shards that are odd in one way each (` + "`internal/testing/oddshards`" + `), and what
they found was compared with what shardfs finds. Their answers are kept in ` + "`internal/testing/readers`" + `.
` + "`TestReaders`" + ` compares this page with them: nothing on it is false, and nothing that happened to a reader is
missing. ` + "`make readers`" + ` runs the readers again.

## Readers

`

const codesHead = `A reader that is not listed reads the shard as shardfs does. "Is read without an error" is said of
shards that shardfs refuses. "Can be mended" means without touching content, and by what: other ` + "`names`" + ` of
members, another ` + "`order`" + ` of members, a ` + "`choice`" + ` among members of one name, other
` + "`headers`" + `, a member left out (` + "`drop`" + `), the tar written again (` + "`container`" + `). All that is
what ` + "`pack --fix`" + ` does. Another name of the shard (` + "`shard-name`" + `) is up to the user.

`
