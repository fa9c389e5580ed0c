/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sparse.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/copy.h"
#include "base/spin.h"
#include "base/util.h"

enum {
	GRAIN = 4096,                          /* of lone pieces: page tables are dense where small writes are aligned */
	PAGE_SHIFT = 15,
	CHUNK_SHIFT = 20,                      /* 1 MiB, the grain of locking */
	LEAF_SHIFT = 24,                       /* 16 MiB */
	ROOT_CHILDREN = 1024,                  /* of the tree: less than 16 GiB needs no nodes */
	NODE_SHIFT = 4,
	NODE_CHILDREN = 1 << NODE_SHIFT,
	PAGES_A_LEAF = 1 << (LEAF_SHIFT - PAGE_SHIFT), /* 512; 32 to a chunk */
	LOCKS = 1024,
	HUGE_MIN = 256 << 10,                  /* bytes of a write from which on its leaf is taken to become full */
	HUGE_LEAVES = 8192,                    /* each may cost two mappings, and a process may have 65,530 */
	STREAM_MIN = 64 << 10,                 /* bytes of a write from which on it goes past the cache */
};
#define PAGE SPARSE_PAGE
#define CHUNK ((uint64_t)1 << CHUNK_SHIFT)
#define LEAF ((uint64_t)1 << LEAF_SHIFT)
_Static_assert(SPARSE_PAGE == 1 << PAGE_SHIFT, "the page of the header");

struct leaf {
	_Alignas(64) uint64_t lone, lone_len;  /* where in the leaf its lone piece is; LEAF and 0: it has none */
	uint8_t *lone_bytes;
	_Atomic(uint8_t *) bytes;              /* LEAF of them, for all but the lone piece; NULL: not yet */
	atomic_bool huge;                      /* bytes have huge pages */
	_Alignas(64) uint32_t present[PAGES_A_LEAF / 32]; /* a bit a page, a word a chunk: under its lock; where only they are written */
};

struct node {
	_Alignas(64) _Atomic(void *) child[NODE_CHILDREN]; /* struct node, at the bottom struct leaf */
};

struct lock {
	_Alignas(64) struct spin spin;
};

struct sparse {
	unsigned top;                          /* bits of a leaf's number below those that choose the root's child */
	struct lock *locks;                    /* LOCKS of them */
	_Atomic(void *) root[ROOT_CHILDREN];   /* struct node, or struct leaf where top is 0 */
	struct spin growing;                   /* guards the arenas; held by who adds nodes, leaves or bytes */
	struct arena tree, bytes;
	atomic_uint huge_leaves;               /* that were found to want huge pages; the first HUGE_LEAVES have them */
};

/* --- the tree --- */

static _Atomic(void *) *child_at(void *node, uint64_t leaf, unsigned shift)
{
	return &((struct node *)node)->child[(leaf >> shift) % NODE_CHILDREN];
}

static struct leaf *find_leaf(const struct sparse *s, uint64_t leaf)
{
	unsigned shift = s->top;
	void *p = atomic_load_explicit(&s->root[leaf >> shift], memory_order_acquire);
	while (shift && p) {
		shift -= NODE_SHIFT;
		p = atomic_load_explicit(child_at(p, leaf, shift), memory_order_acquire);
	}
	return p;
}

/* The bytes from off on; NULL: none yet.  *n is made less when fewer of them lie together. */
static uint8_t *bytes_at(const struct leaf *f, uint64_t off, uint64_t *n)
{
	uint64_t at = off % LEAF, in_lone = at - f->lone;
	if (in_lone < f->lone_len) {
		*n = MIN(*n, f->lone_len - in_lone);
		return f->lone_bytes + in_lone;
	}
	*n = MIN(*n, (at < f->lone ? f->lone : LEAF) - at);
	uint8_t *bytes = atomic_load_explicit(&f->bytes, memory_order_acquire);
	return bytes ? bytes + at : NULL;
}

