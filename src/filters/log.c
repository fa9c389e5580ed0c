/* SPDX-License-Identifier: BSD-2-Clause */
/* log: one line when a request begins and one when it ends, in the format of nbdkit-log-filter(1).
 * The stage holds a writer that all threads share, and counters; see logwriter.h for what is promised. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include "base/quote.h"
#include "core/needs.h"
#include "filters/filters.h"
#include "filters/lanethread.h"
#include "filters/logwriter.h"
#include "trace/logline.h"

enum {
	LIST_MAX = 16 << 20,                     /* bytes of a line that lists extents or exports */
	LINE_MAX_LEN = LOGLINE_MAX - LOGLINE_DIGITS, /* ... of one that lists nothing */
	PREFIX_MAX = 32,
};

struct log {
	char *file;
	const char *script;
	bool append;
	struct logwriter *writer;          /* NULL: neither file nor script, the filter does nothing */
	_Atomic uint64_t connections, preconnects, lists; /* counters; ids come from them */
};

struct opened {
	uint64_t connection;               /* counts OPENs, as nbdkit does: INFO and then GO make two */
	char prefix[PREFIX_MAX];           /* "connection=N ", how its lines begin */
	uint32_t prefix_len;               /* bytes */
	uint64_t transactions;
};

struct slot {
	uint64_t id;
	struct layer *layer;
	struct req *req;
	struct lanewait wait;
};

static const char *action(enum op op)
{
	static const char *const names[OP_COUNT] = {
		[OP_PRECONNECT] = "Preconnect", [OP_LIST] = "ListExports", [OP_READ] = "Read", [OP_WRITE] = "Write",
		[OP_FLUSH] = "Flush", [OP_TRIM] = "Trim", [OP_ZERO] = "Zero", [OP_CACHE] = "Cache", [OP_EXTENTS] = "Extents",
	};
	return names[op];
}

/* --- the text of a line: `name=value` words, for the file and for the script alike --- */

static char *put_number(char *p, const char *name, uint64_t n)
{
	return logline_dec(logline_text(p, name), n);
}

static char *put_flag(char *p, const char *name, bool set)
{
	p = logline_text(p, name);
	*p++ = set ? '1' : '0';
	return p;
}

/* What a request asks for. */
static char *put_request(char *p, const struct layer *l, const struct req *r)
{
	const struct client *c = l->client;

	if (r->op == OP_PRECONNECT || r->op == OP_LIST) {
		p = put_flag(p, " readonly=", c->readonly);
		return r->op == OP_LIST ? put_flag(p, " tls=", c->tls) : p;
	}
	if (r->op != OP_FLUSH) {
		p = logline_hex(logline_text(p, " offset="), r->off);
		p = logline_hex(logline_text(p, " count="), r->len);
	}
	if (r->op == OP_ZERO)
		p = put_flag(p, " trim=", !(r->flags & REQ_NO_HOLE));
	if (r->op == OP_WRITE || r->op == OP_TRIM || r->op == OP_ZERO)
		p = put_flag(p, " fua=", r->flags & REQ_FUA);
	if (r->op == OP_ZERO)
		p = put_flag(p, " fast=", r->flags & REQ_FAST);
	if (r->op == OP_EXTENTS)
		p = put_flag(p, " req_one=", r->flags & REQ_ONE);
	return p;
}

/* The lists are as long as they are: in a buffer. */
static void add_result(struct buf *b, const struct req *r)
{
	if (r->op == OP_EXTENTS) {
		static const char *const flags[] = { "", "hole", "zero", "hole,zero" };
		const struct extents *x = r->data;
		uint64_t off = x->start;
		buf_add(b, " extents=(", 10);
		for (size_t i = 0; i < x->count; off += x->list[i++].len)
			buf_printf(b, "%s0x%" PRIx64 " 0x%" PRIx64 " \"%s\"", i ? " " : "", off, x->list[i].len,
				   flags[x->list[i].flags & 3]);
		buf_add(b, ")", 1);
	} else if (r->op == OP_LIST) {
		const struct exports *x = r->data;
		buf_add(b, " exports=(", 10);
		for (size_t i = 0; i < x->count; i++) {
			buf_add(b, " ", i ? 1 : 0);
			quote_shell(b, x->list[i].name);
		}
		buf_add(b, ")", 1);
	}
}

static bool has_connection(enum op op)
{
	return op != OP_PRECONNECT && op != OP_LIST;
}

