package main

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shardfs/shardfs/internal/server"
)

// same checks that every verb, and a mount, treats a compressed shard like the plain one, and leaves nothing:
//
//	same in.tar in.tar.xz
func same(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same PLAIN SHARD")
	}
	if err := ts.Exec("sh", "-ec", sameScript, "same", args[0], args[1]); err != nil {
		ts.Fatalf("%s is not %s: %v", args[1], args[0], err)
	}
	if !server.CanMount() {
		ts.Logf("SKIPPED: no /dev/fuse, and mounts were not compared")
		return
	}
	if err := ts.Exec("sh", "-ec", sameMountScript, "same", args[0], args[1]); err != nil {
		ts.Fatalf("the mount of %s is not that of %s: %v", args[1], args[0], err)
	}
}

const sameScript = `
shardfs ls -l $1 >ls.want
shardfs ls -l $2 >ls.got
cmp ls.want ls.got
tac ls.want | grep -o '[^ ]*$' | grep '[.]' | sed -n 1~9p >names
while read -r name; do
	tar xOf $1 $name >member.want
	shardfs cat $2 $name >member.got
	cmp member.want member.got
done <names
shardfs run -q --workspace dir -c true $2 -o back.tar
cmp $1 back.tar
shardfs run -q -c true - -o back.tar <$2
cmp $1 back.tar
test -z "$(ls -A $TMPDIR)"
`

const sameMountScript = `
mkdir -p one two
shardfs mount $1 one
shardfs mount -r $2 two
diff -r -x __source__ one two
shardfs umount one two
shardfs mount $2 two
tail -n 1 names | tr . / | sed 's,/,/sample.,' >path
cat two/$(cat path) >/dev/null
rm -r two/$(dirname $(cat path))
shardfs pack -q two -o less.tar
shardfs umount two
shardfs ls less.tar >ls.got
shardfs ls $1 | grep -v "^$(dirname $(cat path))$" >ls.want
cmp ls.want ls.got
shardfs run -q -j 2 -c 'cksum sample.*' $1 >run.want
shardfs run -q -j 2 -c 'cksum sample.*' $2 >run.got
cmp run.want run.got
test -z "$(ls -A $TMPDIR)"
`