static struct node *node_new(struct sparse *s)
{
	struct node *n = arena_get(&s->tree, sizeof *n);
	if (n)
		atomic_store_explicit(&n->child[0], NULL, memory_order_relaxed); /* read first, its page would fault twice */
	return n;
}

/* For a write of len bytes at off.  A small one gets a lone piece, where there may be many such leaves. */
static struct leaf *leaf_new(struct sparse *s, uint64_t off, uint64_t len)
{
	struct leaf *f = arena_get(&s->tree, sizeof *f);
	uint64_t from = off % LEAF / GRAIN * GRAIN, to = MIN((off % LEAF + len + GRAIN - 1) / GRAIN * GRAIN, LEAF);
	if (!f)
		return NULL;
	f->lone = LEAF;
	if (s->top && len < PAGE && (f->lone_bytes = arena_get(&s->bytes, to - from))) {
		f->lone = from;
		f->lone_len = to - from;
	}
	return f;
}

static void *child_or_new(struct sparse *s, _Atomic(void *) *at, unsigned shift, uint64_t off, uint64_t len)
{
	void *p = atomic_load_explicit(at, memory_order_relaxed);
	if (!p) {
		p = shift ? (void *)node_new(s) : leaf_new(s, off, len);
		atomic_store_explicit(at, p, memory_order_release);
	}
	return p;
}

/* Make the leaf of off, and bytes there, for a write of len.  False: out of memory; what was made is of use to the next one. */
static bool grow(struct sparse *s, uint64_t off, uint64_t len)
{
	uint64_t leaf = off >> LEAF_SHIFT, n = 1;
	unsigned shift = s->top;

	spin_lock(&s->growing);
	void *p = child_or_new(s, &s->root[leaf >> shift], shift, off, len);
	while (shift && p) {
		shift -= NODE_SHIFT;
		p = child_or_new(s, child_at(p, leaf, shift), shift, off, len);
	}
	struct leaf *f = p;
	if (f && !bytes_at(f, off, &n))
		atomic_store_explicit(&f->bytes, arena_get(&s->bytes, LEAF), memory_order_release);
	bool done = f && bytes_at(f, off, &n);
	spin_unlock(&s->growing);
	return done;
}

/* A large write is seldom alone, and what is dense is read and written faster in huge pages: on a disk of 64 MiB with 4 KiB
 * at random places, a twelfth of the server's time is the processor's walk through page tables. */
static void expect_more(struct sparse *s, struct leaf *f, uint64_t len)
{
	uint8_t *bytes = f && len >= HUGE_MIN ? atomic_load_explicit(&f->bytes, memory_order_acquire) : NULL;

	if (!bytes || atomic_load_explicit(&f->huge, memory_order_relaxed) || atomic_exchange(&f->huge, true))
		return;
	if (atomic_fetch_add(&s->huge_leaves, 1) < HUGE_LEAVES)
		arena_huge(bytes, LEAF);
}

static uint64_t next_among(_Atomic(void *) const *child, size_t count, unsigned shift, uint64_t base, uint64_t from)
{
	for (uint64_t i = from > base ? (from - base) >> shift : 0; i < count; i++) {
		struct node *n = atomic_load_explicit(&child[i], memory_order_acquire);
		uint64_t at = base + (i << shift), found = at;
		if (!n)
			continue;
		if (shift)
			found = next_among(n->child, NODE_CHILDREN, shift - NODE_SHIFT, at, from);
		if (found != UINT64_MAX)
			return found;
	}
	return UINT64_MAX;
}

/* The number of the first leaf that exists, from a number on; UINT64_MAX: none.  Skips what is empty. */
static uint64_t next_leaf(const struct sparse *s, uint64_t from)
{
	return next_among(s->root, ROOT_CHILDREN, s->top, 0, from);
}

