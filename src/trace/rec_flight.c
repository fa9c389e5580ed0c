/* SPDX-License-Identifier: BSD-2-Clause */
#include "trace/rec_flight.h"
#include <stdlib.h>

enum { ROOM_MIN = 64 };

static size_t slot(const struct rec_flight *f, uint64_t conn, uint64_t id)
{
	uint64_t h = (conn * 0x9e3779b97f4a7c15u ^ id) * 0xbf58476d1ce4e5b9u;
	return (size_t)(h >> 20) & (f->room - 1);
}

static void empty(struct rec_open *o)
{
	free(o->runs);
	free(o->hashes);
	*o = (struct rec_open){ 0 };
}

void rec_flight_free(struct rec_flight *f)
{
	for (size_t i = 0; i < f->room; i++)
		empty(&f->at[i]);
	free(f->at);
	*f = (struct rec_flight){ 0 };
}

struct rec_open *rec_flight_find(struct rec_flight *f, uint64_t conn, uint64_t id)
{
	if (!f->count)
		return NULL;
	for (size_t i = slot(f, conn, id); f->at[i].used; i = (i + 1) & (f->room - 1))
		if (f->at[i].event.conn == conn && f->at[i].event.id == id)
			return &f->at[i];
	return NULL;
}

static bool grow(struct rec_flight *f)
{
	struct rec_flight more = { .room = f->room ? 2 * f->room : ROOM_MIN, .count = f->count };
	if (!(more.at = calloc(more.room, sizeof *more.at)))
		return false;
	for (size_t k = 0; k < f->room; k++) {
		struct rec_open *o = &f->at[k];
		if (!o->used)
			continue;
		size_t i = slot(&more, o->event.conn, o->event.id);
		while (more.at[i].used)
			i = (i + 1) & (more.room - 1);
		more.at[i] = *o;
	}
	free(f->at);
	*f = more;
	return true;
}

struct rec_open *rec_flight_add(struct rec_flight *f, const struct rec_event *e, uint64_t number)
{
	if (rec_flight_find(f, e->conn, e->id) || (f->count * 2 >= f->room && !grow(f)))
		return NULL;
	size_t i = slot(f, e->conn, e->id);
	while (f->at[i].used)
		i = (i + 1) & (f->room - 1);
	f->at[i] = (struct rec_open){ .event = *e, .number = number, .used = true };
	f->at[i].event.runs = f->at[i].event.text = NULL;
	f->at[i].event.runs_len = f->at[i].event.text_len = 0;
	f->count++;
	return &f->at[i];
}

/* Those behind it move up, so that no search ends too early. */
void rec_flight_drop(struct rec_flight *f, struct rec_open *o)
{
	size_t mask = f->room - 1, hole = (size_t)(o - f->at);
	empty(o);
	f->count--;
	for (size_t i = (hole + 1) & mask; f->at[i].used; i = (i + 1) & mask) {
		size_t home = slot(f, f->at[i].event.conn, f->at[i].event.id);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		f->at[hole] = f->at[i];
		f->at[i] = (struct rec_open){ 0 };
		hole = i;
	}
}

size_t rec_flight_drop_conn(struct rec_flight *f, uint64_t conn)
{
	size_t n = 0;
	for (size_t i = 0; i < f->room;) {
		if (f->at[i].used && f->at[i].event.conn == conn) {
			rec_flight_drop(f, &f->at[i]); /* another may be here now */
			n++;
		} else {
			i++;
		}
	}
	return n;
}
