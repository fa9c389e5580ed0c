/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_at.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "trace/rec_flight.h"

enum {
	TABLES_MAX = 256 << 20,    /* bytes of tables kept */
	DATA_MAX = 64 << 20,       /* bytes of unpacked data kept */
	EXTENTS_BYTES = 1 << 30,
	LOOK_BACK_MAX = 4096,      /* chunks read for what later ones do not carry */
};

/* Something read from the file, kept until others need the room. */
struct kept {
	const struct rec_head *head; /* NULL: of no chunk, and never let go */
	void *p;                   /* bytes of it, ours; NULL: not read */
	size_t bytes, n;           /* n: extents of a table */
	uint64_t used;             /* when; the least goes first */
	bool bad;                  /* could not be read: told as EIO */
};

struct cache {
	struct kept *at;           /* count of them, ours */
	size_t count, bytes, max;
	uint64_t clock;
};

struct rec_at {
	const struct rec_file *file;
	uint64_t events, size;
	struct cache tables, data; /* tables: the tiles, the latest last */
	struct rec_extent *last;   /* of the chunk that the moment lies in; n_last of them, ours */
	size_t n_last, looked_back;
};

/* --- the cache --- */

static void let_go(struct kept *k, struct cache *c)
{
	free(k->p);
	c->bytes -= k->p ? k->bytes : 0;
	k->p = NULL;
}

static void make_room(struct cache *c, size_t bytes)
{
	while (c->bytes && c->bytes + bytes > c->max) {
		struct kept *oldest = NULL;
		for (struct kept *k = c->at; k < c->at + c->count; k++)
			if (k->p && k->head && (!oldest || k->used < oldest->used))
				oldest = k;
		if (!oldest)
			return;
		let_go(oldest, c);
	}
}

/* The body, or NULL: it cannot be read.  Tables become extents. */
static void *fetch(struct rec_at *a, struct cache *c, struct kept *k)
{
	const char *why = NULL;

	k->used = ++c->clock;
	if (k->p || k->bad)
		return k->p;
	bool table = k->head->kind == REC_TABLE;
	void *body = rec_body(a->file, k->head, &why);
	k->n = table ? k->head->raw / REC_EXTENT_SIZE : 0;
	k->bytes = table ? k->n * sizeof(struct rec_extent) : k->head->raw;
	make_room(c, k->bytes);
	if (body && table) {
		struct rec_extent *x = malloc(k->bytes ? k->bytes : 1);
		bool good = x && k->head->raw % REC_EXTENT_SIZE == 0 && rec_get_extents(body, k->n, x);
		free(body);
		body = good ? x : NULL;
		if (!good)
			free(x);
	}
	k->bad = !body;
	k->p = body;
	c->bytes += body ? k->bytes : 0;
	return body;
}

static void cache_free(struct cache *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->at[i].p);
	free(c->at);
}

/* --- the events of a chunk --- */

/* A request begins, or is carried: 0 or an errno. */
static int begins(struct rec_flight *flight, const struct rec_event *e, uint64_t number)
{
	struct rec_open *o = rec_flight_add(flight, e, number);
	if (!o)
		return EIO; /* the same request twice: somebody made this up */
	if (!e->runs_len)
		return 0;
	if (!(o->hashes = malloc(e->runs_len)))
		return ENOMEM;
	memcpy(o->hashes, e->runs, e->runs_len);
	o->event.runs_len = e->runs_len;
	o->event.next_addr = e->next_addr;
	return 0;
}

/* What o did, now that it ended well: onto changes.  0 or an errno. */
static int did(struct rec_open *o, uint64_t number, struct buf *changes)
{
	struct rec_extent x = { o->event.off, o->event.len, REC_ZEROES, number };
	struct rec_runs w;
	struct rec_run r;

	if ((o->event.op == REC_TRIM || o->event.op == REC_ZERO) && x.len && !buf_add(changes, &x, sizeof x))
		return ENOMEM;
	o->event.runs = o->hashes;
	rec_runs(&w, &o->event);
	while (o->event.op == REC_WRITE && rec_next_run(&w, &r)) {
		x = (struct rec_extent){ r.off, r.len, r.addr, number };
		if (!buf_add(changes, &x, sizeof x))
			return ENOMEM;
	}
	return 0;
}

