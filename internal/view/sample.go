package view

import "path"

// Member returns the number of the sample that a member belongs to, and the name of its file; false if a number is not
// that of a member.
func (v *View) Member(ino Ino) (sample int, name string, ok bool) {
	if ino.kind() != kindMember {
		return 0, "", false
	}
	x := v.Shard.Index
	return x.SampleOfRow(ino.row()), x.FileName(ino.row()), true
}

// FileOf returns the number of the file with a name in the directory of a sample, and the path of that directory below the
// root; false if there is no such member.
func (v *View) FileOf(sample int, name string) (ino Ino, dir string, ok bool) {
	x := v.Shard.Index
	row, ok := x.FindFile(sample, name)
	if !ok {
		return 0, "", false
	}
	for at := DirIno(x.DirOf(sample)); at != Root; {
		var base string
		at, base = v.Location(at)
		dir = path.Join(base, dir)
	}
	return kindMember<<kindShift | Ino(row), dir, true
}
