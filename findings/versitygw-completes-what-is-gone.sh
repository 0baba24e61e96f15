#!/bin/sh
# versitygw answers 200 to the completion of an upload that was aborted, if any object has the name.
#
# One would expect NoSuchUpload, as from Amazon. Its posix backend takes a completion whose upload is not there, while there
# is an object, for a repeated one that has succeeded before, and makes up the ETag from the request. So of two writers of one
# object, the one whose upload was removed is told that it has published, and what is there is the other's. A writer has to
# look whether the object is its own, by something that it has given it.
#
# It also gives a part that is a range of another object (UploadPartCopy) the checksum of that whole object, if both have
# the algorithm in common.
#
# Seen with versitygw v1.8.0. Needs Go, Python 3, and a file system with extended attributes. Builds versitygw, which takes some
# minutes, unless VERSITYGW names one. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap '[ -z "${server-}" ] || kill "$server"; rm -rf "$dir"' EXIT
if [ -z "${VERSITYGW-}" ]; then
	GOBIN=$dir GOFLAGS= CGO_ENABLED=0 go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
	VERSITYGW=$dir/versitygw
fi
mkdir -p "$dir/objects"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$VERSITYGW" --keep-alive --quiet --port "127.0.0.1:$port" --access key --secret secret posix "$dir/objects" >"$dir/log" 2>&1 &
server=$!
cat >"$dir/ask.py" <<'PY'
import base64, datetime, hashlib, hmac, http.client, re, socket, sys, time, urllib.parse

port = int(sys.argv[1])
for _ in range(600):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.1)
conn = http.client.HTTPConnection("127.0.0.1", port)


def ask(method, path, query={}, body=b"", **more):
    """Sends a signed request and returns the answer and its body."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": digest, "x-amz-date": now}
    headers = dict(sorted({**headers, **{k.replace("_", "-"): v for k, v in more.items()}}.items()))
    names = ";".join(headers)
    text = "&".join(f"{k}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items()))
    canonical = "\n".join([method, path, text, *(f"{k}:{v}" for k, v in headers.items()), "", names, digest])
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    text_to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4secret"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text_to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=key/{scope}, SignedHeaders={names}, Signature={signature}"
    conn.request(method, path + ("?" + text if text else ""), body, headers)
    answer = conn.getresponse()
    return answer, answer.read().decode()


def begin(**more):
    return re.search("<UploadId>(.*)</UploadId>", ask("POST", "/bucket/a", {"uploads": ""}, **more)[1]).group(1)


ask("PUT", "/bucket")
upload = begin()
etag = ask("PUT", "/bucket/a", {"partNumber": "1", "uploadId": upload}, b"ours")[0].getheader("ETag")
print("abort:", ask("DELETE", "/bucket/a", {"uploadId": upload})[0].status)
ask("PUT", "/bucket/a", {}, b"another's")
list_ = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
print("complete:", ask("POST", "/bucket/a", {"uploadId": upload}, list_.encode())[0].status)
print("the object:", ask("GET", "/bucket/a")[1])

sum_ = lambda b: base64.b64encode(hashlib.sha1(b).digest()).decode()
ask("PUT", "/bucket/b", {}, b"whole object", x_amz_checksum_sha1=sum_(b"whole object"))
upload = begin(x_amz_checksum_algorithm="SHA1")
text = ask("PUT", "/bucket/a", {"partNumber": "1", "uploadId": upload}, x_amz_copy_source="/bucket/b",
           x_amz_copy_source_range="bytes=0-4")[1]
told = re.search("<ChecksumSHA1>(.*)</ChecksumSHA1>", text).group(1)
print("checksum of a copied range: that of", {sum_(b"whole object"): "the whole object", sum_(b"whole"): "the range"}.get(told))
PY
python3 "$dir/ask.py" "$port" | tee "$dir/out"
printf '%s\n' 'abort: 204' 'complete: 200' "the object: another's" 'checksum of a copied range: that of the whole object' |
	cmp - "$dir/out"
