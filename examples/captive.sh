#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A disk that lives as long as a command: --run starts it when the server is ready, gives it $uri (and
# $unixsocket, $exportname ...), and its exit status is nbdkit's own.  -U - makes a socket of its own.
set -e

echo "== A terabyte that costs nothing"
nbdkit -U - memory 1T --run 'nbdinfo "$uri"'

echo "== Read-only: the write is refused, and so the status is not 0"
if nbdkit -U - -r memory 1M --run 'qemu-io -f raw -c "write 0 4k" "$uri"'; then exit 1; fi

echo "== Copy a file into it and out again, and compare"
nbdkit -U - memory 1M --run '
	set -e
	head -c 1M /dev/urandom >"${TMPDIR:-/tmp}/captive.$$"
	nbdcopy "${TMPDIR:-/tmp}/captive.$$" "$uri"
	nbdcopy "$uri" - | cmp - "${TMPDIR:-/tmp}/captive.$$"
	rm "${TMPDIR:-/tmp}/captive.$$"
	echo the same'
