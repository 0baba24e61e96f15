package indexformat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func mustImport(t testing.TB, f Format, text string, size int64) *Imported {
	t.Helper()
	h, err := Import(strings.NewReader(text), f, size)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// An exported index can be imported, and passes Check for its shard and no other.
func TestRoundTrip(t *testing.T) {
	other := shardOf(t, makeTar(t, file{"z.jpg", "other"}))
	for story, files := range map[string][]file{
		"golden": golden,
		"many":   numbered(3000),
		"one":    {{"a.jpg", ""}},
		"duplicates": {
			{"a.jpg", "1"}, {"a.jpg", "22"}, {"b.jpg", "3"}, {"a.jpg", "4"}, {"b.jpg", "5"}, {"a.jpg", "6"},
		},
		"bytes": {
			{"gnu\xff.jpg", "1"}, {"ü.jpg", "2"}, {"😀.jpg", "3"}, {`a\b".jpg`, "4"}, {"\x01\x7f.jpg", "5"},
		},
		"outside samples": {
			{"README", ""}, {".hidden", ""}, {"__x__.json", ""}, {"a.jpg", ""}, {"b", ""}, {"a.png", ""}, {"d/", ""},
		},
		"nested": {
			{"a/", ""}, {"a/b/c.jpg", "1"}, {"a/b/c.txt", "2"}, {"a/c.jpg", "3"}, {"./x.y/z.jpg", "4"},
		},
		"long names":  {{long, "1"}, {"gnu" + long, "2"}, {strings.Repeat("long/", 80) + "a.jpg", "3"}},
		"a link last": {{"a.jpg", "1"}, {"a.jpg", "->b.jpg"}},
		"not by name": {{"b.jpg", "1"}, {"a.jpg", "2"}, {"c.jpg", "3"}},
		"content of blocks": {
			{"a.jpg", strings.Repeat("x", 512)}, {"b.jpg", strings.Repeat("x", 1<<20)}, {"c.jpg", ""},
		},
	} {
		s := shardOf(t, makeTar(t, files...))
		for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
			text, _ := export(t, f, s)
			h := mustImport(t, f, text, s.Size)
			if err := h.Check(s.Index); err != nil {
				t.Errorf("%s: %v", story, err)
			}
			if err := h.Check(other.Index); !errors.Is(err, ErrDiffers) {
				t.Errorf("%s: %s: of another shard: %v, want %v", story, f, err, ErrDiffers)
			}
			if digests, err := h.Verify(s.Plain); digests != (f == HuggingFace) || err != nil {
				t.Errorf("%s: %s: Verify: %v, %v", story, f, digests, err)
			}
			if _, err := Import(strings.NewReader(text), f, 500); err == nil {
				t.Errorf("%s: %s: imported for a smaller shard", story, f)
			}
			// Read errors are returned unchanged.
			broken := errors.New("broken")
			r := io.MultiReader(strings.NewReader(text[:len(text)/2]), iotest.ErrReader(broken))
			if _, err := Import(r, f, s.Size); !errors.Is(err, broken) {
				t.Errorf("%s: %s: a read error: %v, want %v", story, f, err, broken)
			}
		}
	}
}

