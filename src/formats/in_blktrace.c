/* SPDX-License-Identifier: BSD-2-Clause */
/* blktrace's binary records, as blktrace or `blkparse -d' write them, in one file.
 *
 * A request begins when it is queued, and ends with the completion that covers it: the kernel may have merged it with others.  Of
 * several devices (a disk and its partition, a mapping) the first one counts. */
#include <inttypes.h>
#include <string.h>
#include "formats/blktrace.h"
#include "formats/formats.h"

enum { OPEN_MAX = 4096 }; /* requests under way; more: the oldest never end */

static bool is(const uint8_t *p, size_t n)
{
	uint32_t magic = 0;
	if (n >= sizeof magic)
		memcpy(&magic, p, sizeof magic);
	return (magic & ~0xffu) == BLKTRACE_MAGIC || (__builtin_bswap32(magic) & ~0xffu) == BLKTRACE_MAGIC;
}

struct reading {
	struct fmt_in *in;
	fmt_see *see;
	void *arg;
	uint64_t start, last, id, others;
	uint32_t device;
	bool begun, has_device;
	struct open { uint64_t sector, bytes, id; uint32_t kind; } open[OPEN_MAX];
	size_t count;
};

static bool show(struct reading *r, struct rec_event ev)
{
	struct fmt_event out = { .rec = ev };
	out.rec.time = r->last;
	out.rec.conn = ev.type == REC_MARK ? 0 : 1;
	return r->see(r->arg, &out);
}

static bool begin(struct reading *r, const struct blktrace_record *t, uint8_t op)
{
	struct rec_event ev = { .type = REC_BEGIN, .id = ++r->id, .op = op, .flags = t->action & BLKTRACE_FUA && op != REC_FLUSH
		? REC_FUA : 0 };

	if (op != REC_FLUSH && (t->sector > INT64_MAX / BLKTRACE_SECTOR - UINT32_MAX)) {
		fmt_note(r->in, "a request at sector %" PRIu64 ": no disk is so large: left out", t->sector);
		return true;
	}
	if (op != REC_FLUSH) {
		ev.off = t->sector * BLKTRACE_SECTOR;
		ev.len = t->bytes;
	}
	if (r->count == OPEN_MAX)
		memmove(r->open, r->open + 1, --r->count * sizeof *r->open);
	r->open[r->count++] = (struct open){ t->sector, t->bytes, ev.id, t->action & (BLKTRACE_READ | BLKTRACE_WRITE | BLKTRACE_DISCARD) };
	return show(r, ev);
}

static bool end(struct reading *r, const struct blktrace_record *t)
{
	uint32_t kind = t->action & (BLKTRACE_READ | BLKTRACE_WRITE | BLKTRACE_DISCARD);
	uint64_t last = t->sector > UINT64_MAX / 2 ? t->sector : t->sector + ((uint64_t)t->bytes + BLKTRACE_SECTOR - 1) / BLKTRACE_SECTOR;
	int16_t error = (int16_t)t->error; /* the kernel's, negative */
	size_t kept = 0;
	bool more = true;

	for (size_t i = 0; i < r->count; i++) {
		const struct open o = r->open[i];
		bool flush = !t->bytes && !o.bytes; /* a flush has no place */
		bool within = t->bytes && o.bytes && o.sector >= t->sector
			&& o.sector + (o.bytes + BLKTRACE_SECTOR - 1) / BLKTRACE_SECTOR <= last;
		struct rec_event ev = { .type = REC_END, .id = o.id, .err = (uint32_t)(error < 0 ? -error : error) };
		if (o.kind == kind && (within || flush) && more)
			more = show(r, ev);
		else
			r->open[kept++] = o;
	}
	r->count = kept;
	return more;
}

