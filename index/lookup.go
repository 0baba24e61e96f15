package index

// AppendKey appends the key of the sample with this number to b. It is Key for callers that look at many.
func (x *Index) AppendKey(b []byte, number int) []byte {
	if x.c.keyRow.n > 0 {
		if i, ok := x.c.keyRow.find(uint64(number)); ok {
			return append(b, x.c.keys.get(i)...)
		}
	}
	return x.appendPath(b, x.DirOf(number))
}

// appendPath appends the path of d.
func (x *Index) appendPath(b []byte, d Dir) []byte {
	if d == Root {
		return b
	}
	if parent := x.Parent(d); parent != Root {
		b = append(x.appendPath(b, parent), '/')
	}
	return append(b, x.c.names.get(int(d))...)
}

// HasExt reports whether the entry in a row is a member of a sample with this extension.
func (x *Index) HasExt(row int, ext string) bool { return x.InSample(row) && string(x.ext(row)) == ext }
