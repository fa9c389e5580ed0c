/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a disk are for, as a picture and as words. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/json.h"
#include "view/parts.h"
#include "web/answers.h"
#include "web/cells.h"
#include "web/export.h"
#include "web/frame.h"
#include "web/pack.h"

#define PARTS_MAX 200u
#define PART_LEAST 4u /* units: smaller ones have no room for a name */
#define VOLUMES_MAX 64u
#define NOTES_MAX 100u

/* The grid is that of the disk as its feed knows it. */
static bool find_grid(struct feed *d, const struct query *w, struct units *u, struct area *area, struct answer *a)
{
	feed_lock(d);
	const struct play *p = &d->ahead;
	bool has = p->has_model, ok = has && answer_grid(w, &p->model.map, u, area, a);
	feed_unlock(d);
	if (!has)
		answer_error(a, 503, "%s: nothing is known of the disk yet", d->name);
	return ok;
}

/* ---- overlay ---- */

static bool put_overlay(struct buf *b, const struct units *u, struct area area, const struct know_map *k, uint32_t flags)
{
	size_t n = (size_t)area.w * area.h;
	uint8_t *class = calloc(MAX(n, (size_t)1), 1);
	uint16_t *cell = malloc(MAX(n, (size_t)1) * sizeof *cell);

	if (!class || !cell || !buf_reserve(b, 16 + cells_room(n))) {
		free(class);
		free(cell);
		return false;
	}
	uint8_t *p = (uint8_t *)b->p + b->len;
	p = put_le32(p, 0x324f5342); /* BSO2 */
	p = put_le32(p, flags);
	p = put_le32(p, area.w);
	p = put_le32(p, area.h);
	if (k)
		parts_fill(u, k, area, class);
	for (size_t i = 0; i < n; i++)
		cell[i] = class[i];
	b->len = (size_t)(cells_put(p, cell, n) - (uint8_t *)b->p);
	free(class);
	free(cell);
	return true;
}

/* What both are made of. */
struct seen_parts {
	struct units u;
	struct area area;
	struct past *past;
	struct known *k;     /* to be given back; NULL: none yet, or there cannot be one, as e says */
	bool ready;
	struct err e;
};

/* False: the answer says why. */
static bool see_parts(struct session *s, const struct ask *q, struct seen_parts *p, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct moment m = answer_moment(s, q);

	*p = (struct seen_parts){ 0 };
	if (!d || !find_grid(d, q->query, &p->u, &p->area, a))
		return false;
	p->past = s->extra[q->query->n[Q_DISK]].past;
	p->k = past_map(p->past, &m, &p->ready, &p->e);
	return true;
}

void answer_overlay(struct session *s, const struct ask *q, struct answer *a)
{
	struct seen_parts p;

	if (!see_parts(s, q, &p, a))
		return;
	if (!put_overlay(&a->body, &p.u, p.area, p.k ? p.k->map : NULL, p.ready ? 0 : FRAME_NOT_YET))
		answer_error(a, 503, "out of memory");
	past_give_back(p.past, p.k);
}

/* ---- structure ---- */

static void put_box(struct buf *b, struct area box)
{
	buf_printf(b, ",\"box\":[%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "]}", box.x, box.y, box.w, box.h);
}

static void put_volumes(struct buf *b, const struct units *u, const struct know_map *k)
{
	char text[300];

	buf_printf(b, "\"volumes\":[");
	for (size_t i = 0; i < k->volumes && i < VOLUMES_MAX; i++) {
		const struct know_volume *v = &k->volume[i];
		if (!v->len || v->off >= u->size)
			continue;
		buf_printf(b, "%s{\"off\":%" PRIu64 ",\"len\":%" PRIu64 ",\"depth\":%u,\"words\":", i ? ",\n" : "", v->off, v->len,
			v->depth);
		json_string(b, answer_volume(k, (unsigned)i, text, sizeof text));
		put_box(b, parts_box(u, v->off, MIN(v->len, u->size - v->off)));
	}
	buf_printf(b, "]");
}

static void put_parts(struct buf *b, const struct units *u, struct area area, const struct know_map *k)
{
	struct part *part = calloc(PARTS_MAX, sizeof *part);
	size_t n = part ? parts_find(u, k, area, PART_LEAST, part, PARTS_MAX) : 0;
	char text[1024];

	buf_printf(b, ",\n\"regions\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "%s{\"off\":%" PRIu64 ",\"len\":%" PRIu64 ",\"class\":\"%s\",\"words\":", i ? ",\n" : "", part[i].off,
			part[i].len, know_class_names[part[i].class]);
		json_string(b, part_words(k, &part[i], text, sizeof text));
		put_box(b, part[i].box);
	}
	buf_printf(b, "]");
	free(part);
}

