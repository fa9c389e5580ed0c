/* SPDX-License-Identifier: BSD-2-Clause */
/* What an exported page knows of each cell: the last requests that touched it, what it is for, its bytes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "web/answers.h"
#include "web/export.h"
#include "web/pack.h"

#define NONE UINT32_MAX

/* A request at a cell; the older one behind it. */
struct deed {
	struct touch touch;
	uint32_t older;
};

struct cell_deeds {
	uint32_t newest;
	uint32_t kept;
	uint64_t count;
};

struct book {
	const struct play *play;
	struct cell_deeds *cell;
	uint32_t cells;
	struct deed *deed;
	uint32_t used;
};

/* A place for one more of a cell: a new one, or that of its oldest; NONE: there is none. */
static uint32_t find_place(struct book *b, struct cell_deeds *c)
{
	if (c->kept < EXPORT_DEEDS_OF_CELL && b->used < EXPORT_DEEDS) {
		c->kept++;
		return b->used++;
	}
	uint32_t *link = &c->newest;
	if (*link == NONE)
		return NONE;
	while (b->deed[*link].older != NONE)
		link = &b->deed[*link].older;
	uint32_t oldest = *link;
	*link = NONE;
	return oldest;
}

static void note(void *arg, const struct event *ev, const struct outcome *out)
{
	struct book *b = arg;
	const struct map *m = &b->play->model.map;
	const struct event *r = &out->req;

	if (!out->ended || !r->len || r->op == EV_FLUSH)
		return;
	struct touch t = { .begun = r->time, .time = ev->time, .event = b->play->model.events, .conn = r->conn, .id = r->id, .off = r->off,
			   .len = r->len, .op = r->op, .err = out->err };
	uint64_t last = (r->off + r->len - 1) >> m->cell_shift;
	for (uint64_t i = r->off >> m->cell_shift; i <= last && i < b->cells; i++) {
		struct cell_deeds *c = &b->cell[i];
		uint32_t at = find_place(b, c);
		c->count++;
		if (at == NONE)
			continue;
		b->deed[at] = (struct deed){ t, c->newest };
		c->newest = at;
	}
}

static int collect(const struct export_disk *x, struct book *b, struct play *p, struct err *e)
{
	b->play = p;
	if (play_to_event(p, 0, PLAY_ALL, e) < 0)
		return -1;
	if (!p->has_model)
		return err_set(e, "nothing is known of the disk any more");
	b->cells = p->model.map.cells;
	b->cell = calloc(MAX(b->cells, 1u), sizeof *b->cell);
	b->deed = malloc(EXPORT_DEEDS * sizeof *b->deed);
	if (!b->cell || !b->deed)
		return err_set(e, "out of memory");
	for (uint32_t i = 0; i < b->cells; i++)
		b->cell[i] = (struct cell_deeds){ .newest = NONE };
	p->watch = note;
	p->watch_arg = b;
	return export_walk(x, p, &(struct moment){ MOMENT_EVENT, PLAY_ALL }, e);
}

static void put_bytes(const struct export_disk *x, uint64_t off, uint64_t len, uint64_t *left, struct buf *b)
{
	struct moment end = { MOMENT_LIVE, 0 };
	struct spot at = { .off = off, .len = MIN(len, *left) };

	if (!x->contents || !at.len) {
		buf_printf(b, ",\"hex\":\"\",\"why\":\"%s\"",
			x->contents ? "left out: too much for a page" : "the page was made without contents");
		return;
	}
	*left -= MIN(at.len, (uint64_t)PAST_READ_MAX);
	answer_put_bytes(x->past, &end, &at, b);
}

static void put_cell(const struct export_disk *x, const struct book *book, uint32_t i, const struct know_map *k, uint64_t *left,
		     struct buf *b)
{
	const struct cell_deeds *c = &book->cell[i];
	uint64_t off = (uint64_t)i << x->shape.cell_shift, len = MIN((uint64_t)1 << x->shape.cell_shift, x->shape.size - off);
	unsigned n = 0;

	buf_printf(b, "{\"at\":%" PRIu64 ",\"len\":%" PRIu64, off, len);
	answer_put_region(b, k, off);
	buf_printf(b, ",\"history\":[");
	for (uint32_t at = c->newest; at != NONE; at = book->deed[at].older) {
		buf_printf(b, n++ ? "," : "");
		answer_put_touch(b, &book->deed[at].touch, x->start);
	}
	buf_printf(b, "],\"more\":%" PRIu64, c->count - n);
	put_bytes(x, off, len, left, b);
	buf_printf(b, "}");
}

static bool says_something(const struct know_map *k, uint64_t off)
{
	const struct know_region *r = k && off < k->size ? know_find(k, off) : NULL;
	return r && know_kinds[r->kind].class != KC_NOTHING;
}

static bool put_cells(const struct export_disk *x, const struct book *book, const struct know_map *k, struct pack *to)
{
	struct buf one = { .limit = 1 << 20 };
	uint64_t left = EXPORT_CONTENTS;
	bool any = false, ok = true;

	pack_add(to, "[", 1);
	for (uint32_t i = 0; i < MIN(book->cells, x->shape.cells) && ok; i++) {
		if (!book->cell[i].count && !says_something(k, (uint64_t)i << x->shape.cell_shift))
			continue;
		one.len = 0;
		buf_printf(&one, any ? ",\n" : "");
		put_cell(x, book, i, k, &left, &one);
		ok = one.len;
		pack_add(to, one.p, one.len);
		any = true;
	}
	pack_add(to, "]", 1);
	buf_free(&one);
	return ok;
}

int export_blocks(const struct export_disk *x, struct buf *b, struct err *e)
{
	struct book book = { 0 };
	struct play p;
	struct pack *pack;
	struct known *k = export_map(x, &(struct moment){ MOMENT_LIVE, 0 });
	int rc = export_player(&p, x->feed, e);

	if (rc == 0) {
		rc = collect(x, &book, &p, e);
		play_close(&p);
	}
	buf_printf(b, "{\"disk\":%zu,\"z\":\"", x->number);
	if (rc == 0 && (pack = pack_new(EXPORT_MAX))) {
		bool ok = put_cells(x, &book, k ? k->map : NULL, pack);
		rc = pack_end(pack, b) && ok && buf_add(b, "\"}", 2) ? 0 : err_set(e, "out of memory, or the page would be too large");
	}
	past_give_back(x->past, k);
	free(book.cell);
	free(book.deed);
	return rc;
}
