package source

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// listed is a store that only lists.
type listed struct {
	store.Store
	names []string // sorted, without what a user adds to them
	query string   // without which nothing is listed
	err   error    // at the end
}

// List implements [store.Lister].
func (l listed) List(_ context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for _, name := range l.names {
			found := strings.HasSuffix(prefix, l.query) && strings.HasPrefix(name, store.Redact(prefix))
			if found && !yield(store.Entry{Name: name}, nil) {
				return
			}
		}
		if l.err != nil {
			yield(store.Entry{}, l.err)
		}
	}
}

func TestExpandGlob(t *testing.T) {
	bucket := listed{names: []string{
		"s3://b/a*b.tar", "s3://b/a.tar", "s3://b/axb.tar", "s3://b/b[1].tar", "s3://b/b1.tar", "s3://b/d/",
		"s3://b/d/a.tar", "s3://b/d/e/a.tar", "s3://b/é.tar", "s3://b/t-1.tar", "s3://b/t-1.tar.sfidx",
		"s3://b/t-2.tar", "s3://b/t-2.tgz",
	}}
	blobs := listed{names: []string{"az://acc/c/a.tar", "az://acc/c/b.tar"}, query: "?sig=secret"}
	web := listed{err: errors.ErrUnsupported}
	stores := store.ByScheme(map[string]store.Store{"s3": bucket, "az": blobs, "http": web, "gs": web.Store})
	for _, tt := range []struct {
		name string
		want string // separated by blanks, without s3://b/
	}{
		{"s3://b/t-*.tar", "t-1.tar t-2.tar"},
		{"s3://b/t-?.t*", "t-1.tar t-2.tar t-2.tgz"},
		{"s3://b/t-[!1].tar", "t-2.tar"},
		{"s3://b/t-[1-9].tar", "t-1.tar t-2.tar"},
		{"s3://b/{t-1,a}.*", "t-1.tar a.tar"},
		{"s3://b/*.tar", "a*b.tar a.tar axb.tar b[1].tar b1.tar é.tar t-1.tar t-2.tar"},
		{"s3://b/*/a.tar", "d/a.tar"},
		{"s3://b/**/a.tar", "a.tar d/a.tar d/e/a.tar"},
		{"s3://b/d/**", "d/a.tar d/e/a.tar"},
		{"s3://b/?.tar", "a.tar é.tar"},
		{"s3://b/d[!x]a.tar", ""},
		{"s3://b/a*b.tar", "a*b.tar"},   // the name of an object
		{"s3://b/b[1].tar", "b[1].tar"}, // that, too
		{"s3://b/none.tar", "none.tar"}, // no pattern
		{"s3://k:secret@b/t-*.tar", "s3://k:secret@b/t-1.tar s3://k:secret@b/t-2.tar"},
		{"az://acc/c/*?sig=secret", "az://acc/c/a.tar?sig=secret az://acc/c/b.tar?sig=secret"},
		{"http://[::1]/a.tar?x[]=*", "http://[::1]/a.tar?x[]=*"},
		{"pipe:cat s3://b/*", "pipe:cat s3://b/*"},
	} {
		got, err := Expand(t.Context(), stores, []string{tt.name})
		want := strings.Fields(tt.want)
		for i, name := range want {
			if !strings.Contains(name, ":/") {
				want[i] = "s3://b/" + name
			}
		}
		if tt.name == "pipe:cat s3://b/*" {
			want = []string{tt.name}
		}
		if !slices.Equal(got, want) || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

func TestExpandGlobErrors(t *testing.T) {
	names := listed{names: []string{"s3://b/t-1.tar"}}
	denied := listed{names: []string{"gs://b/a.tar"}, err: fs.ErrPermission}
	web := listed{err: errors.ErrUnsupported}
	stores := store.ByScheme(map[string]store.Store{"s3": names, "gs": denied, "http": web})
	for _, tt := range []struct {
		name, err, hint string
		is              error
	}{
		{"s3://b/t-*.tgz", "s3://b/t-*.tgz: nothing matches",
			"of the names that begin with s3://b/t-, s3://b/t-1.tar is the last", fs.ErrNotExist},
		{"s3://secret@b/x*", "s3://b/x*: nothing matches", "no name begins with s3://b/x", fs.ErrNotExist},
		{"gs://b/*", "gs://b/*: permission denied", "", fs.ErrPermission},
		{"s3://*/a.tar", "s3://*/a.tar: s3:// lists what is in one bucket, not buckets", "", nil},
		{"s3://b/[z-a]", "s3://b/[z-a]: a pattern that cannot be read", "", nil},
		{"http://secret@host/*.tar?secret", "http://host/*.tar: servers of http:// do not list what they have",
			"name the shards: name-{0000..0147}.tar, or @FILE with one a line", nil},
	} {
		_, err := Expand(t.Context(), stores, []string{tt.name})
		usage := new(ui.UsageError)
		if err == nil || err.Error() != tt.err || ui.HintOf(err) != tt.hint || tt.is != nil && !errors.Is(err, tt.is) ||
			tt.is == nil && !errors.As(err, &usage) {
			t.Errorf("%s: %v; %s", tt.name, err, ui.HintOf(err))
		}
	}
}
