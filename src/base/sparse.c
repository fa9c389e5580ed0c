/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/sparse.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/copy.h"
#include "base/hidden.h"
#include "base/spin.h"
#include "base/util.h"

enum {
	PAGE_SHIFT = 15,
	CHUNK_SHIFT = 20,                      /* 1 MiB, the grain of locking */
	LEAF_SHIFT = 24,                       /* 16 MiB */
	NODE_SHIFT = 10,                       /* children of a tree node */
	PAGES_A_LEAF = 1 << (LEAF_SHIFT - PAGE_SHIFT), /* 512; 32 to a chunk */
	LOCKS = 1024,
	STREAM_MIN = 64 << 10,                 /* bytes of a write from which on it goes past the cache */
};
#define PAGE SPARSE_PAGE
#define CHUNK ((uint64_t)1 << CHUNK_SHIFT)
#define LEAF ((uint64_t)1 << LEAF_SHIFT)
_Static_assert(SPARSE_PAGE == 1 << PAGE_SHIFT, "the page of the header");

struct leaf {
	uint8_t *bytes;                        /* LEAF of them, mapped */
	uint32_t present[PAGES_A_LEAF / 32];   /* a bit a page, a word a chunk: under its lock */
};

struct node {
	_Atomic(void *) child[1 << NODE_SHIFT]; /* struct node, at level 0 struct leaf */
};

struct lock {
	_Alignas(64) struct spin spin;
};

struct sparse {
	unsigned levels;                       /* of nodes above the leaves */
	struct node *root;
	struct lock *locks;                    /* LOCKS of them */
};

/* --- the tree --- */

static struct leaf *leaf_new(void)
{
	struct leaf *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->bytes = mmap(NULL, LEAF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->bytes == MAP_FAILED) {
		free(f);
		return NULL;
	}
	/* A huge page would take 2 MiB for a write of 4 KiB. */
	madvise(f->bytes, LEAF, MADV_NOHUGEPAGE);
	hidden_hide(f->bytes, LEAF);
	return f;
}

static void leaf_free(struct leaf *f)
{
	munmap(f->bytes, LEAF);
	free(f);
}

/* The child there, made if need be; another thread may have been faster.  NULL: out of memory. */
static void *child_or_new(struct node *n, size_t i, unsigned level)
{
	void *old = atomic_load_explicit(&n->child[i], memory_order_acquire);
	if (old)
		return old;
	void *mine = level ? calloc(1, sizeof(struct node)) : (void *)leaf_new();
	if (!mine || atomic_compare_exchange_strong(&n->child[i], &old, mine))
		return mine;
	if (level)
		free(mine);
	else
		leaf_free(mine);
	return old;
}

static size_t index_at(uint64_t leaf, unsigned level)
{
	return (leaf >> (level * NODE_SHIFT)) & ((1 << NODE_SHIFT) - 1);
}

static struct leaf *find_leaf(const struct sparse *s, uint64_t leaf, bool make)
{
	void *p = s->root;
	for (unsigned level = s->levels; p && level-- > 0;) {
		size_t i = index_at(leaf, level);
		p = make ? child_or_new(p, i, level) : atomic_load_explicit(&((struct node *)p)->child[i], memory_order_acquire);
	}
	return p;
}

static uint64_t next_below(struct node *n, unsigned level, uint64_t base, uint64_t from)
{
	uint64_t span = (uint64_t)1 << (level * NODE_SHIFT);
	for (uint64_t i = from > base ? (from - base) / span : 0; i < 1 << NODE_SHIFT; i++) {
		void *child = atomic_load_explicit(&n->child[i], memory_order_acquire);
		uint64_t found = !child ? UINT64_MAX : level ? next_below(child, level - 1, base + i * span, from) : base + i;
		if (found != UINT64_MAX)
			return found;
	}
	return UINT64_MAX;
}

/* The number of the first leaf that exists, from a number on; UINT64_MAX: none.  Skips what is empty. */
static uint64_t next_leaf(const struct sparse *s, uint64_t from)
{
	return next_below(s->root, s->levels - 1, 0, from);
}

static void free_below(struct node *n, unsigned level)
{
	for (size_t i = 0; i < 1 << NODE_SHIFT; i++) {
		void *child = atomic_load(&n->child[i]);
		if (child && level)
			free_below(child, level - 1);
		else if (child)
			leaf_free(child);
	}
	free(n);
}

