/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include "web/answers.h"
#include "web/frame.h"
#include "base/json.h"

static void put_colour(struct buf *b, const char *name, rgb c)
{
	buf_printf(b, "\"%s\":\"#%06x\",", name, (unsigned)c & 0xffffff);
}

/* By enum know_class. */
static const char *const structure[PALETTE_STRUCTURES] = {
	"nothing", "table", "super", "bitmap", "inodes", "journal", "directory", "tree", "data", "database",
};

static void put_palette(struct buf *b, const struct palette *p)
{
	buf_printf(b, "{\"name\":\"%s\",", p->name);
	put_colour(b, "paper", p->paper);
	put_colour(b, "untouched", p->untouched);
	put_colour(b, "frame", p->frame);
	put_colour(b, "ink", p->ink);
	put_colour(b, "faint", p->faint);
	put_colour(b, "warn", p->warn);
	put_colour(b, "flush", p->flush);
	buf_printf(b, "\"classes\":{");
	for (int i = 0; i < CLASSES; i++)
		buf_printf(b, "%s\"%s\":\"#%06x\"", i ? "," : "", class_names[i], (unsigned)p->class[i] & 0xffffff);
	buf_printf(b, "},\"structure\":{");
	for (size_t i = 0; i < ARRAY_LEN(structure); i++)
		buf_printf(b, "%s\"%s\":\"#%06x\"", i ? "," : "", structure[i], (unsigned)p->structure[i]);
	buf_printf(b, "}}");
}

static void put_palettes(const struct session *s, struct buf *b)
{
	buf_printf(b, "\"palettes\":[");
	put_palette(b, s->palette);
	for (size_t i = 0; palettes[i]; i++)
		if (palettes[i] != s->palette) {
			buf_printf(b, ",");
			put_palette(b, palettes[i]);
		}
	buf_printf(b, "]");
}

/* The shape comes of the size alone; a model has it at hand. */
static bool shape_of(const struct play *p, struct map *shape)
{
	struct err e = { 0 };

	if (p->has_model && p->model.map.size == p->size) {
		*shape = p->model.map;
		return true;
	}
	if (!p->size_known || map_init(shape, p->size, &e) < 0)
		return false;
	struct map owned = *shape;
	map_free(&owned);
	return true;
}

static void put_shape(const struct session *s, const struct play *p, bool exporting, struct buf *b)
{
	struct map m;

	if (!shape_of(p, &m)) {
		buf_printf(b, "\"size\":0,\"block\":%u,\"blocks\":0,\"cell\":%u,\"cells\":0,\"cols\":1,\"rows\":1,\"minCols\":1,"
			"\"maxCols\":1,\"zoom\":0,", MAP_BLOCK, MAP_BLOCK);
		return;
	}
	if (s->cols)
		map_set_cols(&m, s->cols);
	buf_printf(b, "\"size\":%" PRIu64 ",\"block\":%" PRIu64 ",\"blocks\":%" PRIu64 ",\"cell\":%" PRIu64 ",\"cells\":%" PRIu32
		",\"cols\":%u,\"rows\":%u,\"minCols\":%u,\"maxCols\":%u,\"zoom\":%u,", m.size, m.block, m.blocks, m.block * m.per_cell,
		m.cells, m.cols, m.rows, exporting ? m.cols : map_min_cols(&m), exporting ? m.cols : map_max_cols(&m),
		exporting ? 0 : units_zoom_max(&m));
}

static void put_disk(const struct session *s, const struct feed *d, const struct past *past, bool exporting, struct buf *b)
{
	const struct play *p = &d->ahead;
	bool data = p->tape.is_rec && p->tape.rec.info.data == REC_DATA_YES;

	buf_printf(b, "{\"name\":");
	json_string(b, d->name);
	buf_printf(b, ",\"kind\":\"%s\",\"data\":%s,\"live\":%s,", p->tape.is_rec ? "recording" : "log", data ? "true" : "false",
		feed_live(d) && !exporting ? "true" : "false");
	put_shape(s, p, exporting, b);
	buf_printf(b, "\"events\":%" PRIu64 ",\"structure\":%s}", p->events, data || past_is_now(past) ? "true" : "false");
}

