#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What does a benchmark do to a disk?  fio reads and writes 4 KiB blocks in a zipf pattern (a few blocks
# often, most of them never); the picture shows where.  It was over in a wink, but the log can be played
# slowly:  nbdview LOG --replay=0.02
set -e
out=${OUT:-$(mktemp -d)}

nbdkit -U - --filter=log memory 64M logfile="$out/log" --run '
	fio --name=zipf --ioengine=nbd --uri="$uri" --rw=randrw --rwmixread=30 --bs=4k \
		--random_distribution=zipf:1.1 --iodepth=16 --size=64M --io_size=8M --minimal' >"$out/fio.txt"

nbdview "$out/log" --png="$out/fio.png"
nbdview "$out/log" --summary
echo "The picture: $out/fio.png"
