/* SPDX-License-Identifier: BSD-2-Clause */
/* The panel: clock, legend with totals and rates, scale, block under the pointer, warnings. */
#include <inttypes.h>
#include <stdio.h>
#include "view/fmt.h"
#include "view/paint.h"

struct pen {
	struct canvas *c;
	const struct model *m;
	const struct scene *s;
	struct rect r; /* the panel */
	int y;
	bool textured; /* the map tells classes by shape too */
};

static void rule(struct pen *p)
{
	p->y += 10;
	canvas_fill(p->c, (struct rect){ p->r.x, p->y, p->r.w, 1 }, p->s->palette->frame);
	p->y += 12;
}

static void say(struct pen *p, const struct font *f, rgb colour, const char *text)
{
	p->y = canvas_paragraph(p->c, f, (struct rect){ p->r.x, p->y, p->r.w, 0 }, 3, colour, text) + 2;
}

/* One disk is looked at, or all that there are. */
static bool of_all(const struct pen *p)
{
	return p->s->tiles > 1;
}

static struct count rate_of(const struct pen *p, enum ev_op op)
{
	struct count sum = { 0 };

	if (!of_all(p))
		return model_rate(p->m, op, p->s->now);
	for (size_t i = 0; i < p->s->tiles; i++) {
		const struct model *m = p->s->tile[i].model;
		struct count one = m ? model_rate(m, op, p->s->now) : (struct count){ 0 };
		sum.ops += one.ops;
		sum.bytes += one.bytes;
	}
	return sum;
}

static struct totals totals_of(const struct pen *p)
{
	struct totals sum = { 0 };

	if (!of_all(p))
		return p->m->total;
	for (size_t i = 0; i < p->s->tiles; i++) {
		const struct totals *t = p->s->tile[i].model ? &p->s->tile[i].model->total : &(struct totals){ 0 };
		for (int op = 0; op < EV_OPS; op++) {
			sum.op[op].ops += t->op[op].ops;
			sum.op[op].bytes += t->op[op].bytes;
		}
		sum.errors += t->errors;
		sum.clipped += t->clipped;
		sum.unmatched += t->unmatched;
	}
	return sum;
}

static void clock_rows(struct pen *p)
{
	const struct scene *s = p->s;
	char a[FMT_ROOM], b[FMT_ROOM + 8];
	int x = canvas_text(p->c, &font_big, p->r.x, p->y, s->palette->ink, fmt_clock(a, s->now - s->start));

	snprintf(b, sizeof b, "of %s", fmt_clock(a, MAX(s->end, s->now) - s->start));
	canvas_text(p->c, &font_body, x + 14, p->y + font_big.ascent - font_body.ascent, s->palette->faint, b);
	p->y += font_big.line;
}

/* ---- legend, totals, rates ---- */

struct row {
	const char *name;
	enum ev_op op;
	enum texture texture;
	rgb colour;
};

static void swatch(struct pen *p, enum texture t, rgb colour)
{
	const struct palette *pal = p->s->palette;
	struct rect box = { p->r.x + 1, p->y + 2, 20, 20 };
	paint_square(p->c, box.x, box.y, box.w, p->textured ? t : TX_SOLID, colour, pal->untouched);
	canvas_frame(p->c, box, 1, pal->frame);
}

/* Right edges of the four columns of numbers; the rates go below when the panel is narrow. */
struct columns {
	int ops, bytes, ops_s, bytes_s;
};

static struct columns columns_of(const struct pen *p)
{
	int right = p->r.x + p->r.w;
	if (p->r.w >= 480)
		return (struct columns){ p->r.x + 190, p->r.x + 300, p->r.x + 390, right };
	return (struct columns){ p->r.x + 185, right, 0, 0 };
}

static void heading(struct pen *p, const struct columns *k)
{
	rgb faint = p->s->palette->faint;
	canvas_text_right(p->c, &font_small, k->ops, p->y, faint, "requests");
	canvas_text_right(p->c, &font_small, k->bytes, p->y, faint, "bytes");
	if (k->ops_s) {
		canvas_text_right(p->c, &font_small, k->ops_s, p->y, faint, "per s");
		canvas_text_right(p->c, &font_small, k->bytes_s, p->y, faint, "bytes/s");
	}
	p->y += font_small.line + 4;
}

/* MB/s are asked for; a unit that fits the number says more. */
static void per_second(char *out, uint64_t bytes)
{
	char a[FMT_ROOM];
	snprintf(out, FMT_ROOM, "%s/s", fmt_size(a, bytes));
}