/* The first n events of chunk number i: what is under way, and what they did, onto changes (NULL: never mind).  0 or an errno. */
static int replay_chunk(struct rec_at *a, size_t i, uint64_t n, struct rec_flight *flight, struct buf *changes)
{
	const struct rec_head *h = &a->file->events.at[i];
	const char *why = NULL;
	uint8_t *body = rec_body(a->file, h, &why);
	struct rec_decoder d = { .p = body, .end = body ? body + h->raw : NULL, .time = h->time };
	struct rec_event e;
	bool goes_on = flight->count;
	uint64_t number = h->first;
	int err = body ? 0 : EIO;

	while (!err && number < h->first + n && rec_decode(&d, &e)) {
		struct rec_open *o = e.type == REC_CARRY || e.type == REC_END ? rec_flight_find(flight, e.conn, e.id) : NULL;
		if (e.type == REC_BEGIN || (e.type == REC_CARRY && !(goes_on && o)))
			err = begins(flight, &e, number);
		if (e.type == REC_END && o) {
			err = !e.err && changes ? did(o, number, changes) : 0;
			rec_flight_drop(flight, o);
		}
		if (e.type == REC_CONNECT)
			a->size = e.len;
		if (e.type == REC_DISCONNECT)
			rec_flight_drop_conn(flight, e.conn);
		number += e.type != REC_CARRY;
	}
	free(body);
	return err ? err : d.bad && number < h->first + n ? EIO : 0;
}

/* What the first n events of chunk number i did: onto changes.  Also what the disk's size was.  0 or an errno. */
static int replay(struct rec_at *a, size_t i, uint64_t n, struct buf *changes)
{
	const struct rec_head *h = a->file->events.at;
	struct rec_flight flight = { 0 };
	size_t from = i;
	int err = 0;

	/* where not all that was under way is carried, chunks before tell the rest */
	for (; !err && from && h[from].level & REC_CUT; from--)
		if (h[from - 1].first + h[from - 1].count != h[from].first || ++a->looked_back > LOOK_BACK_MAX)
			err = EIO;
	for (; !err && from < i; from++)
		err = replay_chunk(a, from, h[from].count, &flight, NULL);
	if (!err)
		err = replay_chunk(a, i, n, &flight, changes);
	rec_flight_free(&flight);
	return err;
}

/* The size, when nobody connected in the chunk of the moment itself: of the latest chunk before that tells. */
static void find_size(struct rec_at *a, size_t chunks)
{
	while (chunks-- > 0 && !a->size) {
		const struct rec_head *h = &a->file->events.at[chunks];
		const char *why;
		if (!(h->level & REC_HAS_CONNECT))
			continue;
		uint8_t *body = rec_body(a->file, h, &why);
		struct rec_decoder d = { .p = body, .end = body ? body + h->raw : NULL, .time = h->time };
		struct rec_event e;
		while (body && rec_decode(&d, &e))
			if (e.type == REC_CONNECT)
				a->size = e.len;
		free(body);
	}
}

/* --- opening --- */

static int by_first(const void *a, const void *b)
{
	const struct rec_head *x = *(const struct rec_head *const *)a, *y = *(const struct rec_head *const *)b;
	return x->first != y->first ? (x->first > y->first) - (x->first < y->first) : (x->count < y->count) - (x->count > y->count);
}

/* The tables of f, by their first event, the widest of each first: f->tables.count of them, the caller's.  NULL: no memory. */
static const struct rec_head **sort_tables(const struct rec_file *f)
{
	const struct rec_head **t = malloc((f->tables.count + 1) * sizeof *t);
	for (size_t i = 0; t && i < f->tables.count; i++)
		t[i] = &f->tables.at[i];
	if (t)
		qsort(t, f->tables.count, sizeof *t, by_first);
	return t;
}

/* The widest of n sorted tables that begins with event first and ends at end at the latest; NULL: none. */
static const struct rec_head *widest(const struct rec_head **t, size_t n, uint64_t first, uint64_t end)
{
	size_t low = 0, high = n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (t[mid]->first < first)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < n && t[low]->first == first; low++)
		if (t[low]->count && t[low]->count <= end - first)
			return t[low];
	return NULL;
}

