/* SPDX-License-Identifier: BSD-2-Clause */
/* uri: where a client finds the server, as the NBD URI specification writes it.
 * Pure functions. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "server/listen.h"

/* nbd://localhost:10809/NAME, nbd+unix:///NAME?socket=PATH or nbd+vsock://1:10809/NAME.  False: b is full. */
bool uri_add(struct buf *b, const struct listeners *ls, const char *export);
/* The lines of shell that set the variables of --run. */
bool uri_add_variables(struct buf *b, const struct listeners *ls, const char *export);