static void rates(struct pen *p, const struct columns *k, enum ev_op op)
{
	struct count now = rate_of(p, op);
	rgb ink = now.ops ? p->s->palette->ink : p->s->palette->faint;
	char text[FMT_ROOM];

	canvas_text_right(p->c, &font_body, k->ops_s, p->y, ink, fmt_count(text, now.ops));
	if (op == EV_FLUSH)
		return;
	per_second(text, now.bytes);
	canvas_text_right(p->c, &font_body, k->bytes_s, p->y, ink, text);
}

static void total_row(struct pen *p, const struct row *r, const struct columns *k)
{
	struct totals all = totals_of(p);
	const struct count *t = &all.op[r->op];
	rgb ink = p->s->palette->ink;
	char text[FMT_ROOM];

	swatch(p, r->texture, r->colour);
	canvas_text(p->c, &font_bold, p->r.x + 32, p->y, ink, r->name);
	canvas_text_right(p->c, &font_body, k->ops, p->y, ink, fmt_count(text, t->ops));
	if (r->op != EV_FLUSH)
		canvas_text_right(p->c, &font_body, k->bytes, p->y, ink, fmt_size(text, t->bytes));
	if (k->ops_s)
		rates(p, k, r->op);
	p->y += font_body.line + 6;
}

static void table(struct pen *p)
{
	const struct palette *pal = p->s->palette;
	const struct row rows[] = {
		{ "write", EV_WRITE, TX_SOLID, pal->class[CL_WRITE] },
		{ "read", EV_READ, TX_DOT, pal->class[CL_READ] },
		{ "trim", EV_TRIM, TX_HATCH, pal->class[CL_TRIM] },
		{ "zero", EV_ZERO, TX_HOLLOW, pal->class[CL_ZERO] },
		{ "flush", EV_FLUSH, TX_SOLID, pal->flush },
	};
	struct columns k = columns_of(p);
	char text[FMT_ROOM];

	heading(p, &k);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		total_row(p, &rows[i], &k);
	swatch(p, TX_CROSS, pal->class[CL_ERROR]);
	canvas_text(p->c, &font_bold, p->r.x + 32, p->y, pal->ink, "error");
	canvas_text_right(p->c, &font_body, k.ops, p->y, pal->ink, fmt_count(text, totals_of(p).errors));
	p->y += font_body.line + 6;
	swatch(p, TX_SOLID, pal->untouched);
	canvas_text(p->c, &font_bold, p->r.x + 32, p->y, pal->ink, "never changed");
	p->y += font_body.line + 6;
	if (k.ops_s)
		return;
	p->y += 6;
	canvas_text(p->c, &font_small, p->r.x, p->y, pal->faint, "in the last second");
	p->y += font_small.line + 4;
	k.ops_s = k.ops;
	k.bytes_s = k.bytes;
	for (size_t i = 0; i < ARRAY_LEN(rows) - 1; i++) {
		canvas_text(p->c, &font_body, p->r.x + 32, p->y, pal->ink, rows[i].name);
		rates(p, &k, rows[i].op);
		p->y += font_body.line + 2;
	}
}

/* ---- the rest ---- */

static void scale_rows(struct pen *p, const struct layout *l)
{
	const struct map *map = &p->m->map;
	char text[200], a[FMT_ROOM], b[FMT_ROOM];
	uint64_t cell = map->block * map->per_cell;

	if (of_all(p)) {
		snprintf(text, sizeof text, "all of %zu disks, on one clock", p->s->tiles);
		say(p, &font_body, p->s->palette->ink, text);
		return;
	}
	if (p->s->tiles)
		say(p, &font_bold, p->s->palette->ink, p->s->tile->name);
	if (map->per_cell == 1)
		snprintf(text, sizeof text, "1 pixel = 1 block of %s", fmt_size(a, map->block));
	else
		snprintf(text, sizeof text, "1 pixel = %s = %s blocks", fmt_size(a, cell), fmt_count(b, map->per_cell));
	say(p, &font_body, p->s->palette->ink, text);
	if (l->grid.hilbert)
		snprintf(text, sizeof text, "disk of %s along a Hilbert curve", fmt_size(a, map->size));
	else
		snprintf(text, sizeof text, "disk of %s, 1 row = %s", fmt_size(a, map->size),
			fmt_size(b, cell * map->cols));
	say(p, &font_body, p->s->palette->ink, text);
	if (map->per_cell > 1)
		say(p, &font_small, p->s->palette->faint,
			"hue: most blocks of the pixel; brightness: how many of them");
}

