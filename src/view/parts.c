/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "view/parts.h"

/* ---- what each unit is for ---- */

struct fill {
	const struct know_map *k;
	const struct know_region *r; /* where the unit before ended */
	uint8_t *to;
};

static enum know_class class_of(const struct know_region *r)
{
	return r->kind < KNOW_KINDS ? know_kinds[r->kind].class : KC_NOTHING;
}

/* The first region that ends behind off.  Mostly it is the one we have, or the next. */
static const struct know_region *advance(const struct know_map *k, const struct know_region *r, uint64_t off)
{
	const struct know_region *end = k->region + k->regions;

	for (unsigned i = 0; r && r < end && i < 8; i++, r++)
		if (r->off <= off && off - r->off < r->len)
			return r;
	return know_find(k, off);
}

static bool is_rare(enum know_class c)
{
	return c >= KC_TABLE && c <= KC_JOURNAL;
}

static void fill_one(void *arg, size_t i, uint64_t off, uint64_t len)
{
	struct fill *f = arg;
	const struct know_region *end = f->k->region + f->k->regions;
	uint64_t bytes[KC_CLASSES] = { 0 };
	enum know_class rare = KC_NOTHING, most = KC_NOTHING;

	f->r = advance(f->k, f->r, off);
	for (const struct know_region *r = f->r; r && r < end && r->off < off + len; r++) {
		enum know_class c = class_of(r);
		bytes[c] += MIN(r->off + r->len, off + len) - MAX(r->off, off);
		if (is_rare(c) && (rare == KC_NOTHING || c < rare))
			rare = c;
		f->r = r;
	}
	for (unsigned c = KC_JOURNAL + 1; c < KC_CLASSES; c++)
		if (bytes[c] > bytes[most] || (bytes[c] && most == KC_NOTHING))
			most = (enum know_class)c;
	f->to[i] = (uint8_t)(rare != KC_NOTHING ? rare : most);
}

void parts_fill(const struct units *u, const struct know_map *k, struct area a, uint8_t *to)
{
	struct fill f = { .k = k, .to = to };

	memset(to, KC_NOTHING, (size_t)a.w * a.h);
	units_walk(u, a, fill_one, &f);
}

/* ---- room for names ---- */

static uint64_t size_of(struct area a) { return (uint64_t)a.w * a.h; }

static void take_larger(struct area *best, uint64_t x, uint64_t y, uint64_t w, uint64_t h)
{
	if (w * h > size_of(*best))
		*best = (struct area){ (uint32_t)x, (uint32_t)y, (uint32_t)w, (uint32_t)h };
}

/* Numbers first to last, laid row by row, w in a row. */
static struct area box_in_rows(uint64_t first, uint64_t last, uint64_t w)
{
	uint64_t r0 = first / w, c0 = first % w, r1 = last / w, c1 = last % w, top = c0 ? r0 + 1 : r0, end = c1 == w - 1 ? r1 + 1 : r1;
	struct area best = { 0 };

	if (end > top)
		take_larger(&best, 0, top, w, end - top);
	if (c0 <= c1)
		take_larger(&best, c0, r0, c1 - c0 + 1, r1 - r0 + 1);
	if (r1 > r0) {
		take_larger(&best, c0, r0, w - c0, r1 - r0);
		take_larger(&best, 0, r0 + 1, c1 + 1, r1 - r0);
	}
	return best;
}

/* Cells are squares of units.  What fills some is a box of cells; what fills none is a box inside of the one it has more of. */
static struct area rows_box(const struct units *u, uint64_t first, uint64_t last)
{
	unsigned z = u->zoom;
	uint64_t each = (uint64_t)1 << 2 * z, from = (first + each - 1) / each, to = (last + 1) / each;
	struct area box;

	if (from < to) {
		box = box_in_rows(from, to - 1, u->grid.cols);
		return (struct area){ box.x << z, box.y << z, box.w << z, box.h << z };
	}
	uint64_t cell = first / each, end = (cell + 1) * each;
	if (last >= end && last - end >= end - 1 - first) { /* the second of two has more */
		cell++;
		first = end;
	} else {
		last = MIN(last, end - 1);
	}
	box = box_in_rows(first % each, last % each, (uint64_t)1 << z);
	box.x += (uint32_t)(cell % u->grid.cols) << z;
	box.y += (uint32_t)(cell / u->grid.cols) << z;
	return box;
}

