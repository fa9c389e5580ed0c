/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/facts.h"
#include <stdlib.h>
#include <string.h>

/* A request that was answered. */
struct done {
	const struct rec_event *e;  /* as it began */
	struct reach reach;         /* last is greater than of all that were answered before */
};

void reach_add(struct reach *r, const struct reach *more)
{
	if (!more->end && !more->last)
		return;
	if (!r->end && !r->last) {
		*r = *more;
		return;
	}
	r->first = MIN(r->first, more->first);
	r->last = MAX(r->last, more->last);
	r->begin = MIN(r->begin, more->begin);
	r->end = MAX(r->end, more->end);
}

bool facts_known(const struct know_map *m)
{
	for (size_t i = 0; m && i < m->volumes; i++)
		if (m->volume[i].format)
			return true;
	return false;
}

const struct act *facts_act(const struct phase *p, uint8_t op, uint8_t theme)
{
	for (unsigned i = 0; i < p->acts; i++)
		if (p->act[i].op == op && p->act[i].theme == theme)
			return &p->act[i];
	return NULL;
}

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
		keys_add(&it->former, p->file);
	}
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

static void cut_request(struct facts *f, struct phase *p, const struct done *d)
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

/* --- events --- */

static struct phase *phase_of(struct facts *f, uint64_t number)
{
	unsigned i = MIN(f->phases, (unsigned)FACT_PHASES);
	while (i > 0 && f->phase[i - 1].start > number)
		i--;
	/* in those that are not kept, or begun in a step before: the first, which is where it was answered at the earliest */
	if (i == FACT_PHASES && f->phases > FACT_PHASES)
		return NULL;
	return i ? &f->phase[i - 1] : f->phases ? &f->phase[0] : NULL;
}

static void new_phase(struct facts *f, uint64_t start)
{
	if (f->phases < FACT_PHASES)
		f->phase[f->phases] = (struct phase){ .start = start };
	f->phases++;
}

static void flush_begins(struct facts *f, struct session *s, uint64_t number)
{
	if (s->flushes < FACT_FLUSHES) {
		s->flush[s->flushes].number = number;
		s->flush[s->flushes++].answered = s->answered;
	}
	f->whole.flushes++;
	if (f->phases > FACT_PHASES)
		return;
	struct phase *p = &f->phase[f->phases - 1];
	if (!p->changed && f->phases > 1)
		p--; /* several in a row: all of them at the end of what was changed last */
	p->flushes++;
	if (p->changed && p == &f->phase[f->phases - 1])
		new_phase(f, UINT64_MAX);
}

static void flush_ends(struct facts *f, struct session *s, const struct rec_open *o, const struct reach *r, bool good)
{
	for (unsigned i = 0; i < s->flushes; i++)
		if (s->flush[i].number == o->number) {
			if (good)
				s->durable = MAX(s->durable, s->flush[i].answered);
			s->flush[i] = s->flush[--s->flushes];
			break;
		}
	if (!good)
		return;
	s->last_flush = *r;
	f->whole.flushed++;
	struct phase *p = phase_of(f, o->number);
	if (p) {
		p->flushed++;
		reach_add(&p->flush, r);
	}
}

static void answered(struct facts *f, struct session *s, struct rec_open *o, const struct rec_event *e, uint64_t number)
{
	struct done d = { .e = &o->event, .reach = { o->number, number, o->event.time, e->time } };
	uint8_t op = o->event.op;
	bool change = op == REC_WRITE || op == REC_TRIM || op == REC_ZERO;

	reach_add(&f->reach, &d.reach);
	if (e->err) {
		f->err = f->failures.last ? f->err : e->err;
		f->failed[op]++;
		reach_add(&f->failures, &d.reach);
	} else {
		f->reqs[op]++;
		f->bytes[op] += op == REC_FLUSH ? 0 : o->event.len;
	}
	if (op == REC_FLUSH)
		flush_ends(f, s, o, &d.reach, !e->err);
	if (e->err || !(change || op == REC_READ) || !o->event.len)
		return;
	struct phase *p = change ? phase_of(f, o->number) : NULL;
	if (p)
		cut_request(f, p, &d);
	cut_request(f, &f->whole, &d);
	if (change)
		spans_add(op == REC_WRITE ? &f->written : &f->emptied, o->event.off, o->event.off + o->event.len);
	if ((op == REC_WRITE || op == REC_ZERO) && !(o->event.flags & REC_FUA))
		s->answered += o->event.len;
}

