/* SPDX-License-Identifier: BSD-2-Clause */
/* sparse: up to 2^63-1 bytes of memory that cost only what was written.
 *
 * The bytes are cut into leaves of 16 MiB, found through a radix tree.  Of 16 GiB and more, a leaf whose first write is small begins with
 * the 4 KiB, or few times 4 KiB, that are written, in a place beside those of other leaves: writes all over a huge disk share page tables
 * and mappings.  With the next write elsewhere address space is had for the whole leaf, where its bytes lie together; but that lone
 * piece, which may be lent, stays where it is.  The kernel gives memory page by page, and takes it back when a range is zeroed.
 * A bit per SPARSE_PAGE tells what is allocated.  From its first write of 256 KiB on a leaf has huge pages: much of it will be full, and
 * the processor finds them faster; of such a page the kernel takes back parts when it needs them.
 *
 * Any number of threads at once.  The tree only grows: its pointers are atomic and followed without a lock, and one lock is held to
 * add to it.  Bytes and bits are guarded by a lock per MiB (of a fixed number, by remainder), held for one copy.
 * Ranges must lie within the size. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPARSE_PAGE ((uint64_t)32 << 10) /* bytes: the grain of what is allocated */

struct sparse;

enum sparse_state { SPARSE_HOLE, SPARSE_ZERO, SPARSE_DATA }; /* not there; there, all zero; there */

struct sparse *sparse_new(uint64_t size);   /* NULL: out of memory */
void sparse_free(struct sparse *s);         /* nobody may use it any more; NULL is fine */

void sparse_read(const struct sparse *s, uint64_t off, uint64_t len, void *to);
int sparse_write(struct sparse *s, uint64_t off, uint64_t len, const void *from); /* 0 or ENOMEM */
/* Give pages back that are zero afterwards. */
void sparse_zero(struct sparse *s, uint64_t off, uint64_t len);

/* The bytes themselves, which stay mapped to the end, or NULL: they don't lie together, or nothing near
 * them was ever written.  Whoever reads them does so while others may write. */
const uint8_t *sparse_lend(const struct sparse *s, uint64_t off, uint64_t len);

/* Where len bytes from off on may be written without a copy, by then sparse_placed(): until then they are told as they were before, and
 * read as one or the other.  NULL: not whole pages, not together, or no memory; sparse_write() takes them. */
uint8_t *sparse_place(struct sparse *s, uint64_t off, uint64_t len);
void sparse_placed(struct sparse *s, uint64_t off, uint64_t len);

/* How the bytes from off on are, and for how long (> 0, not past end, not always as long as possible).
 * To tell zeroes from data, *look bytes may be looked at, and are counted down; then zeroes are told as data. */
uint64_t sparse_run(const struct sparse *s, uint64_t off, uint64_t end, uint64_t *look, enum sparse_state *state);