static char *put_prefix(char *p, const struct opened *o, enum op op)
{
	if (!has_connection(op))
		return p;
	memcpy(p, o->prefix, PREFIX_MAX);
	return p + o->prefix_len;
}

/* The script gets the same words as assignments: `connection=1 act=Read type=ENTER id=1 offset=0x0 ...`. */
static void tell_script(struct log *g, uint64_t connection, const char *act, const char *type, const char *words, size_t len)
{
	struct buf b;
	buf_init(&b, LIST_MAX + LOGLINE_MAX);
	if (connection)
		buf_printf(&b, "connection=%" PRIu64 "\n", connection);
	buf_printf(&b, "act=%s\ntype=%s\n", act, type);
	buf_add(&b, words, len);
	buf_add(&b, "\n", 1);
	logwriter_script(g->writer, buf_str(&b), b.len);
	buf_free(&b);
}

static void enter(struct log *g, struct layer *l, struct req *r)
{
	const struct opened *o = l->data;
	const struct slot *s = slot_of(l, r);
	struct loglane *lane;
	char *p = logwriter_open(g->writer, LINE_MAX_LEN, &lane);

	p = logline_text(put_prefix(p, o, r->op), action(r->op));
	char *words = p;
	p = put_number(p, " id=", s->id);
	p = put_request(p, l, r);
	if (unlikely(g->script))
		tell_script(g, has_connection(r->op) ? o->connection : 0, action(r->op), "ENTER", words, (size_t)(p - words));
	p = logline_text(p, " ...");
	logwriter_close(g->writer, lane, p);
}

static void leave_list(struct log *g, uint64_t connection, const struct slot *s, struct req *r)
{
	struct buf b;
	buf_init(&b, LIST_MAX + LOGLINE_MAX);
	if (connection)
		buf_printf(&b, "connection=%" PRIu64 " ", connection);
	buf_printf(&b, "...%s", action(r->op));
	size_t words = b.len;
	buf_printf(&b, " id=%" PRIu64, s->id);
	add_result(&b, r);
	buf_printf(&b, " return=0");
	if (unlikely(g->script))
		tell_script(g, connection, action(r->op), "LEAVE", b.p + words, b.len - words);
	logwriter_line(g->writer, b.p, b.len);
	buf_free(&b);
}

static void leave(struct log *g, struct layer *l, struct req *r)
{
	const struct opened *o = l->data;
	const struct slot *s = slot_of(l, r);
	uint64_t connection = has_connection(r->op) ? o->connection : 0;
	struct loglane *lane;

	if (!r->err && (r->op == OP_EXTENTS || r->op == OP_LIST)) {
		leave_list(g, connection, s, r);
		return;
	}
	char *p = put_prefix(logwriter_open(g->writer, LINE_MAX_LEN, &lane), o, r->op);
	p = logline_text(logline_text(p, "..."), action(r->op));
	char *words = p;
	p = put_number(p, " id=", s->id);
	p = logline_text(p, r->err ? " return=-1 error=" : " return=0");
	if (r->err)
		p = logline_text(p, logline_error(r->err));
	if (unlikely(g->script))
		tell_script(g, connection, action(r->op), "LEAVE", words, (size_t)(p - words));
	logwriter_close(g->writer, lane, p);
}

/* A line of its own: Ready, Fork, Connect, Disconnect. */
static void print(struct log *g, uint64_t connection, const char *act, const struct buf *words)
{
	struct buf b;
	buf_init(&b, LIST_MAX);
	if (connection)
		buf_printf(&b, "connection=%" PRIu64 " ", connection);
	buf_printf(&b, "%s", act);
	buf_add(&b, words->p, words->len);
	if (unlikely(g->script))
		tell_script(g, connection, act, "PRINT", words->p, words->len);
	logwriter_line(g->writer, b.p, b.len);
	buf_free(&b);
}

static void print_connect(struct log *g, struct layer *l)
{
	const struct client *c = l->client;
	const struct limits *m = &l->limits;
	struct opened *o = l->data;
	struct buf b;

	buf_init(&b, LIST_MAX);
	buf_printf(&b, " export=");
	quote_shell(&b, c->export);
	buf_printf(&b, " tls=%d size=0x%" PRIx64 " minsize=0x%x prefsize=0x%x maxsize=0x%x", c->tls, m->size, m->min_block,
		   m->pref_block, m->max_block);
	buf_printf(&b, " write=%d flush=%d rotational=%d trim=%d zero=%d fua=%d extents=%d cache=%d fast_zero=%d",
		   m->can_write, m->can_flush, m->rotational, m->can_trim, m->zero, m->fua, m->can_extents, m->cache,
		   m->can_fast_zero);
	o->connection = ++g->connections;
	char *end = logline_text(put_number(o->prefix, "connection=", o->connection), " ");
	o->prefix_len = (uint32_t)(end - o->prefix);
	print(g, o->connection, "Connect", &b);
	buf_free(&b);
}