/* A chunk without a table: what one would hold. */
static int make_tile(struct rec_at *a, size_t chunk, struct kept *k)
{
	struct buf changes = { .limit = EXTENTS_BYTES }, cover = { .limit = EXTENTS_BYTES };
	int err = replay(a, chunk, a->file->events.at[chunk].count, &changes);
	if (!err && !rec_cover((void *)changes.p, changes.len / sizeof(struct rec_extent), &cover))
		err = ENOMEM;
	*k = (struct kept){ .p = cover.p ? cover.p : malloc(1), .n = cover.len / sizeof(struct rec_extent) };
	buf_free(&changes);
	return k->p ? err : ENOMEM;
}

/* Tables for the events before end, where a chunk ends: as few as there are. */
static int tile(struct rec_at *a, uint64_t end)
{
	const struct rec_file *f = a->file;
	const struct rec_head **sorted = sort_tables(f);
	struct buf tiles = { .limit = SIZE_MAX };
	int err = sorted ? 0 : ENOMEM;

	for (uint64_t at = 0; !err && at < end;) {
		struct kept k = { .head = widest(sorted, f->tables.count, at, end) };
		size_t chunk = rec_chunk_of_event(f, at);
		if (k.head) {
			at += k.head->count;
		} else if (chunk != SIZE_MAX && at - f->events.at[chunk].first < f->events.at[chunk].count) {
			err = make_tile(a, chunk, &k);
			at = f->events.at[chunk].first + f->events.at[chunk].count;
		} else { /* a damaged chunk is missing */
			at = f->events.at[chunk + 1].first;
			continue;
		}
		if (!buf_add(&tiles, &k, sizeof k)) {
			if (!k.head)
				free(k.p);
			err = ENOMEM;
		}
	}
	free(sorted);
	a->tables = (struct cache){ .at = (void *)tiles.p, .count = tiles.len / sizeof(struct kept), .max = TABLES_MAX };
	return err;
}

struct rec_at *rec_at_open(const struct rec_file *f, uint64_t events, struct err *e)
{
	struct rec_at *a = calloc(1, sizeof *a);
	struct buf changes = { .limit = EXTENTS_BYTES }, cover = { .limit = EXTENTS_BYTES };
	int err = a ? 0 : ENOMEM;

	if (f->info.data != REC_DATA_YES) {
		free(a);
		err_set(e, "this recording has no data: record with data=yes");
		return NULL;
	}
	if (a) {
		size_t chunk = events ? rec_chunk_of_event(f, events - 1) : SIZE_MAX;
		a->file = f;
		a->events = events;
		if (chunk != SIZE_MAX) {
			const struct rec_head *h = &f->events.at[chunk];
			uint64_t n = MIN(events - h->first, h->count);
			err = tile(a, n == h->count ? h->first + n : h->first);
			a->size = 0;
			if (!err && n < h->count)
				err = replay(a, chunk, n, &changes);
			find_size(a, n < h->count ? chunk : chunk + 1);
		}
		a->data = (struct cache){ .at = calloc(f->data.count + 1, sizeof *a->data.at), .count = f->data.count, .max = DATA_MAX };
		for (size_t i = 0; a->data.at && i < f->data.count; i++)
			a->data.at[i].head = &f->data.at[i];
		if (!err && (!a->data.at || !rec_cover((void *)changes.p, changes.len / sizeof(struct rec_extent), &cover)))
			err = ENOMEM;
		a->last = (void *)cover.p;
		a->n_last = cover.len / sizeof(struct rec_extent);
	}
	buf_free(&changes);
	if (!err)
		return a;
	rec_at_close(a);
	err_set(e, err == ENOMEM ? "out of memory" : "the recording is damaged at that moment");
	return NULL;
}

void rec_at_close(struct rec_at *a)
{
	if (!a)
		return;
	cache_free(&a->tables);
	cache_free(&a->data);
	free(a->last);
	free(a);
}

uint64_t rec_at_size(const struct rec_at *a)
{
	return a->size;
}

