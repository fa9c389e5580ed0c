/* SPDX-License-Identifier: BSD-2-Clause */
/* pack: bytes become text in a page: as they are, or by gzip first (RFC 1952), and base64 (RFC 4648).  One thread at a time. */
#pragma once
#include "base/buf.h"

/* Base64 of n bytes. */
void pack_base64(struct buf *to, const void *p, size_t n);

struct pack;
struct pack *pack_new(size_t limit); /* of the packed bytes; NULL: no memory */
void pack_add(struct pack *p, const void *bytes, size_t n);
/* All that was added, as base64 of its gzip; p is gone.  False: the limit, or no memory. */
bool pack_end(struct pack *p, struct buf *to);
