#!/bin/sh
# OpenStack Swift answers a GET with If-Match for a dynamic large object with the type text/html, and the object's bytes.
#
# One would expect the headers of the same GET without the condition, as it holds. Content-Type is that of the error page which
# the object server has prepared for the empty manifest, whose own ETag the condition does not name; the middleware replaces the
# status, ETag, length and body, but not the type. A client that takes HTML for the page of a proxy refuses the object. A static
# large object (the last two lines) keeps its type.
#
# Seen with Swift 2.30.1. Needs Debian's swift-proxy, swift-account, swift-container, swift-object and memcached, and curl. Uses
# the ports 41080 to 41084 of loopback. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
pids=
trap 'kill $pids; wait; rm -rf "$dir"' EXIT
cd "$dir"
mkdir -p disks/d1
printf '[swift-hash]\nswift_hash_path_suffix = x\n[storage-policy:0]\nname = one\ndefault = yes\n' >swift.conf

# server KIND PORT: writes what all servers have in their configuration.
server() {
	printf '[DEFAULT]\nswift_dir = %s\ndevices = %s/disks\nmount_check = false\ndisable_fallocate = true\nworkers = 0\n' "$dir" "$dir"
	printf 'user = %s\nbind_ip = 127.0.0.1\nbind_port = %s\nlog_level = ERROR\n' "$(id -un)" "$2"
}
port=41081
for kind in account container object; do
	{
		server $kind $port
		printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' $kind $kind $kind
	} >$kind.conf
	swift-ring-builder $kind.builder create 1 1 0 >/dev/null
	swift-ring-builder $kind.builder add r1z1-127.0.0.1:$port/d1 1 >/dev/null
	swift-ring-builder $kind.builder rebalance >/dev/null
	swift-$kind-server $kind.conf >$kind.log 2>&1 &
	pids="$pids $!"
	port=$((port + 1))
done
memcached -u "$(id -un)" -l 127.0.0.1 -p 41084 -U 0 &
pids="$pids $!"
{
	server proxy 41080
	cat <<-'CONF'
		[pipeline:main]
		pipeline = catch_errors gatekeeper cache tempauth slo dlo proxy-server
		[app:proxy-server]
		use = egg:swift#proxy
		account_autocreate = true
		[filter:catch_errors]
		use = egg:swift#catch_errors
		[filter:gatekeeper]
		use = egg:swift#gatekeeper
		[filter:cache]
		use = egg:swift#memcache
		memcache_servers = 127.0.0.1:41084
		[filter:tempauth]
		use = egg:swift#tempauth
		user_test_tester = testing .admin
		[filter:slo]
		use = egg:swift#slo
		[filter:dlo]
		use = egg:swift#dlo
	CONF
} >proxy.conf
swift-proxy-server proxy.conf >proxy.log 2>&1 &
pids="$pids $!"

for port in 41081 41082 41083 41080; do
	tries=0
	until curl -s -o /dev/null http://127.0.0.1:$port/; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { cat ./*.log; exit 2; }
		sleep 0.2
	done
done
token=$(curl -fsSi -H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' http://127.0.0.1:41080/auth/v1.0 |
	tr -d '\r' | sed -n 's/^X-Auth-Token: //p')
object() { curl -fsS -H "X-Auth-Token: $token" "$@"; }
url=http://127.0.0.1:41080/v1/AUTH_test/c
object -X PUT $url
echo hello >segment
object -T segment $url/segment
object -X PUT -H 'X-Object-Manifest: c/segment' -H 'Content-Type: application/x-tar' -H 'Content-Length: 0' $url/dynamic
object -X PUT -H 'Content-Type: application/x-tar' -d '[{"path": "c/segment"}]' "$url/static?multipart-manifest=put"
for name in dynamic static; do
	etag=$(object -I $url/$name | tr -d '\r' | sed -n 's/^E[Tt]ag: //p')
	for header in 'X-No: condition' "If-Match: $etag"; do
		printf '%s, %s: ' $name "${header%%:*}"
		object -D headers -H "$header" -H 'Range: bytes=0-3' -o body $url/$name
		printf '%s %s %s\n' "$(head -n 1 headers | cut -d ' ' -f 2)" \
			"$(tr -d '\r' <headers | sed -n 's/^Content-Type: //p')" "$(cat body)"
	done
done >out
cat out
cat >want <<'WANT'
dynamic, X-No: 206 application/x-tar hell
dynamic, If-Match: 206 text/html; charset=UTF-8 hell
static, X-No: 206 application/x-tar hell
static, If-Match: 206 application/x-tar hell
WANT
cmp want out
