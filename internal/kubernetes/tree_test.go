package kubernetes

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// written returns a value as YAML and as JSON.
func written(value any) (asYAML, asJSON []byte) {
	var y, j writer
	y.yaml(object{{"value", value}}, 0, false)
	j.json(object{{"value", value}}, 0)
	return y.Bytes(), j.Bytes()
}

// checkWritten checks that readers of YAML and of JSON find a value in what is written.
func checkWritten(t *testing.T, value any) {
	t.Helper()
	asYAML, asJSON := written(value)
	want := map[string]any{"value": plain(value)}
	for text, read := range map[string]func([]byte, any) error{
		string(asYAML): yaml.Unmarshal, string(asJSON): yaml.Unmarshal, string(asJSON) + "\n": json.Unmarshal,
	} {
		var got map[string]any
		if err := read([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%#v is written as\n%s\nand read as %#v, %v", value, text, got, err)
		}
	}
}

func TestWritten(t *testing.T) {
	checkWritten(t, object{
		{"empty", object{}},
		{"left out", nil},
		{"no", "a"}, {"True", "b"}, {"1", "c"}, {"a b", "d"}, {"a.b/c-d_e", "e"}, {"#", "f"},
		{"lists", list{"a", object{{"b", "c"}, {"d", list{"e"}}}, object{}, true}},
		{"objects", object{{"a", object{{"b", object{{"c", "d"}}}}}}},
	})
	for _, text := range []string{
		"", " ", "a", "no", "1", "~", "a: b", "- a", "# a", "'", `"\`, "\ufffd", "🙂", "\u202e",
		"\x00\x1f\x7f\u0080\u0085\u2028\ufeff\ufffe\U0010ffff",
		"\n", "\n\n", "a\n", "a\nb", "a\nb\n", "a\nb\n\n", "\na\nb", " a\nb", "\ta\nb", "a\n b",
		"a\n\n\nb\n", "a\n  \nb", "a \nb\t\n", "a\r\nb\r\n", "a\n---\nb", "a\n...\nb", "a\n# b", "a\n%b\n",
		"a\n\tb\n", "a\n- b\n", "a\nb \n ", "a\n\u00a0b\n", "a\nb\x1b\n", "a\n🙂\n", "a\n\u0085\n",
	} {
		checkWritten(t, text)
		checkWritten(t, list{text, text})
	}
}

// FuzzWritten looks for texts that readers would find changed.
func FuzzWritten(f *testing.F) {
	f.Add("a\n b")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		checkWritten(t, list{text, object{{"key", text}, {text, "value"}}})
	})
}

// Texts of characters that have a meaning in YAML are read as they were.
func TestWrittenAtRandom(t *testing.T) {
	const characters = "ab \n\n\t:-#'\"\\|>&*!%@`{}[],?~\r\u0085\u2028🙂"
	all := []rune(characters)
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		var b strings.Builder
		for range r.IntN(12) {
			b.WriteRune(all[r.IntN(len(all))])
		}
		if t.Failed() {
			return
		}
		checkWritten(t, list{b.String(), object{{"key", b.String()}}})
	}
}
