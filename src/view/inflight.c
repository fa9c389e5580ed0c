/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include "view/inflight.h"

#define BUCKETS 65536u

static struct list *bucket(struct inflight *f, uint64_t conn, uint64_t id)
{
	uint64_t h = (conn * 0x9e3779b97f4a7c15u ^ id) * 0xff51afd7ed558ccdu;
	return &f->buckets[h >> 48];
}

bool inflight_init(struct inflight *f)
{
	*f = (struct inflight){ 0 };
	list_init(&f->by_age);
	list_init(&f->idle);
	f->buckets = malloc(BUCKETS * sizeof *f->buckets);
	f->pool = malloc(INFLIGHT_MAX * sizeof *f->pool); /* touched as it is used */
	if (!f->buckets || !f->pool) {
		inflight_free(f);
		return false;
	}
	for (uint32_t i = 0; i < BUCKETS; i++)
		list_init(&f->buckets[i]);
	return true;
}

void inflight_free(struct inflight *f)
{
	free(f->buckets);
	free(f->pool);
	f->buckets = NULL;
	f->pool = NULL;
}

static struct open_request *find(struct inflight *f, uint64_t conn, uint64_t id)
{
	list_for_each_safe(bucket(f, conn, id), p, n) {
		struct open_request *r = list_entry(p, struct open_request, hash);
		if (r->ev.conn == conn && r->ev.id == id)
			return r;
	}
	return NULL;
}

static void give_up(struct inflight *f, struct open_request *r, struct event *ev)
{
	*ev = r->ev;
	f->hidden -= r->ev.flags / EVF_HIDDEN;
	list_del(&r->hash);
	list_del(&r->age);
	list_add_tail(&f->idle, &r->age);
	f->open--;
}

static struct open_request *fresh(struct inflight *f)
{
	struct list *l = list_pop(&f->idle);
	if (l) {
		struct open_request *r = list_entry(l, struct open_request, age);
		list_init(&r->age);
		return r;
	}
	struct open_request *r = &f->pool[f->used++];
	list_init(&r->age);
	list_init(&r->hash);
	return r;
}

bool inflight_add(struct inflight *f, const struct event *ev, struct event *old)
{
	struct open_request *r = find(f, ev->conn, ev->id);
	bool gave = r || f->open == INFLIGHT_MAX;

	if (!r && gave)
		r = list_first(&f->by_age, struct open_request, age);
	if (r)
		give_up(f, r, old);
	r = fresh(f);
	r->ev = *ev;
	list_add_tail(&f->by_age, &r->age);
	list_add_tail(bucket(f, ev->conn, ev->id), &r->hash);
	f->hidden += ev->flags / EVF_HIDDEN;
	f->open++;
	return gave;
}

bool inflight_take(struct inflight *f, uint64_t conn, uint64_t id, struct event *ev)
{
	struct open_request *r = find(f, conn, id);
	if (r)
		give_up(f, r, ev);
	return r;
}

bool inflight_take_any(struct inflight *f, uint64_t conn, struct event *ev)
{
	list_for_each_safe(&f->by_age, p, n) {
		struct open_request *r = list_entry(p, struct open_request, age);
		if (!conn || r->ev.conn == conn) {
			give_up(f, r, ev);
			return true;
		}
	}
	return false;
}

void inflight_drop(struct inflight *f, uint64_t conn)
{
	struct event ignored;
	while (f->open && inflight_take_any(f, conn, &ignored))
		;
}