// Import accepts what other tools write differently, if it is right.
func TestCheckOtherWriters(t *testing.T) {
	files := []file{{"a.jpg", "hello"}, {"a.txt", ""}, {"README", "xyz"}, {"gnu\xfc\\n.jpg", "1"}, {"a.jpg", "hi"}}
	s := shardOf(t, makeTar(t, files...)) // content at 512, 1536, 2048, 3072, 4096
	for story, tt := range map[string]struct {
		format Format
		text   string
	}{
		"an older version": {WDS2IDX, "v1.1 3\njpg 512 5 txt 1536 0\njpg 3072 1\njpg 4096 2"},
		"as GNU tar lists names": {WDS2IDX, "v1.2 4\njpg 512 5 a.jpg txt 1536 0 a.txt\nREADME 2048 3 README\n" +
			"jpg 3072 1 gnu\\374\\\\n.jpg\njpg 4096 2 a.jpg\n"},
		"white space of all kinds": {WDS2IDX, "v1.1\t3 \r\n jpg  512\t5 txt 1536 0 \r\njpg 3072 1\r\njpg 4096 2\r\n\n"},
		"no digests": {HuggingFace, `{"files":{"README":{"size":3,"offset":2048},"a.jpg":{"offset":4096,"size":2},` +
			`"a.txt":{"offset":1536,"size":0},"gnu\udcfc\\n.jpg":{"offset":3072,"size":1}}}`},
		"more keys, null for unknown": {HuggingFace, `{"by":["x",{}],"filesize":5632,"hash":null,"files":{` +
			`"a.jpg":{"offset":4096,"size":2,"sha256":null,"mode":420},"a.txt":{"offset":1536,"size":0},` +
			`"gnu\udcfc\\n.jpg":{"offset":3072,"size":1}},"hash_lfs":null} `},
	} {
		h := mustImport(t, tt.format, tt.text, s.Size)
		if err := h.Check(s.Index); err != nil {
			t.Errorf("%s: %v", story, err)
		}
		if digests, err := h.Verify(s.Plain); digests || err != nil {
			t.Errorf("%s: Verify: %v, %v", story, digests, err)
		}
	}
}

// The error of Check is one line about the first difference.
func TestCheckDiffers(t *testing.T) {
	s := shardOf(t, makeTar(t, golden...))
	words, _ := export(t, WDS2IDX, s)
	numbers, _ := export(t, Energon, s)
	object, _ := export(t, HuggingFace, s)
	replace := func(text, old, new string) string {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q is %d times in %q", old, strings.Count(text, old), text)
		}
		return strings.Replace(text, old, new, 1)
	}
	for _, tt := range []struct {
		format     Format
		text, want string
	}{
		{WDS2IDX, replace(words, "jpg 512 5 a.jpg txt", "txt"), `member "a.jpg" at byte 512 is missing`},
		{WDS2IDX, "v1.2 2\n" + words[strings.Index(words, "seg"):], `member "a.jpg" at byte 512 is missing`},
		{WDS2IDX, "v1.2 2\n" + words[7:strings.LastIndex(words, "jpg 6656")], `member "a.jpg" at byte 6656 is missing`},
		{WDS2IDX, replace(words, " a.txt", " a.txt png 2560 0 a.png"),
			`no member starts at byte 2560, where the index has "a.png"`},
		{WDS2IDX, replace(words, "1536 0 a.txt", "1536 0 a.text"),
			`at byte 1536: the index has "a.text", the shard "a.txt"`},
		{WDS2IDX, replace(words, "jpg 512 5", "jpg 512 4"), `member "a.jpg": 4 bytes in the index, 5 in the shard`},
		{WDS2IDX, replace(words, "seg.png 4608", "png 4608"), `extension "png" in the index, "seg.png" in the shard`},
		{WDS2IDX, replace(replace(words, " txt", "\ntxt"), "v1.2 3", "v1.2 4"),
			`member "a.txt": in sample 1 of the index, in sample 0 of the shard`},
		{WDS2IDX, replace(replace(words, "\nseg", " seg"), "v1.2 3", "v1.2 2"),
			`": in sample 0 of the index, in sample 1 of the shard`},
		{Energon, numbers[8:], `sample 0 "a": at byte 3072 in the index, at 0 in the shard`},
		{Energon, numbers[:8] + numbers[16:], `": at byte 5120 in the index, at 3072 in the shard`},
		{Energon, numbers[:32], "3 samples in the index, 4 in the shard"},
		{Energon, numbers + "\x00\x20\x00\x00\x00\x00\x00\x00", "5 samples in the index, 4 in the shard"},
		{Energon, numbers[:32] + "\x00\x20\x00\x00\x00\x00\x00\x00",
			"the end marker: at byte 8192 in the index, at 7680 in the shard"},
		{HuggingFace, replace(object, `"a.txt": {`, `"a.text": {`),
			`at byte 1536: the index has "a.text", the shard "a.txt"`},
		{HuggingFace, replace(object, `2048, "size": 3`, `2048, "size": 9`),
			`"README": 9 bytes in the index, 3 in the shard`},
		{HuggingFace, replace(object, `"offset": 6656, "size": 2`, `"offset": 512, "size": 5`),
			`member "a.jpg" at byte 6656 is missing`},
		{HuggingFace, `{"files": {}}`, `member "a.jpg" at byte 512 is missing`},
	} {
		err := mustImport(t, tt.format, tt.text, s.Size).Check(s.Index)
		if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), tt.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q: %v, want %q", tt.format, tt.text, err, tt.want)
		}
	}
}

