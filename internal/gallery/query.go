package gallery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of queries.
const (
	mostQuery = 4096 // bytes
	mostTerms = 200
	mostDepth = 100
)

// queryError is a fault in a query, with the character where it is.
type queryError struct {
	at   int
	text string
}

func (e *queryError) Error() string { return fmt.Sprintf("at character %d: %s", e.at+1, e.text) }

// query is a condition that samples meet or do not. The language has terms, which must all be met, with or, not and
// parentheses:
//
//	WORD             the key contains it
//	key:PREFIX*      the key begins so; without *, it is that
//	key~REGEXP       the key matches
//	shard:PREFIX*    the name of the shard begins so, with its directory or without; without *, it is that
//	shard~REGEXP     the name of the shard matches
//	has:EXT no:EXT   there is such a member, or none
//	size>1M          bytes of all members; also <, <=, >=, ==, !=
//	EXT.size>1M      bytes of a member
//	EXT==TEXT        the content of a member, without space around it; also !=, ~, and with numbers <, <=, >, >=
//	EXT.FIELD==TEXT  a field of a member with JSON; of an array one of its values
//	change:WORD      added, changed, deleted or renamed in a mount
//
// TEXT is a word, or a string as in JSON.
type query interface {
	// match reports whether a sample meets the condition. An error is one of reading.
	match(s *subject) (bool, error)
	// reads reports whether the content of members is read for that.
	reads() bool
}

// parser parses a query.
type parser struct {
	text  string
	at    int // in bytes
	terms int
}

// parseQuery parses a query. An error is a queryError. An empty query is nil, which all samples meet.
func parseQuery(text string) (query, error) {
	p := &parser{text: text}
	if len(text) > mostQuery {
		return nil, p.fault(0, "a query has at most %d bytes", mostQuery)
	}
	if !utf8.ValidString(text) {
		return nil, p.fault(0, "not UTF-8")
	}
	if p.space(); p.at == len(text) {
		return nil, nil
	}
	q, err := p.any(0)
	if err == nil && p.at < len(p.text) {
		err = p.fault(p.at, "a ) without its (")
	}
	return q, err
}

// fault returns an error about a place.
func (p *parser) fault(at int, format string, args ...any) error {
	return &queryError{utf8.RuneCountInString(p.text[:at]), fmt.Sprintf(format, args...)}
}

// space skips space.
func (p *parser) space() {
	p.at += len(p.text[p.at:]) - len(strings.TrimLeft(p.text[p.at:], " \t\r\n"))
}

// word reports whether one of these words is next, and skips it.
func (p *parser) word(words ...string) bool {
	rest := p.text[p.at:]
	end := strings.IndexAny(rest, " \t\r\n()")
	if end < 0 {
		end = len(rest)
	}
	if !slices.Contains(words, rest[:end]) {
		return false
	}
	p.at += end
	p.space()
	return true
}

// any parses conditions with or between them, up to a parenthesis or the end.
func (p *parser) any(depth int) (query, error) {
	if depth > mostDepth {
		return nil, p.fault(p.at, "more than %d parentheses in each other", mostDepth)
	}
	var list anyOf
	for {
		q, err := p.all(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, q)
		if !p.word("or", "OR", "||") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

// all parses conditions that must all be met.
func (p *parser) all(depth int) (query, error) {
	var list allOf
	for p.at < len(p.text) && p.text[p.at] != ')' {
		before := p.at
		if p.word("or", "OR", "||") {
			p.at = before
			break
		}
		p.word("and", "AND", "&&")
		q, err := p.one(depth)
		if err != nil {
			return nil, err
		}
		list = append(list, q)
		p.space()
	}
	switch len(list) {
	case 0:
		return nil, p.fault(p.at, "a condition is missing")
	case 1:
		return list[0], nil
	}
	slices.SortStableFunc(list, func(a, b query) int { // what reads no content is looked at first
		return map[bool]int{true: 1}[a.reads()] - map[bool]int{true: 1}[b.reads()]
	})
	return list, nil
}

// one parses one condition: a term, one in parentheses, or not and one of these.
func (p *parser) one(depth int) (query, error) {
	if p.terms++; p.terms > mostTerms {
		return nil, p.fault(p.at, "more than %d conditions", mostTerms)
	}
	start := p.at
	switch {
	case p.word("not", "NOT"):
		if depth >= mostDepth {
			return nil, p.fault(start, "more than %d of not in each other", mostDepth)
		}
		q, err := p.one(depth + 1)
		return not{q}, err
	case p.at == len(p.text) || p.text[p.at] == ')':
		return nil, p.fault(p.at, "a condition is missing")
	case p.text[p.at] == '(':
		p.at++
		p.space()
		q, err := p.any(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.at == len(p.text) {
			return nil, p.fault(start, "a ( without its )")
		}
		p.at++
		return q, nil
	}
	return p.term()
}

// operators are the operators of terms; one that begins with another comes first.
var operators = []string{"==", "!=", "<=", ">=", "!~", "=", "<", ">", "~", ":"}

// term parses a term.
func (p *parser) term() (query, error) {
	start := p.at
	if p.text[p.at] == '"' {
		text, err := p.value()
		return keyHas(text), err
	}
	rest := p.text[p.at:]
	end := strings.IndexAny(rest, " \t\r\n()\":~=!<>")
	if end < 0 || strings.ContainsRune(" \t\r\n()\"", rune(rest[end])) {
		text, err := p.value()
		return keyHas(text), err
	}
	name, operator := rest[:end], ""
	for _, o := range operators {
		if strings.HasPrefix(rest[end:], o) {
			operator = o
			break
		}
	}
	if operator == "" {
		text, err := p.value() // such as a!b
		return keyHas(text), err
	}
	if name == "" {
		return nil, p.fault(start, "a name is missing before %s", operator)
	}
	p.at += end + len(operator)
	at := p.at
	if at == len(p.text) || strings.ContainsRune(" \t\r\n)", rune(p.text[at])) {
		return nil, p.fault(at, "a value is missing after %s", operator)
	}
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	return p.condition(name, operator, value, start, at)
}

// value parses a word, or a string as in JSON. Parentheses in a word belong to it if it has both.
func (p *parser) value() (string, error) {
	start := p.at
	if p.text[p.at] == '"' {
		for p.at++; p.at < len(p.text); p.at++ {
			switch p.text[p.at] {
			case '\\':
				p.at++
			case '"':
				p.at++
				var value string
				if json.Unmarshal([]byte(p.text[start:p.at]), &value) != nil {
					return "", p.fault(start, "not a string as in JSON")
				}
				return value, nil
			}
		}
		return "", p.fault(start, "a \" without its end")
	}
	depth := 0
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case strings.ContainsRune(" \t\r\n", rune(c)):
			return p.text[start:p.at], nil
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return p.text[start:p.at], nil
			}
		}
	}
	return p.text[start:p.at], nil
}

