/* SPDX-License-Identifier: BSD-2-Clause */
/* blktrace's binary records, for blkparse, btt and fio: a request is queued when it begins, and complete when it is answered.
 *
 * The connection stands where the process does.  A zeroing is a write: the format knows none.  Marks become messages. */
#include <inttypes.h>
#include <string.h>
#include "formats/blktrace.h"
#include "formats/formats.h"

enum { DEVICE = 8 << 20, TEXT_MAX = 512 };

struct blktrace {
	uint32_t sequence;
	bool begun;
};

static bool put(struct fmt_out *out, struct blktrace_record *t, const void *pdu, size_t n)
{
	struct blktrace *b = out->own;
	t->magic = BLKTRACE_MAGIC | BLKTRACE_VERSION;
	t->sequence = ++b->sequence;
	t->device = DEVICE;
	t->pdu_len = (uint16_t)n;
	return fmt_put(out, t, sizeof *t) && fmt_put(out, pdu, n);
}

static bool begin(struct fmt_out *out, struct err *e)
{
	(void)out;
	(void)e;
	return true;
}

/* The wall clock, which is known when the first event is. */
static bool put_start(struct fmt_out *out)
{
	struct blktrace *b = out->own;
	struct blktrace_record t = { .action = BLKTRACE_TIMESTAMP | BLKTRACE_NOTIFY };
	uint32_t wall[2] = { (uint32_t)(out->in->wall / NS_PER_S), (uint32_t)(out->in->wall % NS_PER_S) };
	b->begun = true;
	return put(out, &t, wall, sizeof wall);
}

static bool event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	const struct blktrace *b = out->own;
	const struct rec_event *r = o ? &o->event : &ev->rec;
	static const uint32_t kinds[REC_OPS] = { [REC_READ] = BLKTRACE_READ, [REC_WRITE] = BLKTRACE_WRITE,
		[REC_TRIM] = BLKTRACE_DISCARD | BLKTRACE_WRITE,
						 [REC_ZERO] = BLKTRACE_WRITE, [REC_FLUSH] = BLKTRACE_FLUSH };
	(void)e;

	if (!ev)
		return true;
	if (!b->begun && !put_start(out))
		return false;
	struct blktrace_record t = { .time = ev->rec.time, .pid = (uint32_t)r->conn };
	if (r->type == REC_MARK) {
		t.action = BLKTRACE_MESSAGE | BLKTRACE_NOTIFY;
		return put(out, &t, r->text, MIN(r->text_len, (uint32_t)TEXT_MAX));
	}
	if (r->type != REC_BEGIN && r->type != REC_CARRY)
		return true;
	if (!kinds[r->op] || r->len > UINT32_MAX) {
		out->other += !o;
		return true;
	}
	t.action = kinds[r->op] | (r->flags & REC_FUA ? BLKTRACE_FUA : 0) | (o ? BLKTRACE_COMPLETE | BLKTRACE_C
		: BLKTRACE_QUEUE | BLKTRACE_Q);
	t.sector = r->off / BLKTRACE_SECTOR;
	t.bytes = (uint32_t)r->len;
	t.error = o ? (uint16_t)-(int)ev->rec.err : 0;
	out->zeroes += !o && r->op == REC_ZERO;
	return put(out, &t, NULL, 0);
}

static bool end(struct fmt_out *out, struct err *e)
{
	const struct blktrace *b = out->own;
	(void)e;
	return b->begun || put_start(out);
}

const struct fmt_writer fmt_out_blktrace = {
	.name = "blktrace",
	.help = "blktrace, binary, for blkparse -i and btt",
	.size = sizeof(struct blktrace),
	.begin = begin,
	.event = event,
	.end = end,
};