// The digests of members and of the whole shard are compared with the bytes.
func TestVerify(t *testing.T) {
	plain := makeTar(t, golden...)
	s := shardOf(t, plain)
	text, _ := export(t, HuggingFace, s)
	h := mustImport(t, HuggingFace, text, s.Size)
	for at, want := range map[int]string{4609: "member \"" + long, 512: "SHA-256", 8000: "SHA-256"} {
		changed := bytes.Clone(plain)
		changed[at] ^= 1
		_, err := h.Verify(bytes.NewReader(changed))
		if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), want) {
			t.Errorf("a change at byte %d: %v, want %q", at, err, want)
		}
	}
	if _, err := h.Verify(bytes.NewReader(plain[:5000])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("fewer bytes: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	blob := mustImport(t, HuggingFace, fmt.Sprintf(`{"hash": "%040x", "files": {}}`, 1), s.Size)
	if _, err := blob.Verify(s.Plain); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "Git blob") {
		t.Errorf("another blob: %v", err)
	}
}

// An index that cannot be of any shard of that size is refused.
func TestImportMalformed(t *testing.T) {
	const size = 10_240
	digits := strings.Repeat("0", 64)
	for _, tt := range []struct {
		format     Format
		text, want string
	}{
		{WDS2IDX, "", "line 1: malformed index: version"},
		{WDS2IDX, "v1.0 1\n", "version"},
		{WDS2IDX, "v1.2", "number of samples"},
		{WDS2IDX, "v1.2 0\n", "no samples"},
		{WDS2IDX, "v1.2 -1\n", "number of samples"},
		{WDS2IDX, "v1.2 1 2\njpg 512 1 a.jpg\n", "after the number"},
		{WDS2IDX, "v1.2 9223372036854775807\njpg 512 1 a.jpg\n", "line 3: malformed index: no members of sample 1"},
		{WDS2IDX, "v1.2 9223372036854775808\n", "number of samples"},
		{WDS2IDX, "v1.2 1\n\njpg 512 1 a.jpg\n", "line 2: malformed index: no members"},
		{WDS2IDX, "v1.2 1\njpg 512 1 a.jpg\njpg 1536 1 b.jpg\n", "more than the 1 samples"},
		{WDS2IDX, "v1.2 1\njpg 512 1\n", "without a name"},
		{WDS2IDX, "v1.2 1\njpg 512\n", "size"},
		{WDS2IDX, "v1.2 1\njpg\n", "offset"},
		{WDS2IDX, "v1.2 1\njpg 0x200 1 a.jpg\n", "offset"},
		{WDS2IDX, "v1.2 1\njpg +512 1 a.jpg\n", "offset"},
		{WDS2IDX, "v1.2 1\njpg 513 1 a.jpg\n", "not a multiple"},
		{WDS2IDX, "v1.2 1\njpg 0 1 a.jpg\n", "cannot start before byte 512"},
		{WDS2IDX, "v1.2 1\njpg 512 1 a.jpg png 1024 1 a.png\n", "cannot start before byte 1536"},
		{WDS2IDX, "v1.2 2\njpg 1536 1 b.jpg\njpg 512 1 a.jpg\n", "line 3: malformed index: content at byte 512"},
		{WDS2IDX, "v1.2 1\njpg 10240 1 a.jpg\n", "in a shard of 10240"},
		{WDS2IDX, "v1.2 1\njpg 512 9223372036854775807 a.jpg\n", "in a shard of 10240"},
		{WDS2IDX, "v1.2 1\njpg 512 1 " + strings.Repeat("x", 2<<20), "too long"},
		{Energon, "", "0 offsets"},
		{Energon, "\x00\x02\x00\x00\x00\x00\x00\x00", "1 offsets"},
		{Energon, "\x00\x02\x00", "multiple of 8"},
		{Energon, "\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00",
			"offset 1 is 512, not greater than 512"},
		{Energon, "\x01\x02\x00\x00\x00\x00\x00\x00", "offset 0 is 513, not a multiple"},
		{Energon, "\x00\x2a\x00\x00\x00\x00\x00\x00", "past the shard's"},
		{Energon, "\x00\x02\x00\x00\x00\x00\x00\x80", "past the shard's"},
		{HuggingFace, "", "malformed"},
		{HuggingFace, "[]", "object should be"},
		{HuggingFace, "{}", `no "files"`},
		{HuggingFace, `{"files": []}`, "object should be"},
		{HuggingFace, `{"files": {"a": 1}}`, "malformed"},
		{HuggingFace, `{"files": {"a": {}}}`, "no offset"},
		{HuggingFace, `{"files": {"a": {"offset": 512}}}`, "no size"},
		{HuggingFace, `{"files": {"a": {"offset": -512, "size": 1}}}`, "byte -512"},
		{HuggingFace, `{"files": {"a": {"offset": 512, "size": -1}}}`, "-1 bytes"},
		{HuggingFace, `{"files": {"a": {"offset": 1e30, "size": 1}}}`, "malformed"},
		{HuggingFace, `{"files": {"a": {"offset": 512, "size": 1, "sha256": "12"}}}`, "not a digest of 32 bytes"},
		{HuggingFace, `{"files": {"a": {"offset": 512, "size": 1, "sha256": "` + digits[1:] + `x"}}}`,
			"not a digest of 32 bytes"},
		{HuggingFace, `{"files": {"a": {"offset": 512, "size": 1}, "b": {"offset": 512, "size": 1}}}`,
			"cannot start before byte 1536"},
		{HuggingFace, `{"hash": "` + digits + `", "files": {}}`, "not a digest of 20 bytes"},
		{HuggingFace, `{"hash_lfs": 1, "files": {}}`, "not a digest of 32 bytes"},
		{HuggingFace, `{"files": {}} {}`, "data after its end"},
		{HuggingFace, `{"files": {}} x`, "malformed"},
		{HuggingFace, `{"files": {`, "malformed"},
		{HuggingFace, `{"files": {},}`, "malformed"},
		{HuggingFace, `{"x": ` + strings.Repeat("[", 20_000), "malformed"},
	} {
		h, err := Import(strings.NewReader(tt.text), tt.format, size)
		if h != nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.80q: %v, want %q", tt.format, tt.text, err, tt.want)
		}
	}
	for _, size := range []int64{0, 512, 1 << 40} {
		empty := strings.NewReader(`{"filesize": 1024, "files": {}}`)
		if _, err := Import(empty, HuggingFace, size); !errors.Is(err, ErrDiffers) {
			t.Errorf("another size: %v, want %v", err, ErrDiffers)
		}
	}
	for _, size := range []int64{-1, 1 << 62} {
		if _, err := Import(strings.NewReader(`{"files": {}}`), HuggingFace, size); err == nil {
			t.Errorf("a shard of %d bytes: no error", size)
		}
	}
	endless := "v1.2 1\njpg 512 1 " + strings.Repeat("x", maxWord+1)
	_, err := Import(strings.NewReader(endless), WDS2IDX, 1<<30)
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "a word of more") {
		t.Errorf("an endless word: %v", err)
	}
	if _, err := Import(strings.NewReader(""), "sqlite", size); !errors.Is(err, ErrUnknownFormat) {
		t.Errorf("another format: %v", err)
	}
}
