/* SPDX-License-Identifier: BSD-2-Clause */
#include "stats/flight.h"
#include <stdlib.h>
#include <string.h>

static uint32_t *bucket(const struct flight *f, uint64_t conn, uint64_t id)
{
	uint64_t h = (conn * 0x9e3779b97f4a7c15u ^ id) * 0xbf58476d1ce4e5b9u;
	return &f->buckets[(h >> 32) % FLIGHT_MAX];
}

bool flight_init(struct flight *f)
{
	*f = (struct flight){ .idle = FLIGHT_NONE };
	f->at = malloc(FLIGHT_MAX * sizeof *f->at);
	f->buckets = malloc(FLIGHT_MAX * sizeof *f->buckets);
	if (!f->at || !f->buckets)
		return false;
	memset(f->buckets, 0xff, FLIGHT_MAX * sizeof *f->buckets);
	return true;
}

void flight_free(struct flight *f)
{
	free(f->at);
	free(f->buckets);
	*f = (struct flight){ 0 };
}

struct flight_req *flight_add(struct flight *f, uint64_t conn, uint64_t id, uint32_t *list)
{
	uint32_t n = f->idle, *b = bucket(f, conn, id);
	if (n != FLIGHT_NONE)
		f->idle = f->at[n].next;
	else if (f->used < FLIGHT_MAX)
		n = f->used++;
	else
		return NULL;
	f->at[n] = (struct flight_req){ .conn = conn, .id = id, .hash_next = *b, .next = *list, .prev = FLIGHT_NONE };
	if (*list != FLIGHT_NONE)
		f->at[*list].prev = n;
	*b = *list = n;
	f->count++;
	return &f->at[n];
}

struct flight_req *flight_find(const struct flight *f, uint64_t conn, uint64_t id)
{
	uint32_t n = *bucket(f, conn, id);
	while (n != FLIGHT_NONE && (f->at[n].conn != conn || f->at[n].id != id))
		n = f->at[n].hash_next;
	return n == FLIGHT_NONE ? NULL : &f->at[n];
}

void flight_drop(struct flight *f, struct flight_req *r, uint32_t *list)
{
	uint32_t n = (uint32_t)(r - f->at), *p = bucket(f, r->conn, r->id);
	while (*p != n)
		p = &f->at[*p].hash_next;
	*p = r->hash_next;
	*(r->prev == FLIGHT_NONE ? list : &f->at[r->prev].next) = r->next;
	if (r->next != FLIGHT_NONE)
		f->at[r->next].prev = r->prev;
	r->next = f->idle;
	f->idle = n;
	f->count--;
}
