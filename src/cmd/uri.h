/* SPDX-License-Identifier: BSD-2-Clause */
/* uri: where a client finds the server, as the NBD URI specification writes it.
 * Pure functions. */
#pragma once
#include <stdbool.h>
#include "base/buf.h"
#include "cmd/keys.h"
#include "server/listen.h"

/* nbd://localhost:10809/NAME, nbd+unix:///NAME?socket=PATH or nbd+vsock://1:10809/NAME; where TLS is required nbds...,
 * with the user and the files that a client on this machine needs.  False: b is full. */
bool uri_add(struct buf *b, const struct listeners *ls, const struct keys *k, const char *export);
/* The lines of shell that set the variables of --run. */
bool uri_add_variables(struct buf *b, const struct listeners *ls, const struct keys *k, const char *export);
