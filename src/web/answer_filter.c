/* SPDX-License-Identifier: BSD-2-Clause */
/* What a page wants to see becomes filters; and the names of files, for those who want to see one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/util.h"
#include "web/answers.h"
#include "web/wish.h"

#define FILES_MAX 50u
#define LOOKED_AT (1u << 20) /* files, for names that are like a text */

/* Nobody has that number: nothing passes. */
static bool let_nothing_pass(struct filter *f)
{
	f->conns = 0;
	return filter_add_conn(f, UINT64_MAX);
}

/* ---- a file's place ---- */

static bool is_file(const struct know_map *m, uint32_t file, const char *path)
{
	char text[4200];
	const char *base = strrchr(path, '/');
	const struct know_file *f = &m->file[file];

	if (f->name && base && strcmp(m->names + f->name, base + 1) != 0 && !strchr(path, '\\'))
		return false;
	return strcmp(know_path(m, file, text, sizeof text), path) == 0;
}

/* Its metadata is seen, too: the block that its inode is in, which others share, and the directory that names it. */
static bool add_inode(struct filter *f, const struct know_map *m, const struct know_file *file)
{
	uint64_t block = MAX(m->volume[file->volume].block, 512u), off = m->volume[file->volume].off;

	return !file->inode_at || file->inode_at < off || filter_add_range(f, file->inode_at - (file->inode_at - off) % block, block);
}

static bool add_file(struct filter *f, const struct know_map *m, const char *path, size_t *found)
{
	uint8_t *is = calloc(1, m->files + 1);
	bool ok = is;

	for (size_t i = 0; ok && i < m->files; i++) {
		if (!is_file(m, (uint32_t)i, path))
			continue;
		is[i] = 1;
		++*found;
		if (m->file[i].parent < m->files)
			is[m->file[i].parent] = 1;
		ok = add_inode(f, m, &m->file[i]);
	}
	for (size_t i = 0; ok && *found && i < m->regions; i++)
		if (m->region[i].file != KNOW_NO_FILE && is[m->region[i].file])
			ok = filter_add_range(f, m->region[i].off, m->region[i].len);
	free(is);
	return ok;
}

/* On each disk that has it. */
static bool add_path(struct session *s, struct sieve *v, const char *path, struct answer *a)
{
	struct moment end = { MOMENT_LIVE, 0 };
	size_t found = 0;

	for (size_t i = 0; i < v->disks; i++) {
		struct err e = { 0 };
		size_t here = 0;
		bool ready;
		struct known *k = past_map(s->extra[i].past, &end, &ready, &e);
		bool ok = (!k || add_file(&v->filter[i], k->map, path, &here)) && (v->filter[i].ranges || let_nothing_pass(&v->filter[i]));
		past_give_back(s->extra[i].past, k);
		found += here;
		if (!ok) {
			answer_error(a, 503, "out of memory");
			return false;
		}
	}
	if (!found)
		answer_error(a, 404, "no file of that name is known");
	return found;
}

/* ---- regions and connections ---- */

struct adding {
	struct filter *filter;
	bool ok;
};

static void add_unit(void *arg, size_t i, uint64_t off, uint64_t len)
{
	struct adding *a = arg;
	a->ok = a->ok && filter_add_range(a->filter, off, len);
}

static bool add_area(struct session *s, const struct wish *w, struct filter *f)
{
	struct feed *d = s->disk[w->region_disk];
	struct adding add = { f, true };

	feed_lock(d);
	const struct play *p = &d->ahead;
	bool has = p->has_model;
	struct units u = has ? units_of(&p->model.map, (unsigned)w->cols, w->hilbert, (unsigned)w->zoom) : (struct units){ 0 };
	feed_unlock(d);
	if (has)
		units_walk(&u, w->area, add_unit, &add);
	return add.ok;
}

static bool add_region(struct session *s, const struct wish *w, struct sieve *v)
{
	bool ok = true;

	for (size_t i = 0; i < v->disks && ok; i++) {
		struct filter *f = &v->filter[i];
		if (i == w->region_disk)
			ok = w->to ? filter_add_range(f, w->from, w->to - w->from) : add_area(s, w, f);
		ok = ok && (f->ranges || let_nothing_pass(f));
	}
	return ok;
}

