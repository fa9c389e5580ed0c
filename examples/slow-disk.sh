#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A disk as slow as you like: each read takes 50 ms here.  One request at a time needs 16 * 50 ms for
# a mebibyte; sixteen at once need 50 ms together, because a request that waits holds up no other.
set -e
out=${OUT:-$(mktemp -d)}

for depth in 1 16; do
	echo "$depth at a time:"
	export depth
	nbdkit -U - --filter=log --filter=delay memory 1M rdelay=50ms logfile="$out/log-$depth" --run '
		time -p nbdcopy --connections=1 --requests=$depth --request-size=65536 \
			--sparse=0 --no-extents "$uri" null:'
done
echo "When each read began and ended: $out/log-1 and $out/log-16"