struct sparse *sparse_new(uint64_t size)
{
	struct sparse *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	while (size >> LEAF_SHIFT >> s->top >= ROOT_CHILDREN)
		s->top += NODE_SHIFT;
	s->locks = aligned_alloc(_Alignof(struct lock), LOCKS * sizeof *s->locks);
	if (!s->locks) {
		free(s);
		return NULL;
	}
	memset(s->locks, 0, LOCKS * sizeof *s->locks);
	return s;
}

void sparse_free(struct sparse *s)
{
	if (!s)
		return;
	arena_free(&s->tree);
	arena_free(&s->bytes);
	free(s->locks);
	free(s);
}

/* --- pages of a leaf, under the lock --- */

static struct spin *lock_of(const struct sparse *s, uint64_t off)
{
	return &s->locks[(off >> CHUNK_SHIFT) % LOCKS].spin;
}

static unsigned page_in_leaf(uint64_t off)
{
	return (unsigned)(off >> PAGE_SHIFT) % PAGES_A_LEAF;
}

static bool is_present(const struct leaf *f, unsigned page)
{
	return f->present[page / 32] >> (page % 32) & 1;
}

/* Not stored when it is set already: the line would go from core to core with each write, and readers wait for it. */
static void set_present(struct leaf *f, unsigned page)
{
	if (!is_present(f, page))
		f->present[page / 32] |= 1u << (page % 32);
}

static void clear_present(struct leaf *f, unsigned page)
{
	f->present[page / 32] &= ~(1u << (page % 32));
}

static bool all_zero(const struct leaf *f, uint64_t off, uint64_t len)
{
	for (uint64_t end = off + len, n; off < end; off += n) {
		n = end - off;
		const uint8_t *p = bytes_at(f, off, &n);
		if (p && (p[0] || memcmp(p, p + 1, n - 1) != 0))
			return false;
	}
	return true;
}

static void wipe(const struct leaf *f, uint64_t off, uint64_t len, bool drop)
{
	for (uint64_t end = off + len, n; off < end; off += n) {
		n = end - off;
		uint8_t *p = bytes_at(f, off, &n);
		if (p && drop)
			arena_drop(p, n);
		else if (p)
			memset(p, 0, n);
	}
}

/* --- operations: each goes over its range by pieces that lie in one page, chunk or leaf --- */

static uint64_t piece(uint64_t off, uint64_t end, uint64_t grain)
{
	return MIN(end - off, grain - off % grain);
}

void sparse_read(const struct sparse *s, uint64_t off, uint64_t len, void *data)
{
	uint8_t *to = data;
	for (uint64_t end = off + len, n; off < end; off += n, to += n) {
		struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);
		n = piece(off, end, f ? PAGE : LEAF);
		const uint8_t *from = f ? bytes_at(f, off, &n) : NULL;
		if (!from) {
			memset(to, 0, n);
			continue;
		}
		struct spin *lock = lock_of(s, off);
		spin_lock(lock);
		if (is_present(f, page_in_leaf(off)))
			memcpy(to, from, n);
		else
			memset(to, 0, n);
		spin_unlock(lock);
	}
}

int sparse_write(struct sparse *s, uint64_t off, uint64_t len, const void *data)
{
	const uint8_t *from = data;
	for (uint64_t end = off + len, n; off < end; off += n, from += n) {
		struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);
		n = piece(off, end, PAGE);
		uint8_t *to = f ? bytes_at(f, off, &n) : NULL;
		if (unlikely(!to)) {
			if (!grow(s, off, end - off))
				return ENOMEM;
			n = 0;
			continue; /* now it is there */
		}
		expect_more(s, f, len);
		struct spin *lock = lock_of(s, off);
		spin_lock(lock);
		set_present(f, page_in_leaf(off));
		if (len >= STREAM_MIN)
			copy_streaming(to, from, n);
		else
			memcpy(to, from, n);
		spin_unlock(lock);
	}
	return 0;
}

const uint8_t *sparse_lend(const struct sparse *s, uint64_t off, uint64_t len)
{
	struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);
	uint64_t n = len;
	const uint8_t *p = f ? bytes_at(f, off, &n) : NULL;
	return n == len ? p : NULL;
}

