/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs of dm-log-writes and of QEMU's blklogwrites: what reached the disk, with data, without times. */
#include <inttypes.h>
#include "base/bytes.h"
#include "formats/dmlog.h"
#include "formats/formats.h"

static bool is(const uint8_t *p, size_t n)
{
	return n >= DMLOG_SUPER && get_le64(p) == DMLOG_MAGIC;
}

/* A request that begins and ends, now. */
static bool show(struct fmt_event *ev, fmt_see *see, void *arg)
{
	ev->rec.type = REC_BEGIN;
	ev->rec.id++;
	if (!see(arg, ev))
		return false;
	struct fmt_event end = { .rec = { .type = REC_END, .time = ev->rec.time, .conn = ev->rec.conn, .id = ev->rec.id } };
	return see(arg, &end);
}

static int walk(struct fmt_in *in, fmt_see *see, void *arg, struct err *e)
{
	const uint8_t *p = fmt_window(in, 0, DMLOG_SUPER);
	struct fmt_event ev = { .rec = { .conn = 1 } };
	uint64_t at, i = 0;
	bool more = true;

	if (!p || get_le64(p) != DMLOG_MAGIC)
		return err_set(e, "at byte 0: no log of dm-log-writes");
	uint64_t version = get_le64(p + 8), entries = get_le64(p + 16);
	uint32_t sector = get_le32(p + 24);
	if (version != 1 || sector < DMLOG_SECTOR || sector > FMT_WINDOW_MAX || sector & (sector - 1))
		return err_set(e, "at byte 8: dm-log-writes of version %" PRIu64 " with sectors of %" PRIu32 " bytes: not known here",
			version, sector);
	for (at = sector; more && i < entries; i++) {
		if (!(p = fmt_window(in, at, sector)))
			break;
		uint64_t off = get_le64(p), len = get_le64(p + 8), flags = get_le64(p + 16), text = get_le64(p + 24);
		if (off > INT64_MAX / sector || len > INT64_MAX / sector - off || text > sector - DMLOG_ENTRY) {
			fmt_note(in, "at byte %" PRIu64 ": entry %" PRIu64 " makes no sense: the rest is left out", at, i);
			return 0;
		}
		off *= sector;
		len *= sector;
		uint64_t data = at + sector, stored = flags & DMLOG_DISCARD ? 0 : len;
		if (stored > in->source.size - data)
			break;
		ev.rec.time = i;
		at = data + stored;
		if (flags & DMLOG_MARK) {
			struct fmt_event mark = { .rec = { .type = REC_MARK, .time = i, .text = p + DMLOG_ENTRY,
				.text_len = (uint32_t)text } };
			more = see(arg, &mark);
		}
		if (flags & DMLOG_FLUSH) { /* before the data of the same entry */
			ev.rec = (struct rec_event){ .time = i, .conn = 1, .id = ev.rec.id, .op = REC_FLUSH };
			ev.count = 0;
			more = more && show(&ev, see, arg);
		}
		if (!len)
			continue;
		struct rec_run run = { .off = off, .len = len, .addr = data };
		ev.rec.op = flags & DMLOG_DISCARD ? REC_TRIM : REC_WRITE;
		ev.rec.flags = flags & DMLOG_FUA ? REC_FUA : 0;
		ev.rec.off = off;
		ev.rec.len = len;
		ev.runs = &run;
		ev.count = flags & DMLOG_DISCARD ? 0 : 1;
		more = more && show(&ev, see, arg);
		ev.runs = NULL;
	}
	if (more && i < entries)
		fmt_note(in, "at byte %" PRIu64 ": cut off: the last %" PRIu64 " of %" PRIu64 " entries are not there", at,
			entries - i, entries);
	else if (more && at < in->source.size)
		fmt_note(in, "at byte %" PRIu64 ": more bytes than the %" PRIu64 " entries that the super block tells of: left out",
			at, entries);
	return 0;
}

const struct fmt_reader fmt_in_dmlog = {
	.name = "dmlog",
	.help = "dm-log-writes, QEMU's blklogwrites",
	.is = is,
	.walk = walk,
};
