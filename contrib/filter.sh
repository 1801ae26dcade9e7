#!/bin/sh
# A filter for `uwt --filter 'contrib/filter.sh KEYS'`: lets in who opened its WebSocket with one of the
# keys in the file KEYS, one a line, as wss://tracker.example.org/?key=KEY. Keys that are added or taken
# away count from the next question on; who is in is asked about again after an hour.
#
# A question is one line of JSON, see FILTERS in uwt(8). All that comes before its path is uwt's own
# (a number, hexadecimal digits, an address), so the first "path" is the true one.
keys=${1:?usage: filter.sh KEYS}

while IFS= read -r question; do
	id=${question#*:}
	id=${id%%,*}
	path=${question#*\"path\":\"}
	path=${path%%\"*}
	case $path in
	*[?\&]key=?*)
		key=${path#*[?\&]key=}
		key=${key%%&*}
		;;
	*) key= ;;
	esac
	if [ -n "$key" ] && grep -q -x -F -e "$key" "$keys"; then
		echo '{"id":'"$id"',"allow":true,"ttl":3600}'
	else
		echo '{"id":'"$id"',"allow":false,"reason":"no such key"}'
	fi
done
