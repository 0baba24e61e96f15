#!/bin/sh
# fake-gcs-server publishes the object of a resumable upload when it is asked how far the upload has come.
#
# Asking (an empty PUT with "Content-Range: bytes */*") is what Google's documentation tells clients to do after an error: the
# answer is 308 with what has arrived. fake-gcs-server takes it for the end of the upload, and the object has what was sent so
# far, under its final name. It also appends a chunk that is sent a second time, where Google ignores bytes that it has, and
# goes on with an upload that was cancelled. So clients that recover from a lost answer lose or repeat bytes with it; they
# have to compare the size and the checksum that the last answer tells.
#
# Seen with fake-gcs-server 1.56.1. Needs it in PATH or in $SHARDFS_SERVERS/bin, and curl. Uses the port 41090 of loopback. Exits
# 1 if the behaviour has changed.
set -eu
PATH=$PATH:${SHARDFS_SERVERS:-/nowhere}/bin
dir=$(mktemp -d)
fake-gcs-server -scheme http -host 127.0.0.1 -port 41090 -backend memory -public-host 127.0.0.1:41090 >"$dir/log" 2>&1 &
trap 'kill $!; rm -rf "$dir"' EXIT
url=http://127.0.0.1:41090
until curl -s -o /dev/null $url/; do sleep 0.2; done
curl -fsS -o "$dir/answer" -d '{"name":"bucket"}' "$url/storage/v1/b?project=p"
head -c 262144 /dev/zero >"$dir/chunk"

# begin OBJECT: begins an upload and sends its first chunk; session is where it goes on.
begin() {
	session=$(curl -fsS -o "$dir/answer" -D - -d '{}' "$url/upload/storage/v1/b/bucket/o?uploadType=resumable&name=$1" |
		tr -d '\r' | sed -n 's/^Location: //p')
	chunk 0-262143/*
}
# chunk RANGE: sends the chunk.
chunk() { curl -s -o "$dir/answer" -X PUT -H "Content-Range: bytes $1" --data-binary "@$dir/chunk" "$session"; }
# size OBJECT: prints the size of an object in bytes, or nothing.
size() {
	curl -s "$url/storage/v1/b/bucket/o/$1" | sed -n 's/.*"size":"\([0-9]*\)".*/\1/p'
}

begin asked
status=$(curl -s -o "$dir/answer" -w '%{http_code}' -X PUT -H 'Content-Range: bytes */*' -H 'Content-Length: 0' "$session")
asked=$(size asked)
echo "asked after 262144 bytes: status $status, an object of ${asked:-no} bytes"
begin twice
chunk 0-262143/*
chunk 262144-524287/524288
twice=$(size twice)
echo "524288 bytes, of which one chunk was sent twice: an object of $twice bytes"
begin cancelled
curl -s -o "$dir/answer" -X DELETE "$session"
chunk 262144-524287/524288
cancelled=$(size cancelled)
echo "the last chunk after the upload was cancelled: an object of ${cancelled:-no} bytes"
[ "$status $asked $twice $cancelled" = "200 262144 786432 524288" ]
