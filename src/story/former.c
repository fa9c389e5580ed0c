/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/former.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

/* A number for a file: one of its own, as good as surely, as long as it keeps its inode, its name and its directory. */
static uint64_t number_of(const struct know_map *m, uint32_t file)
{
	const struct know_file *f = &m->file[file], *dir = f->parent < m->files ? &m->file[f->parent] : NULL;
	const uint64_t what[] = { f->volume < m->volumes ? m->volume[f->volume].off : 0, f->inode, dir ? dir->inode : 0, f->type };
	char path[1024];
	const char *name = f->inode ? f->name ? m->names + f->name : "" : know_path(m, file, path, sizeof path);
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		hash = (hash ^ what[i]) * 0x100000001b3u;
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
	return hash >> 1;
}

/* Which files a map has, looked up by their numbers. */
struct there {
	const struct know_map *m;
	uint64_t *number;      /* n, sorted; NULL until it is asked for, and when there is no memory */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static bool is_there(struct there *t, uint64_t number)
{
	if (!t->number && (t->number = malloc((t->m->files + 1) * sizeof *t->number))) {
		for (uint32_t i = 0; i < t->m->files; i++)
			if (!(t->m->file[i].flags & KNOW_DELETED))
				t->number[t->n++] = number_of(t->m, i);
		qsort(t->number, t->n, sizeof *t->number, compare);
	}
	return t->number && bsearch(&number, t->number, t->n, sizeof number, compare);
}

static bool add(struct former *f, const struct former_piece *p)
{
	struct former_piece *last = f->n ? &f->at[f->n - 1] : NULL;
	if (last && last->file == p->file && last->cut == p->cut && last->off + last->len == p->off) {
		last->len += p->len;
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
	f->at[f->n++] = *p;
	return true;
}

static bool is_free(const struct know_region *r)
{
	return r->kind == KNOW_FREE || r->kind == KNOW_UNKNOWN || r->kind == KNOW_GAP;
}

void former_step(struct former *f, const struct know_map *from, const struct know_map *to, const struct spans *written,
		 const struct spans *emptied)
{
	struct former next = { .more = f->more };
	struct there there = { .m = to };
	uint64_t number = 0;
	uint32_t last = KNOW_NO_FILE;
	bool cut = false;
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
			else if (file) {
				number = a->file == last ? number : number_of(from, a->file);
				cut = a->file == last ? cut : is_there(&there, number);
				last = a->file;
				next.more |= !add(&next, &(struct former_piece){ at, end - at, number, cut });
			} else if (was && is_free(a))
				next.more |= !add(&next, &(struct former_piece){ at, end - at, was->file, was->cut });
		}
		at = MAX(at, end);
		i += a->off + a->len <= at;
		k += b->off + b->len <= at;
	}
	free(there.number);
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
