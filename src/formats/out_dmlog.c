/* SPDX-License-Identifier: BSD-2-Clause */
/* A dm-log-writes log, for replay-log: what reached the disk, with data, in the order of answers.
 *
 * The kernel's semantics: only what ended well is in it.  A write with FUA keeps its flag, and is no flush; a zeroing is a write of
 * zeroes, so that replay-log makes the same disk. */
#include <inttypes.h>
#include <string.h>
#include "base/bytes.h"
#include "formats/dmlog.h"
#include "formats/formats.h"

struct dmlog {
	uint64_t entries;
};

static bool put_super(struct fmt_out *out, bool first)
{
	struct dmlog *d = out->own;
	uint8_t super[DMLOG_SECTOR] = { 0 };
	put_le64(super, DMLOG_MAGIC);
	put_le64(super + 8, 1);
	put_le64(super + 16, d->entries);
	put_le32(super + 24, DMLOG_SECTOR);
	return first ? fmt_put(out, super, sizeof super) : fmt_put_at(out, super, sizeof super, 0);
}

static bool begin(struct fmt_out *out, struct err *e)
{
	(void)e;
	return put_super(out, true);
}

static bool put_entry(struct fmt_out *out, uint64_t off, uint64_t len, uint64_t flags, const void *text, size_t text_len)
{
	struct dmlog *d = out->own;
	uint8_t sector[DMLOG_SECTOR] = { 0 };

	text_len = MIN(text_len, sizeof sector - DMLOG_ENTRY - 1);
	put_le64(sector, off / DMLOG_SECTOR);
	put_le64(sector + 8, len / DMLOG_SECTOR);
	put_le64(sector + 16, flags);
	put_le64(sector + 24, text_len);
	if (text_len)
		memcpy(sector + DMLOG_ENTRY, text, text_len);
	d->entries++;
	return fmt_put(out, sector, sizeof sector);
}

static bool put_zeroes(struct fmt_out *out, uint64_t len)
{
	static const uint8_t zeroes[1 << 16];
	for (uint64_t n; len; len -= n)
		if (!fmt_put(out, zeroes, n = MIN(len, (uint64_t)sizeof zeroes)))
			return false;
	return true;
}

/* A zeroing of any length takes no more memory, but as much of the file. */
static bool put_zeroing(struct fmt_out *out, const struct rec_event *r, uint64_t flags)
{
	enum { AT_ONCE = 32 << 20 };
	for (uint64_t off = r->off, left = r->len, n; left; off += n, left -= n) {
		n = MIN(left, (uint64_t)AT_ONCE);
		if (!put_entry(out, off, n, n == left ? flags : 0, NULL, 0) || !put_zeroes(out, n))
			return false;
	}
	return true;
}

static bool event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	if (ev && ev->rec.type == REC_MARK)
		return put_entry(out, 0, 0, DMLOG_MARK, ev->rec.text, ev->rec.text_len);
	if (!ev || !o || ev->rec.err)
		return true;
	const struct rec_event *r = &o->event;
	uint64_t flags = r->flags & REC_FUA ? DMLOG_FUA : 0;
	if (r->op == REC_FLUSH)
		return put_entry(out, 0, 0, DMLOG_FLUSH, NULL, 0);
	if ((r->op != REC_WRITE && r->op != REC_TRIM && r->op != REC_ZERO) || !r->len)
		return true;
	if ((r->off | r->len) % DMLOG_SECTOR) {
		err_set(e, "dm-log-writes has sectors of %d bytes: event %" PRIu64 " is at %" PRIu64
			", %" PRIu64 " bytes (--filter=blocksize helps)",
			DMLOG_SECTOR, o->number, r->off, r->len);
		return false;
	}
	if (r->op == REC_TRIM)
		return put_entry(out, r->off, r->len, flags | DMLOG_DISCARD, NULL, 0);
	if (r->op == REC_ZERO)
		return put_zeroing(out, r, flags);
	const uint8_t *data = fmt_data(out, o);
	if (!data) {
		err_set(e, "event %" PRIu64 ", a write at %" PRIu64 ", has no data that can be read: dm-log-writes needs it",
			o->number, r->off);
		return false;
	}
	return put_entry(out, r->off, r->len, flags, NULL, 0) && fmt_put(out, data, r->len);
}

static bool end(struct fmt_out *out, struct err *e)
{
	(void)e;
	return put_super(out, false);
}

const struct fmt_writer fmt_out_dmlog = {
	.name = "dmlog",
	.help = "dm-log-writes, for replay-log; needs data",
	.size = sizeof(struct dmlog),
	.seeks = true,
	.begin = begin,
	.event = event,
	.end = end,
};
