/* SPDX-License-Identifier: BSD-2-Clause */
/* memory: a disk in memory, up to 2^63-1 bytes, that costs only what was written.
 *
 * The disk is cut into leaves of 16 MiB.  A leaf is an anonymous mapping, made at its first write and found
 * through a radix tree; the kernel gives it memory page by page, and takes it back when a range is
 * discarded.  A bit per 32 KiB page tells what is allocated: that is what extents report.
 *
 * Shared by all loops.  The tree only grows: its pointers are atomic and followed without a lock.  Bytes
 * and bits are guarded by a mutex per MiB (of a fixed number, by remainder), held for one copy.
 *
 * A read that lies in one leaf is not copied: the reply is sent from the leaf itself, which stays mapped to
 * the end.  A write meanwhile may be seen or not, whole or in part: the two requests are in flight
 * together, and the protocol promises nothing else. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/copy.h"
#include "plugins/plugins.h"

enum {
	PAGE_SHIFT = 15,                       /* 32 KiB, the grain of extents: nbdkit's */
	CHUNK_SHIFT = 20,                      /* 1 MiB, the grain of locking */
	LEAF_SHIFT = 24,                       /* 16 MiB */
	NODE_SHIFT = 10,                       /* children of a tree node */
	PAGES_A_LEAF = 1 << (LEAF_SHIFT - PAGE_SHIFT), /* 512; 32 to a chunk */
	LOCKS = 1024,
	STREAM_MIN = 64 << 10,                 /* bytes of a write from which on it goes past the cache */
	ZERO_SCAN_MAX = 64 << 20,              /* bytes looked at for zeroes in one extents request */
};
#define PAGE ((uint64_t)1 << PAGE_SHIFT)
#define CHUNK ((uint64_t)1 << CHUNK_SHIFT)
#define LEAF ((uint64_t)1 << LEAF_SHIFT)

/* ThreadSanitizer would take the clients' race for ours. */
#if defined(__SANITIZE_THREAD__)
#define WATCHED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WATCHED true
#endif
#endif
#ifndef WATCHED
#define WATCHED false
#endif

struct leaf {
	uint8_t *bytes;                        /* LEAF of them, mapped */
	uint32_t present[PAGES_A_LEAF / 32];   /* a bit a page, a word a chunk: under its lock */
};

struct node {
	_Atomic(void *) child[1 << NODE_SHIFT]; /* struct node, at level 0 struct leaf */
};

struct lock {
	_Alignas(64) pthread_mutex_t m;
};

