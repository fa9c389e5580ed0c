/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/former.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

static bool add(struct former *f, uint64_t off, uint64_t len, uint64_t file)
{
	struct former_piece *last = f->n ? &f->at[f->n - 1] : NULL;
	if (last && last->file == file && last->off + last->len == off) {
		last->len += len;
		return true;
	}
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct former_piece *at = room <= FORMER_MAX ? reallocarray(f->at, room, sizeof *at) : NULL;
		if (!at)
			return false;
		f->at = at;
		f->room = room;
	}
	f->at[f->n++] = (struct former_piece){ off, len, file };
	return true;
}

static bool is_free(const struct know_region *r)
{
	return r->kind == KNOW_FREE || r->kind == KNOW_UNKNOWN || r->kind == KNOW_GAP;
}

void former_step(struct former *f, const struct know_map *from, const struct know_map *to, const struct spans *written,
		 const struct spans *emptied)
{
	struct former next = { .moment = f->moment + 1, .more = f->more };
	size_t i = 0, k = 0, old = 0;

	/* through both maps and the old list at once; each step passes the end of at least one of them */
	for (uint64_t at = 0; to && from && i < from->regions && k < to->regions;) {
		const struct know_region *a = &from->region[i], *b = &to->region[k];
		uint64_t end = MIN(a->off + a->len, b->off + b->len);
		while (old < f->n && f->at[old].off + f->at[old].len <= at)
			old++;
		const struct former_piece *was = old < f->n && f->at[old].off <= at ? &f->at[old] : NULL;
		if (was)
			end = MIN(end, was->off + was->len);
		else if (old < f->n)
			end = MIN(end, f->at[old].off);
		if (is_free(b)) {
			bool file = (a->kind == KNOW_FILE_DATA || know_kinds[a->kind].class == KC_DATABASE) && a->file < from->files;
			if (end <= at || spans_covers(written, at, end) || spans_covers(emptied, at, end))
				;
			else if (file)
				next.more |= !add(&next, at, end - at, f->moment << 32 | a->file);
			else if (was && is_free(a))
				next.more |= !add(&next, at, end - at, was->file);
		}
		at = MAX(at, end);
		i += a->off + a->len <= at;
		k += b->off + b->len <= at;
	}
	free(f->at);
	*f = next;
}

const struct former_piece *former_find(const struct former *f, uint64_t off)
{
	size_t low = 0, high = f->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (f->at[mid].off + f->at[mid].len <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low < f->n ? &f->at[low] : NULL;
}

void former_free(struct former *f)
{
	free(f->at);
	*f = (struct former){ 0 };
}

/* What makes a file another one: the volume's place, its inode, what it is and its name, as inodes are used again. */
struct mine {
	uint64_t where, inode, name;
	uint32_t type;
};

static bool wanted(const struct know_file *f)
{
	return (f->type == KNOW_REGULAR || f->type == KNOW_DIR) && f->inode && !(f->flags & KNOW_DELETED);
}

static struct mine mine(const struct know_map *m, const struct know_file *f)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (const char *p = f->name ? m->names + f->name : ""; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
	return (struct mine){ f->volume < m->volumes ? m->volume[f->volume].off : 0, f->inode, hash, f->type };
}

static int compare(const void *a, const void *b)
{
	const struct mine *x = a, *y = b;
	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

void changes_find(struct changes *c, const struct know_map *m, const struct know_map *other)
{
	size_t n = 0, all = other ? other->files : 0;
	struct mine *there = malloc((all + 1) * sizeof *there);

	*c = (struct changes){ .failed = !there };
	if (!there)
		return;
	for (size_t i = 0; i < all; i++)
		if (wanted(&other->file[i]))
			there[n++] = mine(other, &other->file[i]);
	qsort(there, n, sizeof *there, compare);
	for (size_t i = 0; i < m->files; i++) {
		const struct know_file *f = &m->file[i];
		struct mine key = mine(m, f);
		if (!wanted(f) || bsearch(&key, there, n, sizeof key, compare))
			continue;
		/* names of files are worth more than those of directories */
		bool first = f->type == KNOW_REGULAR && !c->files;
		c->files += f->type == KNOW_REGULAR;
		c->dirs += f->type == KNOW_DIR;
		c->names = first ? 0 : c->names;
		if (c->names < CHANGES_NAMED && (f->type == KNOW_REGULAR || !c->files))
			c->named[c->names++] = (uint32_t)i;
	}
	free(there);
}
