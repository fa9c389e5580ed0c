/* SPDX-License-Identifier: BSD-2-Clause */
/* dial: connect to an NBD server and negotiate an export with GO.
 * Blocking, used once for each connection before anything is measured.  Any thread. */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/* where: a path with '/', or HOST:PORT.  The socket (the caller's to close), or -1 with e set. */
int dial_connect(const char *where, struct err *e);
/* 0 and the size of the disk in bytes, or -1 with e set. */
int dial_go(int fd, const char *export, bool structured, uint64_t *disk, struct err *e);