// condition returns the condition of a term, which starts at start and has its value at at.
func (p *parser) condition(name, operator, value string, start, at int) (query, error) {
	if operator == ":" {
		return p.named(name, value, start, at)
	}
	if operator == "=" {
		operator = "=="
	}
	c := compare{operator: operator, text: value}
	if strings.HasSuffix(operator, "~") {
		var err error
		if c.pattern, err = regexp.Compile(value); err != nil {
			return nil, p.fault(at, "%s", strings.TrimPrefix(err.Error(), "error parsing "))
		}
		if name == "key" {
			return keyMatches{c}, nil
		}
		if name == "shard" {
			return shardIs{compare: c}, nil
		}
		return fieldIs{name, c}, nil
	}
	ext, ofMember := strings.CutSuffix(name, ".size")
	switch {
	case name == "key" && strings.HasSuffix(operator, "="):
		return keyMatches{c}, nil
	case name == "shard" && strings.HasSuffix(operator, "="):
		return shardIs{compare: c}, nil
	case name == "size" || ofMember:
		n, ok := parseSize(value)
		if !ok {
			return nil, p.fault(at, "a number of bytes is needed, such as 10k or 1.5M")
		}
		if !ofMember {
			ext = ""
		}
		return sizeIs{ext, operator, n}, nil
	}
	var err error
	c.number, err = strconv.ParseFloat(value, 64)
	c.isNumber = err == nil
	if !c.isNumber && !strings.HasSuffix(operator, "==") && operator != "!=" {
		return nil, p.fault(at, "a number is needed after %s", operator)
	}
	return fieldIs{name, c}, nil
}

// named returns the condition of a term NAME:VALUE.
func (p *parser) named(name, value string, start, at int) (query, error) {
	prefix, begins := strings.CutSuffix(value, "*")
	switch name {
	case "key":
		if begins {
			return keyBegins(prefix), nil
		}
		return keyIs(value), nil
	case "shard":
		return shardIs{compare{operator: "==", text: prefix}, begins}, nil
	case "has":
		return hasExt(value), nil
	case "no":
		return not{hasExt(value)}, nil
	case "change":
		if !slices.Contains([]string{added, changed, deleted, renamed}, value) {
			return nil, p.fault(at, "change: is %s, %s, %s or %s", added, changed, deleted, renamed)
		}
		return hasChange(value), nil
	}
	return nil, p.fault(start, "before : is key, shard, has, no or change")
}

// parseSize parses a number of bytes: with k, M, G or T for powers of 1000, or Ki, Mi, Gi or Ti for those of 1024.
func parseSize(text string) (n float64, ok bool) {
	text = strings.TrimSuffix(text, "B")
	unit := 1.0
	base := 1000.0
	if rest, binary := strings.CutSuffix(text, "i"); binary {
		text, base = rest, 1024
	}
	if text != "" {
		if i := strings.IndexByte("kMGT", text[len(text)-1]); i >= 0 {
			for range i + 1 {
				unit *= base
			}
			text = text[:len(text)-1]
		} else if base == 1024 {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return n * unit, err == nil && n >= 0
}

// answerQuery answers with a fault in a query.
func answerQuery(w http.ResponseWriter, e *queryError) {
	body, _ := json.Marshal(struct {
		Error string `json:"error"`
		At    int    `json:"at"` // characters before it
	}{e.Error(), e.at})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	w.Write(append(body, '\n'))
}