/* Along the curve each aligned power of four numbers is a square. */
static struct area curve_box(const struct units *u, uint64_t first, uint64_t last)
{
	unsigned k = 31;
	uint64_t at = first;

	while (k > 0) {
		uint64_t each = (uint64_t)1 << 2 * k;
		at = (first + each - 1) / each * each;
		if (at + each - 1 <= last)
			break;
		at = first;
		k--;
	}
	uint32_t x, y, mask = k < 32 ? ((uint32_t)1 << k) - 1 : UINT32_MAX;
	units_place(u, at << u->unit_shift, &x, &y);
	return (struct area){ x & ~mask, y & ~mask, mask + 1, mask + 1 };
}

struct area parts_box(const struct units *u, uint64_t off, uint64_t len)
{
	uint64_t first = off >> u->unit_shift, last = (off + len - 1) >> u->unit_shift;
	return u->grid.hilbert ? curve_box(u, first, last) : rows_box(u, first, last);
}

static struct area cut(struct area b, struct area a)
{
	uint64_t x0 = MAX(a.x, b.x), y0 = MAX(a.y, b.y);
	uint64_t x1 = MIN((uint64_t)a.x + a.w, (uint64_t)b.x + b.w), y1 = MIN((uint64_t)a.y + a.h, (uint64_t)b.y + b.h);

	if (x0 >= x1 || y0 >= y1)
		return (struct area){ 0 };
	return (struct area){ (uint32_t)x0, (uint32_t)y0, (uint32_t)(x1 - x0), (uint32_t)(y1 - y0) };
}

/* Keep the largest max of them, in order. */
static size_t insert(struct part *to, size_t n, size_t max, const struct part *p)
{
	size_t i = n;

	if (n == max && (!max || size_of(to[n - 1].box) >= size_of(p->box)))
		return n;
	i = n < max ? n++ : n - 1;
	for (; i > 0 && size_of(to[i - 1].box) < size_of(p->box); i--)
		to[i] = to[i - 1];
	to[i] = *p;
	return n;
}

size_t parts_find(const struct units *u, const struct know_map *k, struct area a, uint64_t least, struct part *to, size_t max)
{
	const struct know_region *end = k->region + k->regions;
	size_t n = 0;

	for (const struct know_region *r = k->region, *next; r < end; r = next) {
		struct part p = { .off = r->off, .class = class_of(r), .first = r };
		for (next = r; next < end && class_of(next) == p.class && next->volume == r->volume; next++)
			p.len += next->len;
		p.regions = (size_t)(next - r);
		if (p.class == KC_NOTHING || p.len >> u->unit_shift < least / 2 || p.off + p.len > u->size)
			continue;
		p.box = cut(parts_box(u, p.off, p.len), a);
		if (size_of(p.box) >= MAX(least, (uint64_t)1))
			n = insert(to, n, max, &p);
	}
	return n;
}

const char *part_class_words(enum know_class c)
{
	static const char *const words[KC_CLASSES] = {
		[KC_NOTHING] = "free", [KC_TABLE] = "partition table", [KC_SUPER] = "superblock", [KC_BITMAP] = "bitmap",
		[KC_INODES] = "inodes", [KC_JOURNAL] = "journal", [KC_DIRECTORY] = "directories", [KC_TREE] = "tree nodes",
		[KC_DATA] = "files", [KC_DATABASE] = "database",
	};
	return words[c];
}

char *part_words(const struct know_map *k, const struct part *p, char *to, size_t room)
{
	const struct know_region *most = p->first;

	for (size_t i = 1; i < p->regions; i++)
		if (p->first[i].len > most->len)
			most = &p->first[i];
	if (p->class != KC_JOURNAL && most->len > p->len / 2 && most->kind == KNOW_FILE_DATA)
		return know_path(k, most->file, to, room);
	if (p->class != KC_JOURNAL && most->len > p->len / 2)
		return know_words(k, most, to, room);
	snprintf(to, room, "%s", part_class_words(p->class));
	return to;
}
