package codec

import "testing"

// What is no shard is recognized by its beginning, and a tar is not.
func TestRecognize(t *testing.T) {
	for head, want := range map[string]string{
		"": "", "plain text": "", "0001.txt\x00\x00": "", "xylophone.jpg\x00": "", "{\x00": "",
		"\x78\x9c\xab": "unsupported compression: zlib", "\x78\x9d\xab": "", "x\x9c": "unsupported compression: zlib",
		"  <HTML>": "it is an HTML page", "-----BEGIN PGP MESSAGE-----": "it is encrypted by gpg",
		"\x1f\x8b\x08\x00": "unsupported compression: gzip",
	} {
		got := ""
		if f := Recognize([]byte(head)); f != nil {
			got = f.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
	if got := Recognize([]byte("PAR1")).Within(Gzip).Error(); got != "it is a Parquet file in gzip" {
		t.Errorf("in gzip: %s", got)
	}
}
