/* SPDX-License-Identifier: BSD-2-Clause */
/* The text logs of nbdkit's filter log, of either age. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "formats/formats.h"
#include "trace/event.h"
#include "trace/read_log.h"

enum { ROOM = 1 << 20 };
_Static_assert((int)ROOM > 2 * LOG_LINE_MAX, "what is left of a line fits");

/* "2026-11-22 10:58:51.123456 " */
static bool is(const uint8_t *p, size_t n)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd.dddddd ";
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (i >= n || (form[i] == 'd' ? !isdigit(p[i]) : p[i] != (uint8_t)form[i]))
			return false;
	return true;
}

struct reading {
	struct fmt_in *in;
	struct log_reader log;
	uint64_t conns, base;   /* a server that starts anew counts its connections anew: all so far, those of servers before */
	bool begun;
};

static void show(struct reading *r, const struct event *ev, struct fmt_event *out)
{
	static const uint8_t types[] = { [EV_BEGIN] = REC_BEGIN, [EV_END] = REC_END, [EV_CONNECT] = REC_CONNECT,
		[EV_DISCONNECT] = REC_DISCONNECT, [EV_LOST] = REC_LOSS, [EV_START] = 0, [EV_MARK] = 0, [EV_NOTE] = 0 };

	if (!r->begun) {
		r->begun = r->in->times = true;
		r->in->wall = ev->time;
	}
	if (ev->kind == EV_START)
		r->base = r->conns;
	*out = (struct fmt_event){ .rec = { .time = ev->time - MIN(r->in->wall, ev->time), .conn = ev->conn + r->base, .id = ev->id,
		.off = ev->off,
		.len = ev->len, .err = (uint32_t)ev->err, .type = types[ev->kind], .op = ev->op, .flags = ev->flags } };
	r->conns = MAX(r->conns, out->rec.conn);
	if (ev->kind == EV_BEGIN && (ev->off > INT64_MAX || ev->len > INT64_MAX - ev->off))
		out->rec.type = 0;
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	struct reading r = { .in = in };
	char *room = malloc(ROOM);
	uint64_t at = 0, first = UINT64_MAX;
	size_t have = 0;
	bool more = true;
	int error = 0;

	if (!room)
		return err_set(e, "out of memory");
	while (more && at < in->source.size && !error) {
		size_t n = (size_t)MIN(in->source.size - at, (uint64_t)(ROOM - have));
		if ((error = in->source.read(in->source.owner, room + have, n, at)))
			break;
		const char *p = room, *line = p, *end = room + have + n;
		uint64_t place = at - have, bad = r.log.bad + r.log.overlong;
		struct event ev;
		while (more && log_next(&r.log, &p, end, &ev)) {
			struct fmt_event out;
			show(&r, &ev, &out);
			more = !out.rec.type || see(arg, &out);
			if (first == UINT64_MAX && r.log.bad + r.log.overlong > bad)
				first = place + (uint64_t)(line - room);
			line = p;
		}
		if (first == UINT64_MAX && r.log.bad + r.log.overlong > bad)
			first = place + (uint64_t)(line - room);
		at += n;
		have = (size_t)(end - p);
		memmove(room, p, have);
	}
	free(room);
	if (error)
		fmt_note(in, "at byte %" PRIu64 ": %s: the rest is left out", at, strerror(error));
	if (r.log.bad || r.log.overlong)
		fmt_note(in, "of %" PRIu64 " lines, %" PRIu64 " not understood and %" PRIu64 " too long, "
			 "the first behind byte %" PRIu64, r.log.lines, r.log.bad, r.log.overlong, first);
	if (more && !error && (have || r.log.in_overlong))
		fmt_note(in, "the last line, at byte %" PRIu64 ", has no end: left out", at - have);
	return 0;
}

const struct fmt_reader fmt_in_log = {
	.name = "log",
	.help = "logs of nbdkit's filter log, of 2018 and of now",
	.is = is,
	.walk = walk,
};