struct memory {
	uint64_t size;                         /* bytes */
	bool sized;
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

static struct leaf *find_leaf(const struct memory *m, uint64_t leaf, bool make)
{
	void *p = m->root;
	for (unsigned level = m->levels; p && level-- > 0;) {
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
static uint64_t next_leaf(const struct memory *m, uint64_t from)
{
	return next_below(m->root, m->levels - 1, 0, from);
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

/* --- pages of a leaf, under the lock --- */

static pthread_mutex_t *lock_of(const struct memory *m, uint64_t off)
{
	return &m->locks[(off >> CHUNK_SHIFT) % LOCKS].m;
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

/* The bytes themselves instead of a copy.  False: they don't lie together. */
static bool lend(const struct memory *m, struct req *r)
{
	struct leaf *f = WATCHED || r->flags & REQ_PLACE || piece(r->off, r->off + r->len, LEAF) < r->len ? NULL
			 : find_leaf(m, r->off >> LEAF_SHIFT, false);
	if (f)
		r->data = f->bytes + r->off % LEAF;
	return f;
}

static void find_holes(const struct memory *m, const struct req *r, struct extents *holes)
{
	for (uint64_t off = r->off, end = off + r->len, n; off < end; off += n) {
		struct leaf *f = find_leaf(m, off >> LEAF_SHIFT, false);
		n = piece(off, end, PAGE);
		pthread_mutex_lock(lock_of(m, off));
		bool there = is_present(f, page_in_leaf(off));
		pthread_mutex_unlock(lock_of(m, off));
		extents_add(holes, n, there ? 0 : EXTENT_HOLE | EXTENT_ZERO);
	}
}

static void read_range(const struct memory *m, struct req *r, struct extents *holes)
{
	uint8_t *to = r->data;
	for (uint64_t off = r->off, end = off + r->len, n; off < end; off += n, to += n) {
		struct leaf *f = find_leaf(m, off >> LEAF_SHIFT, false);
		if (!f) {
			n = piece(off, end, LEAF);
			if (holes)
				extents_add(holes, n, EXTENT_HOLE | EXTENT_ZERO);
			else
				memset(to, 0, n);
			continue;
		}
		n = piece(off, end, PAGE);
		pthread_mutex_lock(lock_of(m, off));
		bool there = is_present(f, page_in_leaf(off));
		if (there)
			memcpy(to, f->bytes + off % LEAF, n);
		else if (!holes)
			memset(to, 0, n);
		pthread_mutex_unlock(lock_of(m, off));
		if (holes)
			extents_add(holes, n, there ? 0 : EXTENT_HOLE | EXTENT_ZERO);
	}
}

static void read_maybe_sparse(const struct memory *m, struct req *r)
{
	if (lend(m, r)) {
		if (r->holes)
			find_holes(m, r, r->holes); /* too many for a reply: home sends every byte */
		return;
	}
	read_range(m, r, r->holes);
	if (!r->holes || r->holes->at == r->holes->end)
		return;
	/* More holes than the reply may have pieces: then every byte. */
	r->holes->count = 0;
	read_range(m, r, NULL);
}

static int write_range(const struct memory *m, const struct req *r)
{
	const uint8_t *from = r->data;
	for (uint64_t off = r->off, end = off + r->len, n; off < end; off += n, from += n) {
		struct leaf *f = find_leaf(m, off >> LEAF_SHIFT, true);
		if (!f)
			return ENOMEM;
		n = piece(off, end, PAGE);
		pthread_mutex_lock(lock_of(m, off));
		set_present(f, page_in_leaf(off));
		if (r->len >= STREAM_MIN)
			copy_streaming(f->bytes + off % LEAF, from, n);
		else
			memcpy(f->bytes + off % LEAF, from, n);
		pthread_mutex_unlock(lock_of(m, off));
	}
	return 0;
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

static void zero_in_chunk(const struct memory *m, struct leaf *f, uint64_t off, uint64_t end)
{
	pthread_mutex_lock(lock_of(m, off));
	while (off < end) {
		uint64_t n = piece(off, end, PAGE);
		uint64_t whole_end = end - end % PAGE;
		if (n == PAGE) {
			drop_pages(f, off, whole_end);
			off = whole_end;
		} else {
			zero_in_page(f, off, n);
			off += n;
		}
	}
	pthread_mutex_unlock(lock_of(m, off - 1));
}

static void zero_range(const struct memory *m, const struct req *r)
{
	uint64_t end = r->off + r->len;
	if (!r->len)
		return;
	for (uint64_t i = next_leaf(m, r->off >> LEAF_SHIFT); i <= (end - 1) >> LEAF_SHIFT; i = next_leaf(m, i + 1)) {
		struct leaf *f = find_leaf(m, i, false);
		uint64_t from = MAX(r->off, i << LEAF_SHIFT), to = MIN(end, (i + 1) << LEAF_SHIFT), n;
		for (uint64_t off = from; off < to; off += n) {
			n = piece(off, to, CHUNK);
			zero_in_chunk(m, f, off, off + n);
		}
	}
}

static uint32_t page_state(const struct memory *m, struct leaf *f, uint64_t off, uint64_t *budget)
{
	uint32_t state = 0;
	pthread_mutex_lock(lock_of(m, off));
	if (!is_present(f, page_in_leaf(off))) {
		state = EXTENT_HOLE | EXTENT_ZERO;
	} else if (*budget >= PAGE && all_zero(f->bytes + page_in_leaf(off) * PAGE, PAGE)) {
		state = EXTENT_ZERO;
		*budget -= PAGE; /* only pages full of zeroes take long to tell */
	}
	pthread_mutex_unlock(lock_of(m, off));
	return state;
}

static void map_range(const struct memory *m, const struct req *r, struct extents *x)
{
	/* To the end of the last page: what is known costs nothing to tell. */
	uint64_t off = r->off, end = MIN(x->end, (off + r->len + PAGE - 1) & ~(PAGE - 1)), budget = ZERO_SCAN_MAX;
	bool more = true;

	while (off < end && more) {
		uint64_t i = next_leaf(m, off >> LEAF_SHIFT);
		uint64_t hole_end = i > (end - 1) >> LEAF_SHIFT ? end : MAX(off, i << LEAF_SHIFT);
		if (hole_end > off)
			more = extents_add(x, hole_end - off, EXTENT_HOLE | EXTENT_ZERO);
		off = hole_end;
		struct leaf *f = off < end ? find_leaf(m, i, false) : NULL;
		for (uint64_t stop = MIN(end, (i + 1) << LEAF_SHIFT), n; f && off < stop && more; off += n) {
			n = piece(off, stop, PAGE);
			more = extents_add(x, n, page_state(m, f, off, &budget));
		}
	}
}

static void submit(struct layer *l, struct req *r)
{
	struct memory *m = l->stage->block;
	int err = 0;

	if (plugin_common(l, r))
		return;
	switch (r->op) {
	case OP_OPEN:
		l->limits = (struct limits){
			.size = m->size, .can_write = true, .can_flush = true, .can_trim = true, .can_extents = true,
			.can_multi_conn = true, .can_fast_zero = true, .zero = NATIVE, .fua = NATIVE, .cache = NATIVE,
		};
		break;
	case OP_READ:
		read_maybe_sparse(m, r);
		break;
	case OP_WRITE:
		err = write_range(m, r);
		break;
	case OP_TRIM:
	case OP_ZERO:
		zero_range(m, r);
		break;
	case OP_EXTENTS:
		map_range(m, r, r->data);
		break;
	default: /* FLUSH and CACHE: it is all in memory */
		break;
	}
	req_up(l, r, err);
}

/* --- start and stop --- */

static int set_size(void *block, const char *key, const char *value, struct err *e)
{
	struct memory *m = block;
	static const struct option size = OPT_SIZE("size", struct memory, size, "");
	(void)key;
	m->sized = true;
	return option_set(&size, m, value, e);
}

static int set_allocator(void *block, const char *key, const char *value, struct err *e)
{
	(void)block;
	if (strcmp(value, "sparse") == 0 || strcmp(value, "malloc") == 0)
		return 0; /* one allocator here: sparse and fast */
	return err_set(e, "%s: unknown allocator \"%s\": expected sparse", key, value);
}

static int start(struct stage *s, struct err *e)
{
	struct memory *m = s->block;
	uint64_t leaves = (m->size >> LEAF_SHIFT) + 1;

	if (!m->sized)
		return err_set(e, "you must specify size=<SIZE> on the command line");
	for (m->levels = 1; leaves > (uint64_t)1 << (m->levels * NODE_SHIFT);)
		m->levels++;
	m->root = calloc(1, sizeof *m->root);
	m->locks = aligned_alloc(_Alignof(struct lock), LOCKS * sizeof *m->locks);
	if (!m->root || !m->locks)
		return err_set(e, "memory: out of memory");
	for (unsigned i = 0; i < LOCKS; i++)
		pthread_mutex_init(&m->locks[i].m, NULL);
	return 0;
}

static void stop(struct stage *s)
{
	struct memory *m = s->block;
	if (m->root)
		free_below(m->root, m->levels - 1);
	free(m->locks);
}

static const struct option options[] = {
	{ .key = "size", .type = OPTION_CALL, .set = set_size, .arg = "SIZE", .help = "size of the disk (required)", .magic = true },
	OPT_CALL("allocator", set_allocator, "sparse", "how memory is had; accepted for compatibility"),
	{ 0 }
};

const struct module mod_memory = {
	.name = "memory",
	.longname = "a disk in memory, sparse and shared by all clients",
	.stage_size = sizeof(struct memory),
	.options = options,
	.start = start,
	.stop = stop,
	.submit = submit,
};
