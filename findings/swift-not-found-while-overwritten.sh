#!/bin/sh
# OpenStack Swift now and then answers 404 for an object that is there, while it is overwritten.
#
# One would expect the bytes before or those after, as Swift promises that a PUT replaces an object at once, and as the reader of
# a file gets them that is replaced by renaming. The object server lists the directory of the object, and then opens the newest
# file of that list by its name. A PUT in between has put a newer file there and removed the older one: "no such file" is taken
# for "no such object" (DiskFile.open), and the list is not read again. The answer looks like that for an object that was never
# there. A proxy asks the next replica, so it takes as many coincidences as there are replicas; here is one. By Swift's S3 the
# same is NoSuchKey.
#
# Seen with Swift 2.30.1, in one of 1 800 requests. Needs Debian's swift-proxy, swift-account, swift-container, swift-object and
# memcached, and curl. Uses the ports 41080 to 41084 of loopback. Exits 1 if none of some 60 000 requests is answered so.
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
# each METHOD... URLS: prints the status of each of the requests.
each() { curl -s -o /dev/null -w '%{http_code}\n' -H "X-Auth-Token: $token" "$@"; }
each -X PUT $url >/dev/null
echo hello >body
each -T body $url/o >/dev/null
round=0
while [ $round -lt 33 ]; do
	readers=
	for i in 1 2 3; do
		each "$url/o?n=[1-600]" >got$i &
		readers="$readers $!"
	done
	each -T body "$url/o?n=[1-300]" >put
	wait $readers
	round=$((round + 1))
	sort put | uniq -c | sed 's/^/PUT /'
	sort got? | uniq -c | sed 's/^/GET /'
	! grep -q 404 got? || exit 0
done
exit 1
