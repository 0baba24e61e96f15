#!/bin/sh
# OpenStack Swift lets several PUT requests with "If-None-Match: *" for one object succeed, if they come at the same time.
#
# One would expect that one of them makes the object and the others get 412, as in S3, Google Cloud Storage and Azure. The object
# server looks whether the object is there before it reads the body, and does not look again when it gives it its name; so it
# is on a single server, too, for plain objects and for manifests of static large objects. A request that comes later does get
# 412 (the first line). If-Match is ignored by PUT altogether (the second line).
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
url=http://127.0.0.1:41080/v1/AUTH_test/c
# put OBJECT HEADER: prints the status.
put() { curl -s -o /dev/null -w '%{http_code}\n' -X PUT -H "X-Auth-Token: $token" -H "$2" -d hello "$url/$1"; }
curl -fsS -X PUT -H "X-Auth-Token: $token" $url
put o 'X-Object-Meta-A: b' >/dev/null
later=$(put o 'If-None-Match: *')
echo "If-None-Match: * for an object that is there: $later"
match=$(put o 'If-Match: "00000000000000000000000000000000"')
echo "If-Match of another ETag: $match"
most=0
for round in 1 2 3 4 5; do
	racers=
	for i in 1 2 3 4; do
		put race$round 'If-None-Match: *' >status$i &
		racers="$racers $!"
	done
	wait $racers
	n=$(cat status? | grep -c 201)
	echo "If-None-Match: * four times at once: $n succeed"
	[ "$n" -le $most ] || most=$n
done
[ "$later $match" = "412 201" ] && [ $most -gt 1 ]