/* --- reading --- */

/* Of the gaps (extents without an address), what the n sorted extents of x fill goes to out; the gaps that are left, to left. */
static bool fill(const struct rec_extent *x, size_t n, const struct buf *gaps, struct buf *out, struct buf *left)
{
	const struct rec_extent *g = (void *)gaps->p, *end = g + gaps->len / sizeof *g;
	bool ok = true;
	for (; ok && g < end; g++) {
		uint64_t at = g->off, stop = g->off + g->len;
		for (size_t i = rec_find_extent(x, n, at); ok && i < n && x[i].off < stop; i++) {
			uint64_t from = MAX(at, x[i].off), to = MIN(stop, x[i].off + x[i].len);
			struct rec_extent hole = { at, from - at, REC_ZEROES, 0 };
			struct rec_extent piece = { from, to - from, REC_ZEROES, x[i].event };
			if (x[i].addr != REC_ZEROES)
				piece.addr = x[i].addr + (from - x[i].off);
			ok = (!hole.len || buf_add(left, &hole, sizeof hole)) && buf_add(out, &piece, sizeof piece);
			at = to;
		}
		struct rec_extent rest = { at, stop - at, REC_ZEROES, 0 };
		ok = ok && (!rest.len || buf_add(left, &rest, sizeof rest));
	}
	return ok;
}

static int by_offset(const void *a, const void *b)
{
	const struct rec_extent *x = a, *y = b;
	return (x->off > y->off) - (x->off < y->off);
}

int rec_at_map(struct rec_at *a, uint64_t off, uint64_t len, struct buf *out)
{
	struct buf gaps = { .limit = EXTENTS_BYTES }, left = { .limit = EXTENTS_BYTES };
	struct rec_extent all = { off, len, REC_ZEROES, 0 };
	size_t before = out->len;
	bool ok = buf_add(&gaps, &all, sizeof all) && fill(a->last, a->n_last, &gaps, out, &left);
	int err = ok ? 0 : ENOMEM;

	for (size_t i = a->tables.count; !err && i-- > 0 && left.len;) {
		struct kept *k = &a->tables.at[i];
		buf_swap(&gaps, &left);
		left.len = 0;
		const struct rec_extent *x = fetch(a, &a->tables, k);
		if (!x)
			err = EIO;
		else if (!fill(x, k->n, &gaps, out, &left))
			err = ENOMEM;
	}
	buf_free(&gaps);
	buf_free(&left);
	if (err)
		out->len = before;
	else if (out->len > before)
		qsort(out->p + before, (out->len - before) / sizeof all, sizeof all, by_offset);
	return err;
}

/* len stored bytes at addr. */
static int load(struct rec_at *a, uint64_t addr, uint64_t len, uint8_t *to)
{
	while (len) {
		size_t low = 0, high = a->data.count;
		while (low < high) { /* the first chunk that ends behind addr */
			size_t mid = low + (high - low) / 2;
			const struct rec_head *h = a->data.at[mid].head;
			if (h->first + h->count <= addr)
				low = mid + 1;
			else
				high = mid;
		}
		struct kept *k = low < a->data.count ? &a->data.at[low] : NULL;
		if (!k || k->head->first > addr || k->head->count != k->head->raw)
			return EIO;
		const uint8_t *p = fetch(a, &a->data, k);
		if (!p)
			return EIO;
		uint64_t at = addr - k->head->first, n = MIN(len, k->head->raw - at);
		memcpy(to, p + at, n);
		to += n;
		addr += n;
		len -= n;
	}
	return 0;
}

int rec_at_read(struct rec_at *a, uint64_t off, uint64_t len, void *to)
{
	struct buf map = { .limit = EXTENTS_BYTES };
	int err = rec_at_map(a, off, len, &map);

	memset(to, 0, len);
	for (size_t i = 0; !err && i < map.len / sizeof(struct rec_extent); i++) {
		const struct rec_extent *x = (const struct rec_extent *)(const void *)map.p + i;
		if (x->addr != REC_ZEROES)
			err = load(a, x->addr, x->len, (uint8_t *)to + (x->off - off));
	}
	buf_free(&map);
	return err;
}
