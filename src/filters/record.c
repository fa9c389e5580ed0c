/* SPDX-License-Identifier: BSD-2-Clause */
/* record: keep everything: what was asked, by whom, when it began and ended, and the written bytes.
 * docs/recording-format.md specifies the file, recwriter.h says how it is written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "core/needs.h"
#include "filters/filters.h"
#include "filters/recmark.h"
#include "filters/recwriter.h"

struct record {
	char *file;
	enum rec_data data;
	bool data_given, drop;
	struct recwriter *writer; /* of any thread */
	struct recmark *marks;
};

/* The layer's. */
struct opened {
	uint64_t requests;
};

struct slot {
	uint64_t id;              /* 0: this request was dropped */
	struct layer *layer;
	struct req *req;
	struct lanewait wait;
};

static int op_of(enum op op)
{
	switch (op) {
	case OP_READ:
		return REC_READ;
	case OP_WRITE:
		return REC_WRITE;
	case OP_TRIM:
		return REC_TRIM;
	case OP_ZERO:
		return REC_ZERO;
	case OP_FLUSH:
		return REC_FLUSH;
	case OP_CACHE:
		return REC_CACHE;
	case OP_EXTENTS:
		return REC_EXTENTS;
	default:
		return -1;
	}
}

static uint8_t flags_of(const struct req *r)
{
	return (r->flags & REQ_FUA ? REC_FUA : 0) | (r->flags & REQ_NO_HOLE ? REC_NO_HOLE : 0) | (r->flags & REQ_FAST ? REC_FAST : 0)
	     | (r->flags & REQ_ONE ? REC_REQ_ONE : 0);
}

static void begin(struct record *g, struct layer *l, struct req *r)
{
	struct opened *o = l->data;
	struct slot *s = slot_of(l, r);
	struct rec_event e = { .type = REC_BEGIN, .conn = l->client->id, .op = (uint8_t)op_of(r->op), .flags = flags_of(r),
			       .off = r->off, .len = r->len };

	e.id = s->id = ++o->requests;
	recwriter_note(g->writer, &e, r->op == OP_WRITE ? r->data : NULL);
	req_down(l, r);
}

static void waited(struct task *t)
{
	struct slot *s = container_of(t, struct slot, wait.task);
	begin(s->layer->stage->block, s->layer, s->req);
}

static void submit(struct layer *l, struct req *r)
{
	struct record *g = l->stage->block;
	struct slot *s = slot_of(l, r);

	if (!g->writer || op_of(r->op) < 0) {
		struct rec_event e = { .type = REC_DISCONNECT, .conn = l->client->id };
		if (g->writer && r->op == OP_CLOSE)
			recwriter_note(g->writer, &e, NULL);
		req_down(l, r);
		return;
	}
	if (likely(!recwriter_full(g->writer))) {
		begin(g, l, r);
		return;
	}
	if (g->drop) {
		s->id = 0;
		recwriter_drop(g->writer, 2); /* its end, too: no recording has one without the other */
		req_down(l, r);
		return;
	}
	*s = (struct slot){ .layer = l, .req = r, .wait.loop = l->stack->loop };
	task_init(&s->wait.task, waited);
	if (!recwriter_wait(g->writer, &s->wait))
		begin(g, l, r);
}

/* Export, NUL, and who asked: an address, or the process at the other end of a Unix socket. */
static void note_connect(struct record *g, struct layer *l)
{
	const struct client *c = l->client;
	struct rec_event e = { .type = REC_CONNECT, .conn = c->id, .len = l->limits.size };
	struct buf b = { .limit = 2 * REC_TEXT_MAX + 1 };

	buf_printf(&b, "%.*s", REC_TEXT_MAX, c->export);
	buf_add(&b, "", 1);
	recmark_peer(&b, &c->peer);
	e.text = (const uint8_t *)b.p;
	e.text_len = (uint32_t)b.len;
	recwriter_note(g->writer, &e, NULL);
	buf_free(&b);
}

static void done(struct layer *l, struct req *r)
{
	struct record *g = l->stage->block;

	if (g->writer && r->op == OP_OPEN && !r->err) {
		((struct opened *)l->data)->requests = 0;
		note_connect(g, l);
	} else if (g->writer && op_of(r->op) >= 0) {
		struct slot *s = slot_of(l, r);
		struct rec_event e = { .type = REC_END, .conn = l->client->id, .id = s->id, .err = (uint32_t)r->err };
		if (s->id)
			recwriter_note(g->writer, &e, NULL);
	}
	req_up(l, r, r->err);
}

/* --- options, start and stop --- */

/* data=no|hash|yes and full=wait|drop are ours; any other data= or full= is for what lies below. */
static int config(struct stage *s, const char *key, const char *value, struct err *e)
{
	static const char *const names[] = { [REC_DATA_NO] = "no", [REC_DATA_HASH] = "hash", [REC_DATA_YES] = "yes" };
	struct record *g = s->block;
	for (unsigned i = 0; strcmp(key, "data") == 0 && i < ARRAY_LEN(names); i++)
		if (strcmp(value, names[i]) == 0) {
			g->data = i;
			g->data_given = true;
			return 0;
		}
	if (strcmp(key, "full") == 0 && (strcmp(value, "wait") == 0 || strcmp(value, "drop") == 0)) {
		g->drop = *value == 'd';
		return 0;
	}
	return stage_param(s + 1, key, value, e);
}

static int complete(struct stage *s, struct err *e)
{
	const struct record *g = s->block;
	if (!g->file)
		return err_set(e, "record: recordfile=FILE says where the recording goes");
	return stage_complete(s + 1, e);
}

static int start(struct stage *s, struct err *e)
{
	struct record *g = s->block;
	g->writer = recwriter_start(g->file, g->data_given ? g->data : REC_DATA_YES, g->drop, e);
	return g->writer ? 0 : -1;
}

static int forked(struct stage *s, bool daemon, struct err *e)
{
	struct record *g = s->block;
	(void)daemon;
	if (recwriter_forked(g->writer, e) < 0)
		return -1;
	g->marks = recmark_start(g->writer, g->file, e);
	return g->marks ? 0 : -1;
}

static void stop(struct stage *s)
{
	struct record *g = s->block;
	recmark_stop(g->marks);
	recwriter_stop(g->writer);
	g->marks = NULL;
	g->writer = NULL;
}

/* The file is open, and is written by pwrite(2); marks are answered. */
static void needs(const struct stage *s, struct needs *n)
{
	(void)s;
	n->what |= NEED_DATA | NEED_ANSWERS;
}

static const struct option options[] = {
	OPT_PATH("recordfile", struct record, file, "FILE", "where the recording goes (required)"),
	{ 0 }
};

const struct module mod_record = {
	.name = "record",
	.longname = "record every request, with what was written",
	.filter = true,
	.stage_size = sizeof(struct record),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.help = "data=yes|hash|no        keep the written bytes, a hash of each block, or neither (default: yes)\n"
		"full=wait|drop          when the file cannot keep up: requests wait, or are not recorded (default: wait)\n",
	.config = config,
	.complete = complete,
	.start = start,
	.forked = forked,
	.stop = stop,
	.needs = needs,
	.submit = submit,
	.done = done,
};
