/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/touch.h"
#include <stdlib.h>
#include <string.h>

/* --- adding up --- */

static struct act *get_act(struct facts *f, struct phase *p, uint8_t op, uint8_t theme)
{
	const struct act *a = facts_act(p, op, theme);
	if (a)
		return &p->act[a - p->act];
	struct act *more = reallocarray(p->act, p->acts + 1, sizeof *more);
	if (!more) {
		f->no_memory = true;
		return NULL;
	}
	p->act = more;
	more[p->acts] = (struct act){ .op = op, .theme = theme };
	return &more[p->acts++];
}

/* The one that is alike; when there are too many, the last one. */
static struct item *get_item(struct facts *f, struct act *a, const struct item *like)
{
	for (unsigned i = 0; i < a->items; i++) {
		struct item *it = &a->item[i];
		if (it->kind == like->kind && it->copy == like->copy && it->volume == like->volume)
			return it;
	}
	if (a->items == FACT_ITEMS)
		return &a->item[a->items - 1];
	struct item *more = reallocarray(a->item, a->items + 1, sizeof *more);
	if (!more) {
		f->no_memory = true;
		return NULL;
	}
	a->item = more;
	more[a->items] = *like;
	return &more[a->items++];
}

/* Of a partition table, or of a disk that has one; not the room for a boot loader that some file systems leave. */
static bool is_table(const struct facts *f, const struct know_region *r)
{
	const struct know_map *m = f->end ? f->end : f->begin;
	const char *format = m && r->volume < m->volumes ? m->volume[r->volume].format : NULL;
	return r->kind != KNOW_BOOT || !format || strcmp(format, "gpt") == 0 || strcmp(format, "mbr") == 0;
}

static uint8_t theme_of(const struct facts *f, uint8_t op, const struct know_region *r)
{
	enum know_class class = know_kinds[r->kind].class;
	if (op == REC_TRIM || class == KC_NOTHING)
		return TH_NOTHING;
	if (op == REC_READ)
		return TH_META;
	if (class == KC_SUPER && r->flags & KNOW_COPY)
		return TH_BACKUP;
	if (r->kind == KNOW_JOURNAL_COMMIT && op == REC_WRITE)
		return TH_COMMIT;
	if (class == KC_TABLE)
		return is_table(f, r) ? TH_TABLE : TH_META;
	if (class == KC_DATA)
		return r->kind == KNOW_SYSTEM_FILE ? TH_META : TH_DATA;
	return class == KC_JOURNAL ? TH_JOURNAL : class == KC_DATABASE ? TH_DATABASE : TH_META;
}

static void add_former(const struct former *f, struct item *it, uint64_t off, uint64_t end)
{
	size_t seen = 0;
	const struct former_piece *p = former_find(f, off);
	for (; p && p < f->at + f->n && p->off < end && seen < FACT_PIECES; p++, seen++) {
		it->former_bytes += MIN(end, p->off + p->len) - MAX(off, p->off);
		it->former_cut |= p->cut;
		keys_add(&it->former, p->file);
	}
}

static bool is_data(const struct know_map *m, uint64_t off)
{
	const struct know_region *r = m && off < m->size ? know_find(m, off) : NULL;
	return r && (know_kinds[r->kind].class == KC_DATA || know_kinds[r->kind].class == KC_DATABASE);
}

/* What both maps say of [off, off + len) of a request; what: the one of them that counts. */
struct piece {
	uint64_t off, len;
	const struct know_region *was, *what;
};

