/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of one place: what it is for, its state, who touched it, its bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "web/answers.h"
#include "base/json.h"

/* ---- where, and in which state ---- */

/* False: the answer says why not. */
static bool find_spot(const struct query *w, const struct map *m, struct spot *p, struct answer *a)
{
	struct units u = units_of(m, (unsigned)w->n[Q_COLS], w->n[Q_ORDER] == ORDER_HILBERT, (unsigned)w->n[Q_ZOOM]);
	bool ok = query_has(w, Q_AT) ? w->n[Q_AT] < m->size
				     : query_has(w, Q_PX) && query_has(w, Q_PY) &&
			  units_range(&u, (uint32_t)w->n[Q_PX], (uint32_t)w->n[Q_PY], &p->off, &p->len);

	if (!ok) {
		answer_error(a, 404, "that is not on the disk");
		return false;
	}
	if (query_has(w, Q_AT)) {
		uint64_t size = (uint64_t)1 << u.unit_shift;
		p->off = w->n[Q_AT] / size * size;
		p->len = MIN(size, m->size - p->off);
	}
	units_place(&u, p->off, &p->x, &p->y);
	p->in_grid = query_has(w, Q_PX) || query_has(w, Q_COLS) || query_has(w, Q_ORDER) || query_has(w, Q_ZOOM);
	return true;
}

static void put_state(struct buf *b, const struct map *m, const struct spot *p)
{
	static const char *const words[STATES] = { "untouched", "written", "trimmed", "zeroed" };
	uint64_t count[STATES], first = p->off / m->block;
	unsigned best = ST_NONE;

	map_count(m, first, (p->off + p->len - 1) / m->block - first + 1, count);
	for (unsigned i = ST_WRITE; i < STATES; i++)
		if (count[i] && (best == ST_NONE || count[i] > count[best]))
			best = i;
	buf_printf(b, ",\"state\":\"%s\",\"blocks\":{", words[best]);
	for (unsigned i = 0; i < STATES; i++)
		buf_printf(b, "%s\"%s\":%" PRIu64, i ? "," : "", words[i], count[i]);
	buf_printf(b, "}");
}

static bool put_model(struct session *s, struct feed *d, const struct ask *q, struct spot *p, struct answer *a)
{
	struct moment m = answer_moment(s, q);
	struct err e = { 0 };
	struct sight seen;
	bool ok = false;

	p->start = session_start(s);
	feed_lock(d);
	if (feed_see(d, &m, &seen, &e) < 0) {
		answer_error(a, 503, "%s", e.msg);
	} else if (find_spot(q->query, &seen.model->map, p, a)) {
		p->now = seen.now;
		buf_printf(&a->body, "{\"at\":%" PRIu64 ",\"len\":%" PRIu64 ",", p->off, p->len);
		if (p->in_grid)
			buf_printf(&a->body, "\"x\":%" PRIu32 ",\"y\":%" PRIu32 ",", p->x, p->y);
		buf_printf(&a->body, "\"t\":%" PRIu64, seen.now > p->start ? seen.now - p->start : 0);
		put_state(&a->body, &seen.model->map, p);
		ok = true;
	}
	feed_unlock(d);
	return ok;
}

/* ---- who touched it ---- */

void answer_put_touch(struct buf *b, const struct touch *t, uint64_t start)
{
	const char *error = t->err ? strerrorname_np(t->err) : "";

	buf_printf(b, "{\"t\":%" PRIu64 ",\"event\":%" PRIu64 ",\"op\":\"%s\",\"conn\":%" PRIu64 ",\"at\":%" PRIu64 ",\"len\":%" PRIu64
		",\"error\":", t->time > start ? t->time - start : 0, t->event, t->op < EV_OPS ? op_names[t->op] : "", t->conn, t->off,
		t->len);
	json_string(b, error ? error : "error");
	buf_printf(b, "}");
}

static bool changes(const struct touch *t)
{
	return !t->err && (t->op == EV_WRITE || t->op == EV_TRIM || t->op == EV_ZERO);
}

