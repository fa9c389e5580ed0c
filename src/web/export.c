/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/export.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "web/answers.h"
#include "web/pack.h"
#include "web/page.h"

#define SLICE 20000u /* events, between two looks whether the server ends */

int export_player(struct play *p, struct feed *d, struct err *e)
{
	if (play_open(p, d->path, d->sized ? &d->size : NULL, true, e) < 0)
		return -1;
	feed_lock(d);
	p->restarts = d->ahead.restarts - 1; /* it takes over our file, too */
	int rc = play_take_over(p, &d->ahead, e);
	feed_unlock(d);
	if (rc < 0)
		play_close(p);
	return rc;
}

int export_walk(const struct export_disk *x, struct play *p, const struct moment *m, struct err *e)
{
	int more = 1;

	while (more > 0 && !atomic_load(&x->session->ending))
		more = m->kind == MOMENT_TIME ? play_to(p, m->at, SLICE, e) : play_to_event(p, m->at, SLICE, e);
	return more > 0 ? err_set(e, "the server ends") : more;
}

/* ---- moments ---- */

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* Each mark, then flushes, then equal steps, as many as there is room for. */
static int find_moments(struct export_disk *x, struct err *e)
{
	size_t most = MIN((uint64_t)EXPORT_MOMENTS, EXPORT_PICTURES / (4ull * x->shape.cells + 1000)), n = 0, marks;
	struct mark *mark = answer_marks_of(x->session, x->feed, x->start, &marks);
	const struct heat *h = &x->feed->ahead.heat;

	most = MAX(most, (size_t)2);
	if (!(x->moment = calloc(most + 2, sizeof *x->moment))) {
		marks_give_back(mark, marks);
		return err_set(e, "out of memory");
	}
	feed_lock(x->feed);
	uint64_t from = x->feed->ahead.start, to = x->feed->ahead.end;
	for (size_t i = 0; i < marks && n < most / 2; i++)
		x->moment[n++] = mark[i].at;
	for (uint32_t i = 0; i < h->bins && n < most * 3 / 4; i++)
		if (h->at[i].ops[HEAT_FLUSH])
			x->moment[n++] = h->start + i * h->bin + h->bin / 2;
	feed_unlock(x->feed);
	for (size_t i = 0, steps = most - n; i < steps; i++)
		x->moment[n++] = from + (uint64_t)((double)(to - from) * (double)i / (double)steps);
	x->moment[n++] = to;
	qsort(x->moment, n, sizeof *x->moment, by_number);
	for (size_t i = 0; i < n; i++)
		if (!x->moments || x->moment[i] != x->moment[x->moments - 1])
			x->moment[x->moments++] = x->moment[i];
	marks_give_back(mark, marks);
	return 0;
}

/* ---- answers ---- */

struct wanted {
	const char *name, *address;
	enum query_word word;
	uint64_t value;
};

/* A binary answer.  One that cannot be had is not: null. */
static void put_packed(struct buf *b, const struct buf *answer)
{
	struct pack *pack = pack_new(EXPORT_MAX);
	struct buf text = { .limit = EXPORT_MAX };

	if (pack)
		pack_add(pack, answer->p, answer->len);
	if (pack && pack_end(pack, &text))
		buf_printf(b, "{\"z\":\"%s\"}", buf_str(&text));
	else
		buf_printf(b, "null");
	buf_free(&text);
}

static void put_answer(struct session *s, size_t disk, const struct wanted *w, struct buf *b, const char **comma)
{
	struct query q = { .given = 1u << Q_DISK | 1u << w->word };
	struct answer a;

	q.n[w->word] = w->value;
	q.n[Q_DISK] = disk;
	struct ask ask = { .name = w->name, .query = &q, .exporting = true };
	session_answer(s, &ask, &a);
	if (a.status == 200) {
		buf_printf(b, "%s\n\"%s?disk=%zu%s\":", *comma, w->name, disk, w->address);
		if (a.body.len && *a.body.p != 'B')
			buf_add(b, a.body.p, a.body.len);
		else
			put_packed(b, &a.body);
		*comma = ",";
	}
	buf_free(&a.body);
}

static void put_answers(struct session *s, struct buf *b)
{
	static const struct wanted all[] = {
		{ "series", "", Q_DISK, 0 }, { "heat", "&what=offset", Q_WHAT, WHAT_OFFSET },
		{ "heat", "&what=latency", Q_WHAT, WHAT_LATENCY }, { "marks", "", Q_DISK, 0 }, { "story", "", Q_DISK, 0 },
	};
	const char *comma = "";

	buf_printf(b, ",\n\"get\":{");
	for (size_t i = 0; i < s->disks; i++)
		for (size_t j = 0; j < ARRAY_LEN(all); j++)
			put_answer(s, i, &all[j], b, &comma);
	buf_printf(b, "}");
}

static void put_session(struct session *s, struct buf *b)
{
	struct query q = { 0 };
	struct ask ask = { .name = "session", .query = &q, .exporting = true };
	struct answer a;

	session_answer(s, &ask, &a);
	buf_printf(b, "{\"session\":");
	buf_add(b, a.body.p, a.body.len);
	buf_free(&a.body);
}