static bool record(struct reading *r, const struct blktrace_record *t, const uint8_t *pdu)
{
	uint32_t what = t->action & 0xffff & ~(uint32_t)BLKTRACE_CGROUP;
	uint32_t sec, nsec;

	if (t->action & BLKTRACE_NOTIFY) {
		if (what == BLKTRACE_TIMESTAMP && t->pdu_len >= 8 && !r->begun) {
			memcpy(&sec, pdu, 4);
			memcpy(&nsec, pdu + 4, 4);
			r->in->wall = sec * NS_PER_S + nsec;
			r->start = t->time;
			r->begun = true;
		}
		if (what != BLKTRACE_MESSAGE)
			return true;
		const uint8_t *nul = memchr(pdu, 0, t->pdu_len);
		size_t n = nul ? (size_t)(nul - pdu) : t->pdu_len;
		return show(r, (struct rec_event){ .type = REC_MARK, .text = pdu, .text_len = (uint32_t)MIN(n, (size_t)REC_TEXT_MAX) });
	}
	if (what != BLKTRACE_QUEUE && what != BLKTRACE_COMPLETE)
		return true;
	if (!r->begun) {
		r->begun = true;
		r->start = t->time;
	}
	r->last = MAX(r->last, t->time - MIN(r->start, t->time));
	if (!r->has_device)
		r->device = t->device;
	r->has_device = true;
	if (t->device != r->device) {
		r->others++;
		return true;
	}
	if (what == BLKTRACE_COMPLETE)
		return end(r, t);
	bool more = !(t->action & BLKTRACE_FLUSH) || begin(r, t, REC_FLUSH); /* in front of its data */
	if (!t->bytes || !more)
		return more;
	return begin(r, t, t->action & BLKTRACE_DISCARD ? REC_TRIM : t->action & BLKTRACE_WRITE ? REC_WRITE : REC_READ);
}

/* The record at at, of any version, and its own bytes; 0: none begins there.  *p NULL: it cannot be read. */
static size_t get_record(struct fmt_in *in, uint64_t at, struct blktrace_record *t, const uint8_t **p)
{
	struct blktrace_record2 t2;

	*p = fmt_window(in, at, sizeof *t);
	if (!*p)
		return sizeof *t;
	memcpy(t, *p, sizeof *t);
	if (t->magic == (BLKTRACE_MAGIC | BLKTRACE_VERSION))
		return sizeof *t;
	if (t->magic != (BLKTRACE_MAGIC | BLKTRACE_VERSION2))
		return 0;
	*p = fmt_window(in, at, sizeof t2);
	if (*p) {
		memcpy(&t2, *p, sizeof t2);
		*t = (struct blktrace_record){ .magic = t2.magic, .sequence = t2.sequence, .time = t2.time, .sector = t2.sector,
					       .bytes = t2.bytes, .action = (uint32_t)t2.action, .pid = t2.pid, .device = t2.device,
					       .cpu = t2.cpu, .error = t2.error, .pdu_len = t2.pdu_len };
	}
	return sizeof t2;
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	static _Thread_local struct reading r; /* large */
	struct blktrace_record t;
	uint64_t at = 0, bad = 0;
	bool more = true;
	const uint8_t *p;

	r = (struct reading){ .in = in, .see = see, .arg = arg };
	in->times = true;
	while (more && at < in->source.size) {
		size_t head = get_record(in, at, &t, &p);
		if (!head) {
			if (at == 0)
				return err_set(e, "at byte 0: blktrace of %s: not known here", (t.magic & ~0xffu) == BLKTRACE_MAGIC
						       ? "another version than 7 and 8" : "a machine of the other byte order");
			bad = bad ? bad : at + 1;
			at++;
			continue; /* rubbish: until a record begins again */
		}
		if (bad)
			fmt_note(in, "at byte %" PRIu64 ": no record begins here: %" PRIu64 " bytes are left out", bad - 1, at - (bad - 1));
		bad = 0;
		if (!p || !(p = fmt_window(in, at, head + t.pdu_len))) {
			fmt_note(in, "at byte %" PRIu64 ": cut off within a record", at);
			break;
		}
		more = record(&r, &t, p + head);
		at += head + t.pdu_len;
	}
	if (bad)
		fmt_note(in, "at byte %" PRIu64 ": no record begins here, nor behind", bad - 1);
	if (r.others)
		fmt_note(in, "%" PRIu64 " records of other devices than %u,%u are left out", r.others, r.device >> 20, r.device & 0xfffff);
	return 0;
}

const struct fmt_reader fmt_in_blktrace = {
	.name = "blktrace",
	.help = "blktrace, binary, versions 7 and 8, in one file",
	.is = is,
	.walk = walk,
};
