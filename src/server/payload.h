/* SPDX-License-Identifier: BSD-2-Clause */
/* payload: memory for the data of reads and large writes, kept for reuse.
 * A fresh large block from the kernel costs a page fault per 4 KiB, more than copying the data: so blocks of
 * up to 4 MiB are kept, a limited number of bytes per loop, by powers of two.  Core dumps leave them out
 * (base/hidden.h).  Loop thread only. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
	PAYLOAD_MIN_SHIFT = 12,             /* smallest class: 4 KiB */
	PAYLOAD_CLASSES = 11,               /* ... largest: 4 MiB */
	PAYLOAD_KEEP = 64 << 20,            /* bytes kept, per loop */
};

struct payload_pool {
	void *spare[PAYLOAD_CLASSES];       /* chains through their first word */
	size_t kept;                        /* bytes */
	uint8_t *fresh[PAYLOAD_CLASSES];    /* mapped, and not used yet: small blocks come many at once */
	size_t fresh_len[PAYLOAD_CLASSES];  /* bytes, whole blocks */
};

void *payload_get(struct payload_pool *p, size_t len); /* at least len bytes, not cleared; NULL: out of memory */
void payload_put(struct payload_pool *p, void *data, size_t len); /* len as in get; NULL is fine */
void payload_pool_free(struct payload_pool *p);
