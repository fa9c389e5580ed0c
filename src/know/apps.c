/* SPDX-License-Identifier: BSD-2-Clause */
/* Those who look into files, and what they ask for.  A file's content is put together from its regions, sorted by file and place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "know/inside.h"

static know_app *const apps[] = { know_sqlite };

static bool is_content(const struct know_build *b, const struct know_region *r)
{
	return (r->kind & KNOW_KIND_MASK) == KNOW_FILE_DATA && r->file < b->map->files && r->home != KNOW_NOWHERE &&
		!(r->flags & (KNOW_COPY | KNOW_DELETED | KNOW_UNWRITTEN)) && b->map->file[r->file].type == KNOW_REGULAR &&
		!(b->map->file[r->file].flags & KNOW_DELETED);
}

static void sort_data(struct know_build *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->regions; i++)
		n += is_content(b, &b->region[i]);
	struct know_key *k = malloc(MAX(n, (size_t)1) * sizeof *k), *tmp = malloc(MAX(n, (size_t)1) * sizeof *k);
	if (k && tmp) {
		for (size_t i = 0; i < b->regions; i++)
			if (is_content(b, &b->region[i]))
				k[b->datas++] = (struct know_key){ .key = b->region[i].home, .i = (uint32_t)i };
		know_sort(k, tmp, n);
		for (size_t i = 0; i < n; i++)
			k[i].key = b->region[k[i].i].file;
		know_sort(k, tmp, n);
	}
	b->no_memory |= !k || !tmp;
	free(tmp);
	b->data = k;
}

/* The content of the file whose regions begin at b->data[from]; where those of the next one begin. */
static size_t get_content(struct know_build *b, size_t from, struct know_pieces *p)
{
	uint32_t file = (uint32_t)b->data[from].key;
	const struct know_file *f = &b->map->file[file];
	uint64_t done = 0; /* of the file: what is claimed twice is the first's */
	size_t i = from;

	p->content = (struct know_content){ .file = file, .volume = f->volume, .size = f->size };
	for (; i < b->datas && b->data[i].key == file; i++) {
		const struct know_region *r = &b->region[b->data[i].i];
		uint64_t skip = done > r->home ? done - r->home : 0, end;
		if (skip >= r->len || __builtin_add_overflow(r->home, r->len, &end) || r->volume != f->volume ||
		    !know_room(b, &p->piece, &p->room, p->content.pieces, KNOW_REGIONS_MAX, sizeof *p->piece))
			continue;
		p->piece[p->content.pieces++] = (struct know_piece){ .at = r->home + skip,
			.off = r->off - b->map->volume[r->volume].off + skip, .len = r->len - skip };
		done = end;
	}
	p->content.piece = p->piece;
	return i;
}

void know_apps(struct know_build *b)
{
	if (know_stopped(b))
		return;
	sort_data(b);
	for (size_t i = 0; i < b->datas && !know_ask(b);) {
		i = get_content(b, i, &b->told_of);
		for (size_t a = 0; a < ARRAY_LEN(apps) && b->told_of.content.pieces; a++)
			if (apps[a](b, &b->told_of.content))
				break;
	}
}

const struct know_content *know_content_of(struct know_build *b, uint32_t file)
{
	size_t low = 0, high = b->datas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (b->data[middle].key < file)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == b->datas || b->data[low].key != file)
		return NULL;
	get_content(b, low, &b->asked_for);
	return b->asked_for.content.pieces ? &b->asked_for.content : NULL;
}

/* The first piece that ends behind `at`; pieces: there is none. */
static size_t piece_at(const struct know_content *c, uint64_t at)
{
	size_t low = 0, high = c->pieces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (c->piece[middle].at + c->piece[middle].len <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int know_read_content(struct know_build *b, const struct know_content *c, uint64_t at, size_t len, void *to)
{
	uint8_t *p = to;

	if (at > c->size || len > c->size - at)
		return EINVAL;
	for (size_t i = piece_at(c, at); len;) {
		const struct know_piece *k = i < c->pieces ? &c->piece[i] : NULL;
		uint64_t n = !k ? len : at < k->at ? MIN(k->at - at, (uint64_t)len) : MIN(k->at + k->len - at, (uint64_t)len);
		int rc = 0;
		if (k && at >= k->at) {
			rc = know_read(b, c->volume, k->off + (at - k->at), (size_t)n, p);
			i++;
		} else {
			memset(p, 0, (size_t)n);
		}
		if (rc)
			return rc;
		at += n;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

void know_add_inside(struct know_build *b, const struct know_content *c, uint64_t at, uint64_t len, const struct know_region *r)
{
	uint64_t end;

	if (__builtin_add_overflow(at, len, &end))
		return;
	for (size_t i = piece_at(c, at); i < c->pieces && c->piece[i].at < end && !know_stopped(b); i++) {
		const struct know_piece *k = &c->piece[i];
		uint64_t from = MAX(at, k->at), to = MIN(end, k->at + k->len);
		struct know_region part = *r;
		part.off = k->off + (from - k->at);
		part.len = to - from;
		if (part.home != KNOW_NOWHERE)
			part.home += from - at;
		know_add(b, c->volume, KNOW_LAYER_INSIDE, &part);
	}
}

/* --- files by name --- */

static size_t hash(unsigned volume, uint32_t parent, const void *name, size_t len)
{
	uint64_t h = ((uint64_t)volume << 32 | parent) * 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)name)[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static bool list_names(struct know_build *b)
{
	const struct know_map *m = b->map;

	for (b->by_names = 64; b->by_names < m->files * 2;)
		b->by_names *= 2;
	if (!(b->by_name = malloc(b->by_names * sizeof *b->by_name))) {
		b->no_memory = true;
		return false;
	}
	memset(b->by_name, 0xff, b->by_names * sizeof *b->by_name);
	for (uint32_t i = 0; i < m->files; i++) {
		const struct know_file *f = &m->file[i];
		if (!f->name || f->flags & KNOW_DELETED)
			continue;
		size_t at = hash(f->volume, f->parent, m->names + f->name, strlen(m->names + f->name));
		while (b->by_name[at &= b->by_names - 1] != KNOW_NO_FILE)
			at++;
		b->by_name[at] = i;
	}
	return true;
}

uint32_t know_find_file(struct know_build *b, unsigned volume, uint32_t parent, const void *name, size_t len)
{
	const struct know_map *m = b->map;

	if (know_stopped(b) || (!b->by_name && !list_names(b)))
		return KNOW_NO_FILE;
	for (size_t at = hash(volume, parent, name, len);; at++) {
		uint32_t i = b->by_name[at &= b->by_names - 1];
		const struct know_file *f = i < m->files ? &m->file[i] : NULL;
		if (!f)
			return KNOW_NO_FILE;
		const char *its = m->names + f->name;
		if (f->volume == volume && f->parent == parent && strlen(its) == len && memcmp(its, name, len) == 0)
			return i;
	}
}