struct sparse *sparse_new(uint64_t size)
{
	struct sparse *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	for (s->levels = 1; (size >> LEAF_SHIFT) + 1 > (uint64_t)1 << (s->levels * NODE_SHIFT);)
		s->levels++;
	s->root = calloc(1, sizeof *s->root);
	s->locks = aligned_alloc(_Alignof(struct lock), LOCKS * sizeof *s->locks);
	if (!s->root || !s->locks) {
		free(s->root);
		free(s->locks);
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
	free_below(s->root, s->levels - 1);
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

static void set_present(struct leaf *f, unsigned page)
{
	f->present[page / 32] |= 1u << (page % 32);
}

static void clear_present(struct leaf *f, unsigned page)
{
	f->present[page / 32] &= ~(1u << (page % 32));
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
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
		struct leaf *f = find_leaf(s, off >> LEAF_SHIFT, false);
		n = piece(off, end, f ? PAGE : LEAF);
		if (!f) {
			memset(to, 0, n);
			continue;
		}
		spin_lock(lock_of(s, off));
		if (is_present(f, page_in_leaf(off)))
			memcpy(to, f->bytes + off % LEAF, n);
		else
			memset(to, 0, n);
		spin_unlock(lock_of(s, off));
	}
}

int sparse_write(struct sparse *s, uint64_t off, uint64_t len, const void *data)
{
	const uint8_t *from = data;
	for (uint64_t end = off + len, n; off < end; off += n, from += n) {
		struct leaf *f = find_leaf(s, off >> LEAF_SHIFT, true);
		if (!f)
			return ENOMEM;
		n = piece(off, end, PAGE);
		spin_lock(lock_of(s, off));
		set_present(f, page_in_leaf(off));
		if (len >= STREAM_MIN)
			copy_streaming(f->bytes + off % LEAF, from, n);
		else
			memcpy(f->bytes + off % LEAF, from, n);
		spin_unlock(lock_of(s, off));
	}
	return 0;
}

const uint8_t *sparse_lend(const struct sparse *s, uint64_t off, uint64_t len)
{
	struct leaf *f = piece(off, off + len, LEAF) == len ? find_leaf(s, off >> LEAF_SHIFT, false) : NULL;
	return f ? f->bytes + off % LEAF : NULL;
}

/* Zero n bytes that lie in one page, and give it back when nothing else is in it. */
static void zero_in_page(struct leaf *f, uint64_t off, uint64_t n)
{
	unsigned page = page_in_leaf(off);
	uint8_t *start = f->bytes + page * PAGE;

	if (!is_present(f, page))
		return;
	memset(f->bytes + off % LEAF, 0, n);
	if (!all_zero(start, PAGE))
		return;
	clear_present(f, page);
	madvise(start, PAGE, MADV_DONTNEED);
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
		madvise(f->bytes + off % LEAF, end - off, MADV_DONTNEED);
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
		struct leaf *f = find_leaf(s, i, false);
		uint64_t from = MAX(off, i << LEAF_SHIFT), to = MIN(end, (i + 1) << LEAF_SHIFT), n;
		for (uint64_t at = from; at < to; at += n) {
			n = piece(at, to, CHUNK);
			zero_in_chunk(s, f, at, at + n);
		}
	}
}

uint64_t sparse_run(const struct sparse *s, uint64_t off, uint64_t end, uint64_t *look, enum sparse_state *state)
{
	uint64_t i = next_leaf(s, off >> LEAF_SHIFT);

	*state = SPARSE_HOLE;
	if (i > off >> LEAF_SHIFT)
		return i > (end - 1) >> LEAF_SHIFT ? end - off : (i << LEAF_SHIFT) - off;
	struct leaf *f = find_leaf(s, i, false);
	unsigned page = page_in_leaf(off);
	spin_lock(lock_of(s, off));
	if (is_present(f, page)) {
		*state = SPARSE_DATA;
		if (*look >= PAGE && all_zero(f->bytes + page * PAGE, PAGE)) {
			*state = SPARSE_ZERO;
			*look -= PAGE; /* only pages full of zeroes take long to tell */
		}
	}
	spin_unlock(lock_of(s, off));
	return piece(off, end, PAGE);
}