static bool add_conns(const struct wish *w, struct sieve *v)
{
	bool ok = true;

	for (size_t i = 0; i < w->conns && ok; i++)
		if (w->conn[i].disk < v->disks)
			ok = filter_add_conn(&v->filter[w->conn[i].disk], w->conn[i].id);
	for (size_t i = 0; i < v->disks && ok; i++)
		ok = v->filter[i].conns || let_nothing_pass(&v->filter[i]);
	return ok;
}

/* ---- in words ---- */

static void put_names(struct buf *b, const struct wish *w)
{
	const char *comma = "";

	for (unsigned i = 0; i < EV_OPS; i++)
		if (w->ops >> i & 1) {
			buf_printf(b, "%s%s", comma, op_names[i]);
			comma = ", ";
		}
	buf_printf(b, w->ops ? "" : "all");
	if (w->has_conns)
		buf_printf(b, " of %s", w->conns ? "" : "no connection");
	for (size_t i = 0; i < w->conns && i < 8; i++)
		buf_printf(b, "%s%" PRIu64, i ? ", " : w->conns > 1 ? "connections " : "connection ", w->conn[i].id);
	if (w->conns > 8)
		buf_printf(b, " ...");
}

static void put_words(struct sieve *v, const struct wish *w)
{
	struct buf b = { .limit = 8192 };

	put_names(&b, w);
	if (w->has_region && w->to)
		buf_printf(&b, " between byte %" PRIu64 " and %" PRIu64, w->from, w->to);
	else if (w->has_region)
		buf_printf(&b, " within %u by %u units", w->area.w, w->area.h);
	if (w->path[0])
		buf_printf(&b, " to %s", w->path);
	snprintf(v->words, sizeof v->words, "%s", buf_str(&b));
	buf_free(&b);
}

/* ---- the answers ---- */

static bool fill(struct session *s, const struct wish *w, struct sieve *v, struct answer *a)
{
	if (w->path[0] && !add_path(s, v, w->path, a))
		return false;
	bool ok = (!w->has_conns || add_conns(w, v)) && (!w->has_region || add_region(s, w, v));
	if (!ok)
		answer_error(a, 503, "that is too much for a filter");
	for (size_t i = 0; i < v->disks && ok; i++) {
		v->filter[i].ops = w->ops;
		filter_ready(&v->filter[i]);
	}
	put_words(v, w);
	return ok;
}

void answer_filter(struct session *s, const struct ask *q, struct answer *a)
{
	struct wish *w = malloc(sizeof *w);
	struct sieve *v = sieve_new(s->disks);
	struct err e = { 0 };

	if (!w || !v) {
		answer_error(a, 503, "out of memory");
	} else if (wish_read(w, q->body_len ? q->body : "", q->body_len, &e) < 0) {
		answer_error(a, 400, "%s", e.msg);
	} else if (w->has_region && w->region_disk >= s->disks) {
		answer_error(a, 404, "there is no such disk");
	} else if (fill(s, w, v, a)) {
		buf_printf(&a->body, ",\"words\":");
		json_string(&a->body, v->words);
		uint64_t id = sieves_add(&s->sieves, v);
		v = NULL;
		struct buf words = a->body;
		a->body = (struct buf){ .limit = ANSWER_MAX };
		buf_printf(&a->body, "{\"filter\":%" PRIu64, id);
		buf_add(&a->body, words.p, words.len);
		buf_add(&a->body, "}\n", 2);
		buf_free(&words);
	}
	sieves_give_back(&s->sieves, v);
	free(w);
}

static void put_files(const struct know_map *m, const char *like, struct buf *b)
{
	char text[4200];
	unsigned n = 0;

	for (size_t i = 0; m && i < m->files && i < LOOKED_AT && n < FILES_MAX; i++) {
		if (m->file[i].type != KNOW_REGULAR || !m->file[i].name)
			continue;
		if (!strstr(know_path(m, (uint32_t)i, text, sizeof text), like))
			continue;
		buf_printf(b, n++ ? "," : "");
		json_string(b, text);
	}
}

void answer_files(struct session *s, const struct ask *q, struct answer *a)
{
	struct feed *d = answer_feed(s, q, a);
	struct moment m = answer_moment(s, q);
	struct err e = { 0 };
	bool ready;

	if (!d)
		return;
	struct past *past = s->extra[q->query->n[Q_DISK]].past;
	struct known *k = past_map(past, &m, &ready, &e);
	buf_printf(&a->body, "{\"files\":[");
	put_files(k ? k->map : NULL, q->query->like, &a->body);
	past_give_back(past, k);
	if (!buf_add(&a->body, "]}\n", 3))
		answer_error(a, 503, "out of memory");
}
