/* SPDX-License-Identifier: BSD-2-Clause */
/* fio's iolog, version 3: what was asked and when, in whole microseconds; no answers and no data.
 *
 * Facts: "Trace file format v3" in fio(1).  It has no FUA (a datasync behind the write comes closest, and would cover the writes before
 * as well: it is not made up), and no zeroing: one that may punch a hole becomes a trim, the others a write. */
#include <inttypes.h>
#include "formats/formats.h"

static bool begin(struct fmt_out *out, struct err *e)
{
	(void)e;
	return fmt_print(out, "fio version 3 iolog\n0 disk add\n0 disk open\n");
}

static bool event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	static const char *const actions[REC_OPS] = { [REC_READ] = "read", [REC_WRITE] = "write", [REC_TRIM] = "trim",
		[REC_ZERO] = "trim" };
	uint64_t *last = out->own;
	(void)e;
	(void)o;

	if (!ev || (ev->rec.type != REC_BEGIN && ev->rec.type != REC_CARRY)) {
		out->other += ev && ev->rec.type == REC_MARK;
		return true;
	}
	const struct rec_event *r = &ev->rec;
	uint64_t us = *last = MAX(*last, r->time / NS_PER_US); /* fio wants them in order */
	if (r->op == REC_FLUSH)
		return fmt_print(out, "%" PRIu64 " disk sync 0 0\n", us);
	if (!actions[r->op] || !r->len) {
		out->other++;
		return true;
	}
	out->fua += (r->flags & REC_FUA) != 0;
	out->zeroes += r->op == REC_ZERO;
	return fmt_print(out, "%" PRIu64 " disk %s %" PRIu64 " %" PRIu64 "\n", us,
			 r->op == REC_ZERO && r->flags & REC_NO_HOLE ? "write" : actions[r->op], r->off, r->len);
}

static bool end(struct fmt_out *out, struct err *e)
{
	(void)e;
	return fmt_print(out, "%" PRIu64 " disk close\n", *(uint64_t *)out->own);
}

const struct fmt_writer fmt_out_iolog = {
	.name = "iolog",
	.help = "fio's iolog, version 3, which fio plays",
	.size = sizeof(uint64_t),
	.begin = begin,
	.event = event,
	.end = end,
};