static void begins(struct facts *f, struct session *s, const struct rec_event *e, uint64_t number)
{
	struct rec_open *o = rec_flight_find(&s->flight, e->conn, e->id);
	if (o) {
		s->abandoned++;
		rec_flight_drop(&s->flight, o);
	}
	if (s->flight.count >= FACT_FLIGHT || !(o = rec_flight_add(&s->flight, e, number))) {
		s->untracked++;
		return;
	}
	/* no number of a stranger reaches beyond what an offset can be */
	o->event.off = MIN(e->off, (uint64_t)INT64_MAX);
	o->event.len = MIN(e->len, INT64_MAX - o->event.off);
	if (e->type == REC_CARRY)
		return;
	if (e->op == REC_FLUSH)
		flush_begins(f, s, number);
	else if (e->op == REC_WRITE || e->op == REC_TRIM || e->op == REC_ZERO) {
		s->changes++;
		if (f->phases == 1 && !f->phase[0].changed && f->phase[0].flushes)
			new_phase(f, UINT64_MAX);
		struct phase *p = f->phases <= FACT_PHASES ? &f->phase[f->phases - 1] : NULL;
		if (p && !p->changed) {
			p->changed = true;
			p->start = f->phases == 1 ? 0 : number;
		}
	}
}

void facts_event(struct facts *f, struct session *s, const struct rec_event *e, uint64_t number)
{
	struct rec_open *o;
	struct reach here = { number, number, e->time, e->time };

	s->now = number + 1;
	if (!f->phases)
		new_phase(f, 0);
	f->events++;
	switch (e->type) {
	case REC_BEGIN:
	case REC_CARRY:
		if (e->op < REC_OPS)
			begins(f, s, e, number);
		reach_add(&f->reach, &here);
		break;
	case REC_END:
		if ((o = rec_flight_find(&s->flight, e->conn, e->id))) {
			answered(f, s, o, e, number);
			rec_flight_drop(&s->flight, o);
		} else {
			s->unmatched++;
		}
		break;
	case REC_CONNECT:
		s->conns++;
		s->size = e->len ? e->len : s->size;
		reach_add(&f->reach, &here);
		break;
	case REC_DISCONNECT:
		s->abandoned += rec_flight_drop_conn(&s->flight, e->conn);
		break;
	case REC_LOSS:
		s->lost += e->len;
		break;
	default:
		break;
	}
}

void facts_restart(struct session *s)
{
	s->abandoned += s->flight.count;
	s->flushes = 0;
	rec_flight_free(&s->flight);
}

void session_free(struct session *s)
{
	rec_flight_free(&s->flight);
	*s = (struct session){ 0 };
}

static void free_phase(struct phase *p)
{
	for (unsigned i = 0; i < p->acts; i++) {
		struct act *a = &p->act[i];
		for (unsigned k = 0; k < a->items; k++) {
			spans_free(&a->item[k].numbers);
			spans_free(&a->item[k].where);
			keys_free(&a->item[k].files);
			keys_free(&a->item[k].former);
		}
		free(a->item);
		spans_free(&a->where);
		keys_free(&a->places);
	}
	free(p->act);
	*p = (struct phase){ 0 };
}

void facts_free(struct facts *f)
{
	for (unsigned i = 0; i < FACT_PHASES; i++)
		free_phase(&f->phase[i]);
	free_phase(&f->whole);
	spans_free(&f->written);
	spans_free(&f->emptied);
	*f = (struct facts){ 0 };
}