static void state_line(struct pen *p, uint32_t cell, char *text, size_t room)
{
	const struct cell *c = &p->m->map.cell[cell];
	static const char *const suffered[STATES] = { "never changed", "written", "trimmed", "zeroed" };
	enum state s = cell_state(c);
	char a[FMT_ROOM], b[FMT_ROOM];

	if (s == ST_NONE || p->m->map.per_cell == 1)
		snprintf(text, room, "%s", suffered[s]);
	else
		snprintf(text, room, "%s: %s of %s blocks", suffered[s], fmt_count(a, c->state[s]),
			fmt_count(b, map_cell_blocks(&p->m->map, cell)));
}

static void last_line(struct pen *p, const struct cell *c, char *text, size_t room)
{
	enum class newest = CL_READ;
	char a[FMT_ROOM];

	for (enum class k = CL_READ; k < CLASSES; k++)
		if (c->last[k] > c->last[newest])
			newest = k;
	if (c->reading)
		snprintf(text, room, "being read now");
	else if (!c->last[newest])
		snprintf(text, room, "no request touched it");
	else
		snprintf(text, room, "last: %s at %s", class_names[newest],
			fmt_clock(a, c->last[newest] - p->s->start));
}

/* ---- what is known of the block under the pointer ---- */

static void part_row(struct pen *p, uint64_t off)
{
	const struct know_map *k = p->s->outlines ? p->s->outlines->know : NULL;
	const struct know_region *r = k ? know_find(k, off) : NULL;
	char text[300];

	if (!r)
		return;
	enum know_class class = r->kind < KNOW_KINDS ? know_kinds[r->kind].class : KC_NOTHING;
	rgb colour = class == KC_NOTHING ? p->s->palette->faint : p->s->palette->structure[class];
	say(p, &font_bold, colour, know_words(k, r, text, sizeof text));
}

static const char *who(const struct pen *p, const struct touch *t, char *text, size_t room)
{
	const struct conn_name *n = p->s->names ? names_find(p->s->names, t->conn, t->time) : NULL;

	if (n && n->client)
		snprintf(text, room, "%s", n->client);
	else
		snprintf(text, room, "connection %" PRIu64, t->conn);
	return text;
}

static void touch_row(struct pen *p, const struct touch *t)
{
	char text[300], name[NAME_ROOM], clock[FMT_ROOM], len[FMT_ROOM];
	const struct palette *pal = p->s->palette;

	canvas_text_right(p->c, &font_small, p->r.x + 76, p->y, pal->faint, fmt_clock(clock, t->time - MIN(p->s->start, t->time)));
	snprintf(text, sizeof text, "%s %s%s%s, %s", op_names[t->op], fmt_short(len, t->len), t->flags & EVF_FUA ? " FUA" : "",
		t->err ? ", failed" : "", who(p, t, name, sizeof name));
	canvas_paragraph(p->c, &font_small, (struct rect){ p->r.x + 86, p->y, p->r.w - 86, 0 }, 1, t->err ? pal->warn : pal->ink, text);
	p->y += font_small.line + 1;
}

/* Eight in a row, and as text. */
static void hex_rows(struct pen *p, const struct spot *s)
{
	const struct palette *pal = p->s->palette;
	char text[8];

	for (unsigned i = 0; i < s->n; i++) {
		int x = p->r.x + (int)(i % 8) * 22;
		bool printable = s->bytes[i] >= 0x20 && s->bytes[i] < 0x7f;
		snprintf(text, sizeof text, "%02x", s->bytes[i]);
		canvas_text(p->c, &font_small, x, p->y, s->bytes[i] ? pal->ink : pal->faint, text);
		snprintf(text, sizeof text, "%c", printable ? s->bytes[i] : '.');
		canvas_text(p->c, &font_small, p->r.x + 8 * 22 + 10 + (int)(i % 8) * 12, p->y, printable ? pal->ink : pal->faint, text);
		if (i % 8 == 7 || i + 1 == s->n)
			p->y += font_small.line;
	}
}

static void spot_rows(struct pen *p, uint64_t off)
{
	const struct spot *s = p->s->spot;
	char text[200], name[NAME_ROOM], a[FMT_ROOM];

	if (!s || s->off != off)
		return;
	p->y += 6;
	if (s->has_writer) {
		snprintf(text, sizeof text, "last changed by %s at %s", who(p, &s->writer, name, sizeof name),
			fmt_clock(a, s->writer.time - MIN(p->s->start, s->writer.time)));
		say(p, &font_small, p->s->palette->ink, text);
	}
	for (unsigned i = 0; i < s->touches; i++)
		touch_row(p, &s->at[i]);
	if (s->count > s->touches) {
		snprintf(text, sizeof text, "and %s before", fmt_count(a, s->count - s->touches));
		say(p, &font_small, p->s->palette->faint, text);
	}
	p->y += 6;
	hex_rows(p, s);
}

