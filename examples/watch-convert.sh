#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Does qemu-img convert write the holes of an image?  The image here has 1 MiB of data at 4 MiB and
# 1 MiB at 40 MiB, and nothing elsewhere; the film strip shows what each way of converting does.
set -e
out=${OUT:-$(mktemp -d)}
export out

qemu-img create -q -f qcow2 "$out/image.qcow2" 64M
qemu-io -c 'write -q -P 1 4M 1M' -c 'write -q -P 2 40M 1M' "$out/image.qcow2"

nbdkit -U - --filter=log memory 64M logfile="$out/log" --run '
	step() { echo "@$(date +%s.%N) $*" >>"$out/steps.txt"; }
	step "convert --target-is-zero"
	qemu-img convert -n --target-is-zero -O raw "$out/image.qcow2" "$uri"
	sleep 1
	step "convert"
	qemu-img convert -n -O raw "$out/image.qcow2" "$uri"
	sleep 1'

nbdview "$out/log" --steps="$out/steps.txt" --strip="$out/convert.png"
nbdview "$out/log" --steps="$out/steps.txt" --summary
echo "The picture: $out/convert.png"