static void put_notes(struct buf *b, const char *notes)
{
	unsigned n = 0;

	buf_printf(b, ",\n\"notes\":[");
	for (const char *end; n < NOTES_MAX && (end = strchr(notes, '\n')); notes = end + 1) {
		buf_printf(b, n++ ? "," : "");
		json_bytes(b, notes, (size_t)(end - notes));
	}
	buf_printf(b, "]}\n");
}

static void put_structure(struct buf *b, const struct units *u, struct area area, const struct know_map *k, uint64_t t, bool ready,
			  const char *why)
{
	buf_printf(b, "{\"ready\":%s,\"t\":%" PRIu64 ",", ready ? "true" : "false", t);
	if (k) {
		put_volumes(b, u, k);
		put_parts(b, u, area, k);
	} else {
		buf_printf(b, "\"volumes\":[],\"regions\":[]");
	}
	put_notes(b, k ? k->notes : why);
}

void answer_structure(struct session *s, const struct ask *q, struct answer *a)
{
	struct seen_parts p;

	if (!see_parts(s, q, &p, a))
		return;
	char *why = p.e.msg;
	if (*why)
		strncat(why, "\n", sizeof p.e.msg - strlen(why) - 1);
	/* what cannot be had at all is not asked for again */
	put_structure(&a->body, &p.u, p.area, p.k ? p.k->map : NULL, q->query->n[Q_T], p.ready || (!p.k && *why), why);
	past_give_back(p.past, p.k);
	if (!a->body.len)
		answer_error(a, 503, "out of memory");
}

/* ---- exported ---- */

#define WAIT_TURNS 2500u
#define WAIT_US 2000u

struct known *export_map(const struct export_disk *x, const struct moment *m)
{
	struct known *k = NULL;
	bool ready = false;

	for (unsigned i = 0; i < WAIT_TURNS && !ready && !atomic_load(&x->session->ending); i++) {
		struct err e = { 0 };
		past_give_back(x->past, k);
		k = past_map(x->past, m, &ready, &e);
		if (!k && e.msg[0])
			return NULL;
		if (!ready)
			usleep(WAIT_US);
	}
	return k;
}

/* A line of both lists; nothing, when the picture is as the last one was. */
static void add_moment(const struct export_disk *x, uint64_t at, struct buf *last, struct buf lists[3])
{
	struct moment m = { MOMENT_TIME, at };
	struct units u = units_of(&x->shape, x->cols, false, 0);
	struct area all = { .w = u.w, .h = u.h };
	struct known *k = export_map(x, &m);
	struct buf now = { .limit = ANSWER_MAX };
	uint64_t t = at > x->start ? at - x->start : 0;
	const char *comma = lists[0].len ? "," : "";

	if (k && put_overlay(&now, &u, all, k->map, 0) && (now.len != last->len || memcmp(now.p, last->p, now.len) != 0)) {
		buf_printf(&lists[0], "%s%" PRIu64, comma, t);
		buf_printf(&lists[1], "%s\"", comma);
		pack_base64(&lists[1], now.p, now.len);
		buf_printf(&lists[1], "\"");
		buf_printf(&lists[2], "%s", comma);
		put_structure(&lists[2], &u, all, k->map, t, true, "");
		buf_swap(&now, last);
	}
	past_give_back(x->past, k);
	buf_free(&now);
}

int export_structure(const struct export_disk *x, struct buf *b, struct err *e)
{
	static const char *const names[] = { "t", "overlay", "json" };
	struct buf lists[3] = { { .limit = EXPORT_MAX }, { .limit = EXPORT_MAX }, { .limit = EXPORT_MAX } }, last = { .limit = ANSWER_MAX };
	size_t step = MAX(x->moments / EXPORT_STRUCTURES, (size_t)1);

	past_hurry(x->past, true);
	for (size_t i = (x->moments - 1) % step; i < x->moments; i += step)
		add_moment(x, x->moment[i], &last, lists);
	past_hurry(x->past, false);
	buf_printf(b, "{\"disk\":%zu", x->number);
	for (int i = 0; i < 3; i++) {
		buf_printf(b, ",\"%s\":[", names[i]);
		buf_add(b, lists[i].p, lists[i].len);
		buf_printf(b, "]");
		buf_free(&lists[i]);
	}
	buf_free(&last);
	return buf_add(b, "}", 1) ? 0 : err_set(e, "out of memory, or the page would be too large");
}
