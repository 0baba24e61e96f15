#!/bin/sh
# versitygw sends the bytes of one version of an object with the ETag of another, also to a request with If-Match.
#
# One would expect that a range that was asked for with If-Match is of that version, as with Amazon: a reader that pins the
# ETag of its first answer would then never mix versions. versitygw's posix backend reads time and ETag by the object's path,
# compares the conditions, and then opens the path again for the body. An overwrite in between gives the new bytes with the
# old ETag and the old Last-Modified; nothing in the answer tells. Its writes are atomic, so one body is of one version.
# A reader has to ask for the version again after it has read, before it relies on the bytes.
#
# It also refuses (412) If-Unmodified-Since with the very Last-Modified that it has told, because it keeps parts of a second.
#
# Seen with versitygw v1.8.0. Needs Go, Python 3, and a file system with extended attributes. Builds versitygw, which takes some
# minutes. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap '[ -z "${server-}" ] || kill "$server"; rm -rf "$dir"' EXIT
GOBIN=$dir GOFLAGS= CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
mkdir -p "$dir/objects"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$dir/versitygw" --keep-alive --quiet --port "127.0.0.1:$port" --access key --secret secret posix "$dir/objects" >"$dir/log" 2>&1 &
server=$!
cat >"$dir/race.py" <<'PY'
import datetime, hashlib, hmac, http.client, socket, sys, threading, time

port = int(sys.argv[1])
for _ in range(600):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.1)


def ask(conn, method, path, body=b"", **more):
    """Sends a signed request and returns the answer and its body."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": digest, "x-amz-date": now}
    names = ";".join(headers)
    canonical = "\n".join([method, path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, digest])
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=key/{scope}, SignedHeaders={names}, Signature={signature}"
    conn.request(method, path, body, {**headers, **more})
    answer = conn.getresponse()
    return answer, answer.read()


def connect():
    return http.client.HTTPConnection("127.0.0.1", port)


conn = connect()
ask(conn, "PUT", "/bucket")
ask(conn, "PUT", "/bucket/a", b"hello")
for _ in range(100):
    answer, _ = ask(conn, "GET", "/bucket/a")
    told = answer.getheader("Last-Modified")
    answer, _ = ask(conn, "GET", "/bucket/a", **{"If-Unmodified-Since": told})
    if answer.status == 412:
        print("If-Unmodified-Since with the time that it has told: 412")
        break
    ask(conn, "PUT", "/bucket/a", b"hello")  # written in the first instant of a second

end = time.time() + 120
wrong = threading.Event()


def write():
    conn, n = connect(), 0
    while not wrong.is_set() and time.time() < end:
        n += 1
        ask(conn, "PUT", "/bucket/a", n.to_bytes(8, "big") * 8192)


def read():
    conn = connect()
    while not wrong.is_set() and time.time() < end:
        first, _ = ask(conn, "GET", "/bucket/a")
        tag = first.getheader("ETag")
        answer, body = ask(conn, "GET", "/bucket/a", **{"If-Match": tag})
        if answer.status == 200 and hashlib.md5(body).hexdigest() != tag.strip('"'):
            if answer.getheader("ETag") == tag and len({body[i : i + 8] for i in range(0, len(body), 8)}) == 1:
                wrong.set()


threads = [threading.Thread(target=f) for f in [write, read, read, read, read]]
[t.start() for t in threads]
[t.join() for t in threads]
print("If-Match: 200, the ETag that was asked for, and the bytes of another version" if wrong.is_set() else "If-Match: never")
PY
python3 "$dir/race.py" "$port" | tee "$dir/out"
printf '%s\n' 'If-Unmodified-Since with the time that it has told: 412' \
	'If-Match: 200, the ETag that was asked for, and the bytes of another version' | cmp - "$dir/out"