static void print_disconnect(struct log *g, struct layer *l)
{
	const struct opened *o = l->data;
	struct buf b;
	buf_init(&b, LOGLINE_MAX);
	buf_printf(&b, " transactions=%" PRIu64, o->transactions);
	print(g, o->connection, "Disconnect", &b);
	buf_free(&b);
}

/* --- requests --- */

/* A line when it begins and one when it ends; what else there is has one of its own kind, or none. */
static bool has_lines(enum op op)
{
	return op != OP_DEFAULT && op != OP_OPEN && op != OP_CLOSE;
}

static void begin(struct log *g, struct layer *l, struct req *r)
{
	struct opened *o = l->data;
	struct slot *s = slot_of(l, r);

	s->id = r->op == OP_PRECONNECT ? ++g->preconnects : r->op == OP_LIST ? ++g->lists : ++o->transactions;
	enter(g, l, r);
	req_down(l, r);
}

static void waited(struct task *t)
{
	struct slot *s = container_of(t, struct slot, wait.task);
	begin(s->layer->stage->block, s->layer, s->req);
}

static void submit(struct layer *l, struct req *r)
{
	struct log *g = l->stage->block;
	struct slot *s = slot_of(l, r);

	if (!g->writer || !has_lines(r->op)) {
		if (g->writer && r->op == OP_CLOSE)
			print_disconnect(g, l);
		req_down(l, r);
		return;
	}
	if (likely(!logwriter_full(g->writer))) {
		begin(g, l, r);
		return;
	}
	*s = (struct slot){ .layer = l, .req = r, .wait.loop = l->stack->loop };
	task_init(&s->wait.task, waited);
	if (!logwriter_wait(g->writer, &s->wait))
		begin(g, l, r);
}

static void done(struct layer *l, struct req *r)
{
	struct log *g = l->stage->block;

	if (g->writer && r->op == OP_OPEN && !r->err)
		print_connect(g, l);
	else if (g->writer && has_lines(r->op))
		leave(g, l, r);
	req_up(l, r, r->err);
}

/* --- start and stop --- */

static int start(struct stage *s, struct err *e)
{
	struct log *g = s->block;
	struct buf b;

	if (!g->file && !g->script)
		return 0;
	g->writer = logwriter_start(g->file, g->append, g->script, e);
	if (!g->writer)
		return -1;
	buf_init(&b, LOGLINE_MAX);
	buf_printf(&b, " thread_model=%d", (int)s->all->thread_model);
	print(g, 0, "Ready", &b);
	buf_free(&b);
	logwriter_flush(g->writer); /* before a fork could write it twice */
	return 0;
}

static int forked(struct stage *s, bool daemon, struct err *e)
{
	struct log *g = s->block;
	struct buf none = { 0 };

	if (!g->writer)
		return 0;
	if (logwriter_forked(g->writer, e) < 0)
		return -1;
	if (daemon)
		print(g, 0, "Fork", &none);
	return 0;
}

static void stop(struct stage *s)
{
	struct log *g = s->block;
	logwriter_stop(g->writer);
	g->writer = NULL;
}

/* The file is open, and has a thread that writes.  A script is what its author likes. */
static void needs(const struct stage *s, struct needs *n)
{
	const struct log *g = s->block;
	if (g->script)
		n->what |= NEED_ANYTHING;
}

static const struct option options[] = {
	OPT_PATH("logfile", struct log, file, "FILE", "where the lines are written"),
	OPT_BOOL("logappend", struct log, append, "keep what the file holds already (default: false)"),
	OPT_STRING("logscript", struct log, script, "SCRIPT", "shell text run for every line, with its words as variables"),
	{ 0 }
};

const struct module mod_log = {
	.name = "log",
	.longname = "log every request to a file or script",
	.filter = true,
	.watches = true,
	.stage_size = sizeof(struct log),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.forked = forked,
	.stop = stop,
	.needs = needs,
	.submit = submit,
	.done = done,
};
