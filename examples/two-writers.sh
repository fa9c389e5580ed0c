#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Two clients on one disk: the log tells them apart (connection=1, connection=2).  One writes upwards
# from the beginning, the other every 1 MiB from the end down, both slowed so that they interleave.
set -e
out=${OUT:-$(mktemp -d)}

nbdkit -U - --filter=log --filter=delay memory 64M logfile="$out/log" wdelay=5ms --run '
	seq -f "write -q %gM 512k" 0 15 | qemu-io -f raw "$uri" >/dev/null &
	seq -f "write -q %gM 64k" 63 -1 40 | qemu-io -f raw "$uri" >/dev/null
	wait'

nbdview "$out/log" --png="$out/two.png"
for c in 1 2; do
	echo "connection $c: $(grep -c "connection=$c Write" "$out/log") writes"
done
echo "The picture: $out/two.png"
