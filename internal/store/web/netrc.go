package web

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// login is a user and a password.
type login struct {
	user, password string
	known          bool // also of an empty password
}

// fromNetrc returns the login for a host, and for a user if that is not empty, from the file that NETRC names or else
// from ~/.netrc, as curl and ftp read it. It is empty if there is none, with the user that was asked for.
func (s Service) fromNetrc(host, user string) (login, error) {
	none := login{user: user}
	if s.Getenv == nil {
		return none, nil
	}
	name := s.Getenv("NETRC")
	said := name != ""
	if !said {
		home := s.Getenv("HOME")
		if home == "" {
			return none, nil
		}
		name = filepath.Join(home, ".netrc")
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !said {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	if found, ok := findLogin(string(text), host, user); ok {
		return found, nil
	}
	return none, nil
}

// findLogin returns the first entry of a netrc file for the host, or the default entry before it, that has the user, if
// that is not empty.
func findLogin(text, host, user string) (login, bool) {
	var l login
	here := false // the entry is one for this host
	for {
		word, rest, ok := nextWord(text)
		if !ok || word == "machine" || word == "default" {
			if here && l.user+l.password != "" && (user == "" || user == l.user) {
				l.known = true
				return l, true
			}
			if !ok {
				return login{}, false
			}
			l, here = login{}, word == "default"
		}
		text = rest
		if strings.HasPrefix(word, "#") {
			_, text, _ = strings.Cut(word[1:]+text, "\n")
			continue
		}
		switch word {
		case "machine":
			word, text, _ = nextWord(text)
			here = strings.EqualFold(word, host)
		case "login":
			l.user, text, _ = nextWord(text)
		case "password":
			l.password, text, _ = nextWord(text)
		case "account":
			_, text, _ = nextWord(text)
		case "macdef": // a macro for ftp, which ends with an empty line
			_, text, _ = strings.Cut(text, "\n\n")
		}
	}
}

// nextWord returns the first word of a netrc file and what comes after it. A word may be in quotes, with escapes.
func nextWord(text string) (word, rest string, ok bool) {
	const space = " \t\r\n"
	text = strings.TrimLeft(text, space)
	if text == "" {
		return "", "", false
	}
	if text[0] != '"' {
		end := strings.IndexAny(text, space)
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], true
	}
	var b strings.Builder
	escapes := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			if c = text[i]; escapes[c] != 0 {
				c = escapes[c]
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", true // the quotes are not closed
}