/* ---- disks ---- */

/* False: nothing is known of it yet. */
static bool find_shape(struct export_disk *x)
{
	feed_lock(x->feed);
	const struct play *p = &x->feed->ahead;
	bool has = p->has_model && p->events;
	x->shape = has ? p->model.map : (struct map){ 0 };
	feed_unlock(x->feed);
	x->cols = x->session->cols ? map_set_cols(&x->shape, x->session->cols) : x->shape.cols;
	return has;
}

typedef int export_fn(const struct export_disk *x, struct buf *b, struct err *e);

static int put_member(struct export_disk *disk, size_t n, const char *name, export_fn *fn, struct buf *b, struct err *e)
{
	const char *comma = "";
	int rc = 0;

	buf_printf(b, ",\n\"%s\":[", name);
	for (size_t i = 0; i < n && !rc; i++) {
		if (fn == export_structure && !past_has(disk[i].past))
			continue;
		buf_printf(b, "%s", comma);
		rc = fn(&disk[i], b, e);
		comma = ",\n";
	}
	buf_printf(b, "]");
	return rc;
}

static int put_disks(struct session *s, bool contents, struct buf *b, struct err *e)
{
	struct export_disk *x = calloc(MAX(s->disks, (size_t)1), sizeof *x);
	size_t n = 0;
	int rc = x ? 0 : err_set(e, "out of memory");

	for (size_t i = 0; i < s->disks && !rc; i++) {
		x[n] = (struct export_disk){ .session = s, .feed = s->disk[i], .past = s->extra[i].past, .number = i,
					     .start = session_start(s), .contents = contents };
		if (find_shape(&x[n]))
			rc = find_moments(&x[n++], e);
	}
	if (!rc)
		rc = put_member(x, n, "frames", export_frames, b, e);
	if (!rc)
		rc = put_member(x, n, "curve", export_curve, b, e);
	if (!rc)
		rc = put_member(x, n, "structure", export_structure, b, e);
	if (!rc)
		rc = put_member(x, n, "blocks", export_blocks, b, e);
	for (size_t i = 0; i < n; i++)
		free(x[i].moment);
	free(x);
	return rc;
}

/* ---- the page ---- */

static const struct page_file *file_of(const char *name)
{
	for (size_t i = 0; i < page_count; i++)
		if (strcmp(page_files[i].name, name) == 0)
			return &page_files[i];
	return NULL;
}

/* All files of the script as one: what they take from each other is there already. */
static void put_script(const struct page_file *f, struct buf *b)
{
	for (const char *line = f->data, *end = f->data + f->len; line < end;) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		if (strncmp(line, "export ", 7) == 0)
			line += 7;
		if (strncmp(line, "import ", 7) != 0)
			buf_add(b, line, (size_t)(next - line));
		line = next;
	}
}

static void put_scripts(struct buf *b)
{
	buf_printf(b, "<script type=\"module\">\n");
	for (size_t i = 0; i < page_count; i++)
		if (strstr(page_files[i].name, ".js"))
			put_script(&page_files[i], b);
	buf_printf(b, "</script>");
}

static const char policy[] =
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
	"img-src data: blob:; base-uri 'none'; form-action 'none'\">\n";

int export_page(struct session *s, bool contents, struct buf *out, struct err *e)
{
	static const char style[] = "<link rel=\"stylesheet\" href=\"style.css\">";
	static const char script[] = "<script type=\"module\" src=\"page.js\"></script>";
	const struct page_file *html = file_of("index.html"), *css = file_of("style.css");
	const char *at = html ? strstr(html->data, style) : NULL, *then = at ? strstr(at, script) : NULL;

	if (!then || !css)
		return err_set(e, "the page has another form than expected");
	buf_add(out, html->data, (size_t)(at - html->data));
	buf_printf(out, "%s<style>\n", policy);
	buf_add(out, css->data, css->len);
	buf_printf(out, "</style>");
	at += strlen(style);
	buf_add(out, at, (size_t)(then - at));
	buf_printf(out, "<script type=\"application/json\" id=\"answers\">");
	put_session(s, out);
	put_answers(s, out);
	if (put_disks(s, contents, out, e) < 0)
		return -1;
	buf_printf(out, "}\n</script>\n");
	put_scripts(out);
	then += strlen(script);
	bool ok = buf_add(out, then, html->len - (size_t)(then - html->data));
	return ok ? 0 : err_set(e, "out of memory, or the page would be too large");
}

void answer_export(struct session *s, const struct ask *q, struct answer *a)
{
	struct err e = { 0 };

	a->body.limit = EXPORT_MAX;
	pthread_mutex_lock(&s->exporting); /* one at a time: it takes memory */
	if (export_page(s, q->query->n[Q_CONTENTS], &a->body, &e) < 0)
		answer_error(a, 503, "%s", e.msg);
	pthread_mutex_unlock(&s->exporting);
}
