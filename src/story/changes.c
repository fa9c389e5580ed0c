/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/changes.h"
#include <stdlib.h>
#include <string.h>
#include "base/util.h"

#define NO_PLACE UINT64_MAX

/* A file as it is compared. */
struct one {
	uint64_t where, id;    /* the volume's place; its inode, or what stands for it */
	uint64_t dir, name;    /* id of its directory; hash */
	uint64_t place, space; /* bytes of the disk: where its content begins; how much there is */
	const struct one *other; /* RENAMED: what it was */
	uint32_t index;
	uint8_t type, state;
	bool shares;           /* its content with others: not all of its space is told as its own */
};

enum state {
	ALONE,                 /* of before: gone; of after: new */
	SAME,
	RENAMED,               /* its other is in the other list */
	TAKEN,                 /* of before: gone, and another has its name */
};

struct list {
	const struct know_map *m;
	struct one *at;        /* n, ours */
	size_t n;
};

/* --- what there is --- */

static bool wanted(const struct know_file *f)
{
	return f->type != KNOW_SYSTEM && !(f->flags & KNOW_DELETED);
}

static uint64_t hash_of(const char *p)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
	return hash;
}

static bool is_content(const struct know_region *r)
{
	enum know_class class = know_kinds[r->kind].class;
	return !(r->flags & (KNOW_COPY | KNOW_DELETED)) && (class == KC_DATA || class == KC_DATABASE || class == KC_DIRECTORY);
}

/* Inodes are small numbers, places and hashes stand apart from them. */
static uint64_t id_of(const struct know_map *m, const struct one *all, uint32_t file)
{
	char path[1024];
	const struct know_file *f = &m->file[file];

	if (f->inode)
		return f->inode;
	if (all[file].place != NO_PLACE)
		return all[file].place | 1ull << 62;
	return hash_of(know_path(m, file, path, sizeof path)) | 1ull << 63;
}

static int compare(const void *a, const void *b)
{
	const struct one *x = a, *y = b;
	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return (x->dir > y->dir) - (x->dir < y->dir);
}

static int compare_names(const void *a, const void *b)
{
	const struct one *x = *(const struct one *const *)a, *y = *(const struct one *const *)b;
	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	return (x->name > y->name) - (x->name < y->name);
}

/* Files that count, sorted. */
static bool take(struct list *l, const struct know_map *m)
{
	*l = (struct list){ .m = m, .at = calloc(m->files + 1, sizeof *l->at) };
	if (!l->at)
		return false;
	for (size_t i = 0; i < m->files; i++)
		l->at[i].place = NO_PLACE;
	for (size_t i = 0; i < m->regions; i++) {
		const struct know_region *r = &m->region[i];
		if (r->file >= m->files || !is_content(r))
			continue;
		struct one *o = &l->at[r->file];
		if (o->place == NO_PLACE || r->home == 0)
			o->place = r->off;
		o->space += r->len;
	}
	for (size_t i = 0; i < m->shares; i++)
		if (m->share[i].file < m->files)
			l->at[m->share[i].file].shares = true;
	for (uint32_t i = 0; i < m->files; i++) {
		const struct know_file *f = &m->file[i];
		struct one *o = &l->at[i];
		o->where = f->volume < m->volumes ? m->volume[f->volume].off : 0;
		o->id = id_of(m, l->at, i);
		o->name = hash_of(f->name ? m->names + f->name : "");
		o->index = i;
		o->type = f->type;
	}
	for (uint32_t i = 0; i < m->files; i++)
		l->at[i].dir = m->file[i].parent < m->files ? l->at[m->file[i].parent].id : 0;
	for (size_t i = 0; i < m->files; i++)
		if (wanted(&m->file[i]))
			l->at[l->n++] = l->at[i];
	qsort(l->at, l->n, sizeof *l->at, compare);
	return true;
}

/* --- what became of it --- */

/* over: whose name it took. */
static void add(struct changes *c, enum change change, const struct one *was, const struct one *is, const struct one *over)
{
	struct change_list *l = &c->of[change];
	uint32_t type = is ? is->type : was->type;
	bool file = type == KNOW_REGULAR, first = file && !l->files;

	/* names of files are worth more than those of directories */
	l->files += file;
	l->dirs += type == KNOW_DIR;
	l->links += type == KNOW_LINK;
	l->names = first ? 0 : l->names;
	if (l->names == CHANGES_NAMED || (!file && l->files))
		return;
	l->was[l->names] = was ? was->index : KNOW_NO_FILE;
	l->is[l->names] = is ? is->index : KNOW_NO_FILE;
	l->over[l->names] = over;
	l->space_was[l->names] = was ? was->space : 0;
	l->space_is[l->names++] = is ? is->space : 0;
}

