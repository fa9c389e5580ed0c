/* SPDX-License-Identifier: BSD-2-Clause */
/* rx: receive buffers that requests may borrow from.
 * One recv() takes whatever the socket has; the small writes in it keep their data there instead of
 * copying it, by a count of holders.  Buffers belong to one loop and are reused; loop thread only. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
	RX_SIZE = 256 << 10,   /* bytes: many small requests, or the largest handshake option */
	RX_INLINE = 32 << 10,  /* bytes of payload that may stay in a buffer; larger ones get memory of their own */
	RX_SPARE_BYTES = 16 << 20, /* of memory in buffers kept for reuse, per loop: those of many quiet clients have a page or two */
	RX_LEAST = 8 << 10,    /* ... that one is counted with at least */
};

struct rx {
	struct rx *next;       /* in the pool */
	struct rx_pool *pool;
	unsigned holders;
	uint32_t len;          /* bytes received */
	uint32_t size;         /* of bytes: RX_SIZE, or less when it is to keep a few */
	uint32_t touched;      /* bytes that were ever received: what has memory */
	uint8_t bytes[];
};

struct rx_pool {
	struct rx *spare;
	size_t bytes;          /* touched by these */
};

struct rx *rx_get(struct rx_pool *p);  /* one holder; NULL: out of memory */
/* A copy of len bytes and no room for more, not from the pool.  One holder; NULL: out of memory. */
struct rx *rx_keep(const uint8_t *bytes, uint32_t len);
static inline struct rx *rx_hold(struct rx *rx) { rx->holders++; return rx; }
/* Its only holder begins anew with it. */
void rx_reset(struct rx *rx);
void rx_drop(struct rx *rx);           /* NULL is fine */
void rx_pool_free(struct rx_pool *p);
