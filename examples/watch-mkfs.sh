#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What does mkfs write to a disk?  For example:  watch-mkfs.sh ext4;  watch-mkfs.sh btrfs 256M
# No root needed: nbdfuse shows the disk as a file, and mkfs works on that.
set -e
type=${1:-ext4} size=${2:-64M} out=${OUT:-$(mktemp -d)}
export type out
mkdir -p "$out/mnt"

nbdkit -U - --filter=log memory "$size" logfile="$out/log" --run '
	nbdfuse "$out/mnt/disk" --unix "$unixsocket" &
	until [ -e "$out/mnt/disk" ]; do sleep 0.1; done
	"mkfs.$type" "$out/mnt/disk"
	fusermount3 -u "$out/mnt"
	wait'

nbdview "$out/log" --png="$out/mkfs.png"
nbdview "$out/log" --summary
echo "The picture: $out/mkfs.png"
