package anytext

import (
	"encoding/json"
	"testing"
)

func TestText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", `""`},
		{"a \"b\" é\x00\n", `"a \"b\" é\u0000\n"`},
		{"lat\xe9", `{"hex":"6c6174e9"}`},
		{`{"hex":"00"}`, `"{\"hex\":\"00\"}"`},
	} {
		b, err := json.Marshal(Text(tt.text))
		if string(b) != tt.want || err != nil {
			t.Errorf("%q is %s, %v, want %s", tt.text, b, err, tt.want)
		}
		var again Text
		if err := json.Unmarshal(b, &again); string(again) != tt.text || err != nil {
			t.Errorf("%s is %q, %v, want %q", b, again, err, tt.text)
		}
	}
	for _, bad := range []string{`{"hex":"x"}`, `{"hex":1}`, `1`} {
		if err := json.Unmarshal([]byte(bad), new(Text)); err == nil {
			t.Errorf("%s is no error", bad)
		}
	}
}