/* Whole pages only: of a page that is written in part, others may zero the rest, and give it back while it is being filled. */
uint8_t *sparse_place(struct sparse *s, uint64_t off, uint64_t len)
{
	struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);
	uint64_t n = len;

	if (off % PAGE || len % PAGE || piece(off, off + len, LEAF) != len)
		return NULL;
	uint8_t *p = f ? bytes_at(f, off, &n) : NULL;
	if (!p && grow(s, off, len)) {
		n = len;
		f = find_leaf(s, off >> LEAF_SHIFT);
		p = bytes_at(f, off, &n);
	}
	expect_more(s, f, len);
	return n == len ? p : NULL;
}

void sparse_placed(struct sparse *s, uint64_t off, uint64_t len)
{
	struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);

	for (uint64_t end = off + len; off < end; off += PAGE) {
		spin_lock(lock_of(s, off));
		set_present(f, page_in_leaf(off));
		spin_unlock(lock_of(s, off));
	}
}

/* Zero len bytes that lie in one page, and give it back when nothing else is in it. */
static void zero_in_page(struct leaf *f, uint64_t off, uint64_t len)
{
	unsigned page = page_in_leaf(off);

	if (!is_present(f, page))
		return;
	wipe(f, off, len, false);
	if (!all_zero(f, off & -PAGE, PAGE))
		return;
	clear_present(f, page);
	wipe(f, off & -PAGE, PAGE, true);
}

/* Give back the whole pages from off to end, all of one chunk. */
static void drop_pages(struct leaf *f, uint64_t off, uint64_t end)
{
	bool any = false;
	for (uint64_t at = off; at < end; at += PAGE) {
		any |= is_present(f, page_in_leaf(at));
		clear_present(f, page_in_leaf(at));
	}
	if (any)
		wipe(f, off, end - off, true);
}

static void zero_in_chunk(const struct sparse *s, struct leaf *f, uint64_t off, uint64_t end)
{
	struct spin *lock = lock_of(s, off);

	spin_lock(lock);
	while (off < end) {
		uint64_t n = piece(off, end, PAGE);
		if (n == PAGE) {
			n = end - end % PAGE - off;
			drop_pages(f, off, off + n);
		} else {
			zero_in_page(f, off, n);
		}
		off += n;
	}
	spin_unlock(lock);
}

void sparse_zero(struct sparse *s, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;
	if (!len)
		return;
	for (uint64_t i = next_leaf(s, off >> LEAF_SHIFT); i <= (end - 1) >> LEAF_SHIFT; i = next_leaf(s, i + 1)) {
		struct leaf *f = find_leaf(s, i);
		uint64_t from = MAX(off, i << LEAF_SHIFT), to = MIN(end, (i + 1) << LEAF_SHIFT), n;
		for (uint64_t at = from; at < to; at += n) {
			n = piece(at, to, CHUNK);
			zero_in_chunk(s, f, at, at + n);
		}
	}
}

uint64_t sparse_run(const struct sparse *s, uint64_t off, uint64_t end, uint64_t *look, enum sparse_state *state)
{
	struct leaf *f = find_leaf(s, off >> LEAF_SHIFT);

	*state = SPARSE_HOLE;
	if (!f) {
		uint64_t i = next_leaf(s, (off >> LEAF_SHIFT) + 1);
		return i > (end - 1) >> LEAF_SHIFT ? end - off : (i << LEAF_SHIFT) - off;
	}
	struct spin *lock = lock_of(s, off);
	spin_lock(lock);
	if (is_present(f, page_in_leaf(off))) {
		*state = SPARSE_DATA;
		if (*look >= PAGE && all_zero(f, off & -PAGE, PAGE)) {
			*state = SPARSE_ZERO;
			*look -= PAGE; /* only pages full of zeroes take long to tell */
		}
	}
	spin_unlock(lock);
	return piece(off, end, PAGE);
}