static bool same_name(const struct one *a, const struct one *b) { return a->name == b->name && a->dir == b->dir; }

/* The same file, before and after. */
static void compare_two(struct changes *c, const struct list *l, const struct list *k, const struct one *a, const struct one *b)
{
	const struct know_file *was = &l->m->file[a->index], *is = &k->m->file[b->index];

	if (was->links && is->links && was->links != is->links && a->type == KNOW_REGULAR)
		add(c, CH_LINKS, a, b, NULL);
	if (was->mode && is->mode && was->mode != is->mode)
		add(c, CH_MODE, a, b, NULL);
	if (a->type != KNOW_REGULAR)
		return;
	if (is->size != was->size)
		add(c, is->size > was->size ? CH_GREW : CH_SHRANK, a, b, NULL);
	else if (a->space != b->space && !a->shares && !b->shares)
		add(c, CH_SPACE, a, b, NULL);
}

/* Of two with one inode. */
static bool is_same(const struct list *l, const struct list *k, const struct one *a, const struct one *b, const struct spans *written)
{
	const struct know_file *was = &l->m->file[a->index], *is = &k->m->file[b->index];

	if (was->life && is->life)
		return was->life == is->life;
	return same_name(a, b) || (a->place != NO_PLACE && a->place == b->place && !spans_covers(written, a->place, a->place + 1));
}

static void meet(struct changes *c, const struct list *l, const struct list *k, struct one *a, struct one *b, const struct spans *written)
{
	const struct know_file *was = &l->m->file[a->index], *is = &k->m->file[b->index];

	if (!is_same(l, k, a, b, written))
		return;
	/* of several names the map has one, and not always the same */
	bool renamed = !same_name(a, b) && (a->type == KNOW_DIR || (was->links <= 1 && is->links <= 1));
	a->state = b->state = renamed ? RENAMED : SAME;
	a->other = b;
	b->other = a;
	compare_two(c, l, k, a, b);
}

static bool one_id(const struct one *a, const struct one *b)
{
	return a->where == b->where && a->id == b->id && a->type == b->type;
}

static bool single(const struct list *l, size_t i)
{
	return (!i || !one_id(&l->at[i - 1], &l->at[i])) && (i + 1 == l->n || !one_id(&l->at[i + 1], &l->at[i]));
}

/* Both lists in one order.  Several have one id where a volume has several trees (subvolumes): there names decide. */
static void meet_all(struct changes *c, struct list *l, struct list *k, const struct spans *written)
{
	for (size_t i = 0, j = 0; i < l->n && j < k->n;) {
		struct one *a = &l->at[i], *b = &k->at[j];
		bool same = one_id(a, b), alone = same && single(l, i) && single(k, j);
		if (alone || (same && same_name(a, b)))
			meet(c, l, k, a, b, written);
		int order = alone ? 0 : compare(a, b);
		i += order <= 0;
		j += order >= 0;
	}
}

/* What came and went, and whose name is another's now. */
static bool tell_names(struct changes *c, const struct list *l, const struct list *k)
{
	struct one **gone = calloc(l->n + 1, sizeof *gone), **found;
	size_t n = 0;

	if (!gone)
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].state == ALONE)
			gone[n++] = &l->at[i];
	qsort(gone, n, sizeof *gone, compare_names);
	for (size_t j = 0; j < k->n; j++) {
		const struct one *b = &k->at[j];
		if (b->state == SAME)
			continue;
		found = bsearch(&b, gone, n, sizeof *gone, compare_names);
		struct one *a = found && (*found)->state == ALONE ? *found : NULL;
		if (b->state == RENAMED)
			add(c, CH_RENAMED, b->other, b, a);
		else if (a && a->type == b->type && !l->m->file[a->index].inode && !k->m->file[b->index].inode)
			compare_two(c, l, k, a, b); /* its content lies elsewhere now */
		else
			add(c, a ? CH_REPLACED : CH_NEW, a, b, NULL);
		if (a)
			a->state = TAKEN;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->at[i].state == ALONE)
			add(c, CH_GONE, &l->at[i], NULL, NULL);
	free(gone);
	return true;
}

void changes_find(struct changes *c, const struct know_map *before, const struct know_map *after, const struct spans *written)
{
	struct list l = { 0 }, k = { 0 };

	*c = (struct changes){ .failed = true };
	if (take(&l, before) && take(&k, after)) {
		meet_all(c, &l, &k, written);
		c->failed = !tell_names(c, &l, &k);
	}
	free(l.at);
	free(k.at);
}