static void put_history(struct buf *b, const struct history *h, const struct spot *p)
{
	const struct touch *writer = NULL;
	unsigned n = history_kept(h);

	for (unsigned i = 0; i < n && !writer; i++)
		if (history_at(h, i)->time <= p->now && changes(history_at(h, i)))
			writer = history_at(h, i);
	if (!writer && h->has_writer && h->writer.time <= p->now)
		writer = &h->writer;
	buf_printf(b, ",\"writer\":");
	if (writer)
		answer_put_touch(b, writer, p->start);
	else
		buf_printf(b, "null");
	buf_printf(b, ",\"history\":[");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(b, i ? ",\n" : "");
		answer_put_touch(b, history_at(h, i), p->start);
	}
	buf_printf(b, "],\"more\":%" PRIu64, h->count - n);
}

static void put_deeds(struct feed *d, struct deeds *deeds, const struct spot *p, struct buf *b)
{
	struct err e = { 0 };
	bool ready;
	struct deed_place *at = deeds_find(deeds, d, p->off, p->len, &ready, &e);

	if (at) {
		put_history(b, &at->history, p);
		deeds_done(at);
	} else {
		buf_printf(b, ",\"writer\":null,\"history\":[],\"more\":0");
	}
	buf_printf(b, ",\"ready\":%s", at && ready ? "true" : "false");
}

/* ---- what it is for ---- */

static void put_flags(struct buf *b, unsigned flags)
{
	static const char *const names[] = { "copy", "bad", "deleted", "unwritten", "old", "lost", "uncommitted" };
	const char *comma = "";

	buf_printf(b, ",\"flags\":[");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags >> i & 1) {
			buf_printf(b, "%s\"%s\"", comma, names[i]);
			comma = ",";
		}
	buf_printf(b, "]");
}

static void put_words(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, ",\"%s\":", name);
	json_string(b, text);
}

char *answer_volume(const struct know_map *m, unsigned volume, char *to, size_t room)
{
	const struct know_volume *v = &m->volume[volume];

	if (!v->format)
		return know_volume_words(m, volume, to, room);
	snprintf(to, room, *v->name ? "%s “%s”" : "%s", v->format, v->name);
	return to;
}

void answer_put_region(struct buf *b, const struct know_map *m, uint64_t off)
{
	const struct know_region *r = m && off < m->size ? know_find(m, off) : NULL;
	char text[1024];

	put_words(b, "words", r ? know_words(m, r, text, sizeof text) : "");
	put_words(b, "kind", r ? know_kinds[r->kind].name : "");
	put_words(b, "class", r ? know_class_names[know_kinds[r->kind].class] : "");
	put_words(b, "volume", r ? answer_volume(m, r->volume, text, sizeof text) : "");
	put_words(b, "path", r && r->file != KNOW_NO_FILE ? know_path(m, r->file, text, sizeof text) : "");
	put_flags(b, r ? r->flags : 0);
}

static void put_known(struct past *past, const struct moment *m, const struct spot *p, struct buf *b)
{
	struct err e = { 0 };
	bool ready;
	struct known *k = past_map(past, m, &ready, &e);

	answer_put_region(b, k ? k->map : NULL, p->off);
	buf_printf(b, ",\"known\":%s", ready ? "true" : "false");
	past_give_back(past, k);
}

void answer_put_bytes(struct past *past, const struct moment *m, const struct spot *p, struct buf *b)
{
	uint8_t bytes[PAST_READ_MAX];
	struct err e = { 0 };
	uint32_t n = (uint32_t)MIN(p->len, (uint64_t)PAST_READ_MAX);
	bool has = past_read(past, m, p->off, n, bytes, &e) == 0;

	buf_printf(b, ",\"hex\":\"");
	for (uint32_t i = 0; has && i < n; i++)
		buf_printf(b, "%02x", bytes[i]);
	buf_printf(b, "\"");
	put_words(b, "why", has ? "" : e.msg);
}

void answer_block(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct spot p = { 0 };

	if (!d || !put_model(s, d, q, &p, a))
		return;
	struct moment m = answer_moment(s, q);
	struct extras *x = &s->extra[q->query->n[Q_DISK]];
	put_deeds(d, &x->deeds, &p, &a->body);
	put_known(x->past, &m, &p, &a->body);
	answer_put_bytes(x->past, &m, &p, &a->body);
	if (!buf_add(&a->body, "}\n", 2))
		answer_error(a, 503, "out of memory");
}