/* What the person should know of a file. */
static void put_notes(const struct feed *d, struct buf *b, const char **comma)
{
	const struct log_reader *r = &d->ahead.scan.reader;
	bool is_rec = d->ahead.tape.is_rec;
	char text[300];

#define NOTE(...) \
	do { \
		snprintf(text, sizeof text, __VA_ARGS__); \
		buf_printf(b, "%s", *comma); \
		json_string(b, text); \
		*comma = ","; \
	} while (0)
	if (d->trouble[0])
		NOTE("%s", d->trouble);
	if (d->ahead.tape.fd < 0)
		NOTE("%s: waiting for the file", d->name);
	if (r->bad)
		NOTE("%s: %" PRIu64 " %s", d->name, r->bad, is_rec ? "chunks of events are damaged" : "lines are not understood");
	if (r->overlong)
		NOTE("%s: %" PRIu64 " lines are too long", d->name, r->overlong);
	if (r->lost)
		NOTE("%s: %" PRIu64 " %s", d->name, r->lost, is_rec ? "events are missing" : "lines were lost by the server");
	if (r->set_back)
		NOTE("%s: the clock was set back %" PRIu64 " times", d->name, r->set_back);
#undef NOTE
}

#define CONNECTIONS_MAX 1000u /* of a disk, the newest */

static void put_connections(const struct feed *d, size_t number, struct buf *b)
{
	const struct names *l = &d->ahead.names;

	for (size_t i = l->n > CONNECTIONS_MAX ? l->n - CONNECTIONS_MAX : 0; i < l->n; i++) {
		const struct conn_name *c = &l->at[i];
		if (names_find(l, c->conn, UINT64_MAX) != c)
			continue; /* a later one has the same number */
		const char *name = c->client && *c->client ? c->client : c->export ? c->export : "";
		buf_printf(b, "%s{\"disk\":%zu,\"id\":%" PRIu64 ",\"name\":", b->len ? "," : "", number, c->conn);
		json_string(b, name);
		buf_printf(b, "}");
	}
}

void answer_session(struct session *s, const struct ask *q, struct answer *a)
{
	struct buf *b = &a->body, disks = { .limit = ANSWER_MAX }, notes = { .limit = ANSWER_MAX },
		   connections = { .limit = ANSWER_MAX };
	uint64_t start = session_start(s), end = start;
	const char *comma = "";
	char title[300];
	bool live = false;

	for (size_t i = 0; i < s->disks; i++) {
		struct feed *d = s->disk[i];
		feed_lock(d);
		buf_printf(&disks, i ? ",\n" : "");
		put_disk(s, d, s->extra[i].past, q->exporting, &disks);
		put_notes(d, &notes, &comma);
		put_connections(d, i, &connections);
		live |= feed_live(d);
		end = MAX(end, d->ahead.end);
		feed_unlock(d);
	}
	snprintf(title, sizeof title, s->disks > 1 ? "%s and %zu more" : "%s", s->disks ? s->disk[0]->name : "", s->disks - 1);
	buf_printf(b, "{\"title\":");
	json_string(b, title);
	buf_printf(b, ",\"export\":%s,\"live\":%s,\"length\":%" PRIu64 ",\"wall\":\"%" PRIu64 "\",\"hilbert\":%s,\n\"disks\":[",
		q->exporting ? "true" : "false", live && !q->exporting ? "true" : "false", end - start, start,
		s->hilbert ? "true" : "false");
	buf_add(b, disks.p, disks.len);
	buf_printf(b, "],\n\"connections\":[");
	buf_add(b, connections.p, connections.len);
	buf_printf(b, "],\n");
	put_palettes(s, b);
	buf_printf(b, ",\n\"notes\":[");
	buf_add(b, notes.p, notes.len);
	if (!buf_add(b, "]}\n", 3))
		answer_error(a, 503, "out of memory");
	buf_free(&disks);
	buf_free(&notes);
	buf_free(&connections);
}
