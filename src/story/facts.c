/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/facts.h"
#include <stdlib.h>
#include "story/touch.h"

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
		touch_add(f, p, &d);
	touch_add(f, &f->whole, &d);
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