static void add_piece(struct facts *f, struct phase *p, const struct done *d, const struct piece *x)
{
	static const struct know_region nothing = { .kind = KNOW_UNKNOWN, .file = KNOW_NO_FILE };
	const struct know_region *what = x->what ? x->what : &nothing;
	struct act *a = get_act(f, p, d->e->op, theme_of(f, d->e->op, what));
	struct item like = { .kind = what->kind, .copy = what->flags & KNOW_COPY, .volume = what->volume };
	struct item *it = a ? get_item(f, a, &like) : NULL;
	bool same = x->was && x->was->kind == what->kind && !f->given;

	if (!it)
		return;
	if (!a->reqs || a->reach.last != d->reach.last) {
		a->reqs++;
		a->fua += d->e->flags & REC_FUA ? 1 : 0;
		keys_add(&a->places, d->e->off);
	}
	it->reqs += !it->reqs || it->reach.last != d->reach.last;
	a->bytes += x->len;
	it->bytes += x->len;
	it->before += same ? x->len : 0;
	it->of_files += what->kind == KNOW_JOURNAL_DATA && is_data(f->end, what->home) ? x->len : 0;
	it->unwritten += same && x->was->flags & KNOW_UNWRITTEN ? x->len : 0;
	reach_add(&a->reach, &d->reach);
	reach_add(&it->reach, &d->reach);
	spans_add(&a->where, x->off, x->off + x->len);
	spans_add(&it->where, x->off, x->off + x->len);
	spans_add(&it->numbers, what->number, what->number == UINT64_MAX ? what->number : what->number + 1);
	if (what->file != KNOW_NO_FILE)
		keys_add(&it->files, what->file | (what == x->was ? FACT_BEGIN : 0));
	if (f->former && d->e->op == REC_TRIM && know_kinds[what->kind].class == KC_NOTHING)
		add_former(f->former, it, x->off, x->off + x->len);
}

static const struct know_region *find(const struct know_map *m, uint64_t off, uint64_t *end)
{
	const struct know_region *r = m && off < m->size ? know_find(m, off) : NULL;
	if (r)
		*end = MIN(*end, r->off + r->len);
	return r;
}

static bool says_nothing(const struct know_region *r)
{
	return !r || know_kinds[r->kind].class == KC_NOTHING;
}

/* Of a write or zero: what it made of the disk, or else what it was written over.  Of a trim: what it took.  Of a read: what was there. */
static const struct know_region *choose(const struct facts *f, uint8_t op, uint64_t off, uint64_t end, const struct know_region *was,
					const struct know_region *is)
{
	if (op == REC_TRIM)
		return was ? was : is;
	if (op != REC_READ)
		return says_nothing(is) && !says_nothing(was) ? was : is;
	if (f->begin == f->end)
		return is;
	if (2 * spans_covers(&f->written, off, end) >= end - off)
		return is;
	return 2 * spans_covers(&f->emptied, off, end) >= end - off ? NULL : was;
}

/* The next piece of [off, stop): as long as both maps say one thing of it. */
static struct piece next_piece(const struct facts *f, const struct done *d, uint64_t off, uint64_t stop)
{
	uint64_t end = stop;
	const struct know_region *is = find(f->end, off, &end);
	const struct know_region *was = f->begin == f->end ? is : find(f->begin, off, &end);
	return (struct piece){ off, end - off, was, choose(f, d->e->op, off, end, was, is) };
}

/* What lies beside of what a request is for, because clients write whole pages: it counts with the rest. */
static void add_beside(struct facts *f, struct phase *p, const struct done *d, const struct piece *known, const struct piece *x)
{
	struct act *a = get_act(f, p, d->e->op, theme_of(f, d->e->op, known->what));
	if (!a)
		return;
	a->bytes += x->len;
	spans_add(&a->where, x->off, x->off + x->len);
}

void touch_add(struct facts *f, struct phase *p, const struct done *d)
{
	uint64_t off = d->e->off, stop = off + d->e->len, told = 0;
	struct piece known = { 0 }, last = { 0 };

	/* what is it for? */
	if (d->e->op == REC_WRITE || d->e->op == REC_ZERO)
		for (unsigned n = 0; off < stop && n < FACT_PIECES; n++) {
			struct piece x = next_piece(f, d, off, stop);
			told += says_nothing(x.what) ? 0 : x.len;
			known = says_nothing(x.what) || known.what ? known : x;
			off += x.len;
		}
	off = d->e->off;
	for (unsigned n = 0; off < stop; n++) {
		struct piece x = n < FACT_PIECES ? next_piece(f, d, off, stop) : (struct piece){ .off = off, .len = stop - off };
		if (known.what && says_nothing(x.what) && 2 * told >= d->e->len)
			add_beside(f, p, d, &known, &x);
		else if (x.what && last.what && x.what->kind == KNOW_FILE_DATA && x.what->file == last.what->file &&
			 know_kinds[last.what->kind].class == KC_DATABASE)
			add_beside(f, p, d, &last, &x); /* behind the last page that is in use */
		else {
			add_piece(f, p, d, &x);
			last = x;
		}
		off += x.len;
	}
}