static void ops_line(const struct cell *c, char *text, size_t room)
{
	static const char *const words[][2] = {
		[CL_READ] = { "read", "reads" }, [CL_WRITE] = { "write", "writes" }, [CL_TRIM] = { "trim", "trims" },
		[CL_ZERO] = { "zero", "zeroes" }, [CL_ERROR] = { "error", "errors" },
	};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(words) && len < room; i++)
		len += (size_t)snprintf(text + len, room - len, "%s%u %s", i ? ", " : "", c->ops[i], words[i][c->ops[i] != 1]);
}

static void pointer_rows(struct pen *p, const struct layout *l)
{
	const struct map *map = &p->m->map;
	const struct palette *pal = p->s->palette;
	uint32_t cell;
	char text[240], a[FMT_ROOM];

	if (of_all(p) || !paint_cell_at(l, p->s->pointer_x, p->s->pointer_y, &cell))
		return;
	const struct cell *c = &map->cell[cell];
	uint64_t off = (uint64_t)cell << map->cell_shift;
	rule(p);
	snprintf(text, sizeof text, "0x%" PRIx64 "  (%s)", off, fmt_short(a, off));
	say(p, &font_bold, pal->ink, text);
	part_row(p, off);
	state_line(p, cell, text, sizeof text);
	say(p, &font_body, pal->ink, text);
	last_line(p, c, text, sizeof text);
	say(p, &font_body, pal->ink, text);
	ops_line(c, text, sizeof text);
	say(p, &font_small, pal->faint, text);
	spot_rows(p, off);
}

static void warn(struct pen *p, uint64_t n, const char *what)
{
	char text[160], a[FMT_ROOM];
	if (!n)
		return;
	snprintf(text, sizeof text, "%s %s", fmt_count(a, n), what);
	say(p, &font_bold, p->s->palette->warn, text);
}

static void warnings(struct pen *p)
{
	const struct scene *s = p->s;
	struct totals all = totals_of(p), *t = &all;

	if (!s->lost && !s->bad && !s->overlong && !t->clipped && !t->unmatched && !s->notice)
		return;
	rule(p);
	if (s->recording) {
		warn(p, s->lost, s->lost == 1 ? "event is missing" : "events are missing");
		warn(p, s->bad, s->bad == 1 ? "chunk is damaged" : "chunks are damaged");
	} else {
		warn(p, s->lost, s->lost == 1 ? "line lost by the server" : "lines lost by the server");
		warn(p, s->bad, s->bad == 1 ? "line not understood" : "lines not understood");
	}
	warn(p, s->overlong, s->overlong == 1 ? "line too long" : "lines too long");
	warn(p, t->clipped, t->clipped == 1 ? "request beyond the disk" : "requests beyond the disk");
	warn(p, t->unmatched, t->unmatched == 1 ? "answer without request" : "answers without request");
	if (s->notice)
		say(p, &font_bold, s->palette->warn, s->notice);
}

/* The session: what was done, what is being done, what comes.  As many as there is room for,
 * with the present one in the middle. */
static void step_rows(struct pen *p, int bottom)
{
	const struct steps *st = p->s->steps;
	const struct palette *pal = p->s->palette;
	int line = font_body.line + 2, room, now;

	rule(p);
	room = (bottom - p->y) / line;
	if (room < 3)
		return;
	now = steps_at(st, p->s->now, p->s->start);
	int first = MAX(MIN(now - room / 2, (int)st->n - room), 0);
	for (int i = first; i < (int)st->n && i < first + room; i++, p->y += line) {
		char number[16], clock[FMT_ROOM];
		uint64_t at = steps_begin(st, (size_t)i, p->s->start) - p->s->start;
		rgb v = i == now ? pal->ink : pal->faint;
		const struct font *f = i == now ? &font_bold : &font_body;
		snprintf(number, sizeof number, "%d", i + 1);
		canvas_text_right(p->c, f, p->r.x + 24, p->y, v, number);
		canvas_text_right(p->c, f, p->r.x + 92, p->y, v, fmt_tick(clock, at / NS_PER_S * NS_PER_S));
		canvas_paragraph(p->c, f, (struct rect){ p->r.x + 106, p->y, p->r.w - 106, 0 }, 1, v, st->step[i].text);
	}
}

void paint_panel(struct canvas *c, const struct model *m, const struct scene *s, const struct layout *l)
{
	struct pen p = { c, m, s, l->panel, l->panel.y, l->scale >= TEXTURE_FROM && m->map.per_cell == 1 };

	clock_rows(&p);
	rule(&p);
	table(&p);
	rule(&p);
	scale_rows(&p, l);
	warnings(&p);
	pointer_rows(&p, l);
	if (s->steps && s->steps->n)
		step_rows(&p, l->panel.y + 4 + (int)MAP_ROWS_MAX);
}
