/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/out_recording.h"
#include <string.h>
#include "filters/recchunks.h"

struct recording {
	struct recfile file;
	struct recchunks chunks;
	bool opened, begun;
	struct buf data, prepared;
	bool any_data, sized;    /* is data known of any write, are there connections? */
	uint64_t size;           /* bytes, as far as requests reach */
};

static bool give_up(void *owner)
{
	(void)owner;
	return true;
}

/* How large the disk must have been. */
static bool see_size(void *arg, const struct fmt_event *ev)
{
	struct recording *r = arg;
	if (ev->rec.type == REC_BEGIN)
		r->size = MAX(r->size, ev->rec.off + ev->rec.len);
	r->any_data |= ev->count != 0;
	r->sized |= ev->rec.type == REC_CONNECT;
	return true;
}

static bool begin(struct fmt_out *out, struct err *e)
{
	struct recording *r = out->own;
	buf_init(&r->data, FMT_LENGTH_MAX);
	buf_init(&r->prepared, SIZE_MAX);
	if (!out->in->reader->load) { /* no recording: it may not tell the size of its disk, which has to stand in front */
		if (out->in->reader->walk(out->in, see_size, r, e) < 0)
			return false;
		out->in->notes.len = 0; /* they will come again */
		out->in->notes_cut = false;
	}
	r->opened = recfile_open(&r->file, out->path, REC_DATA_YES, e) == 0;
	r->file.give_up = give_up;
	return r->opened;
}

/* With the first event the time is known at which all began. */
static bool start(struct fmt_out *out, struct err *e)
{
	struct recording *r = out->own;
	r->file.foreign = true;
	r->file.wall = out->in->wall;
	if (out->in->reader->load ? out->in->rec.info.data != REC_DATA_YES : !r->any_data)
		r->file.data = REC_DATA_NO;
	r->begun = true;
	if (recfile_begin(&r->file, e) < 0 || recchunks_start(&r->chunks, &r->file, e) < 0)
		return false;
	struct rec_event connect = { .type = REC_CONNECT, .conn = 1, .len = r->size };
	return r->sized || !r->size || recchunks_add(&r->chunks, &connect, NULL);
}

/* What the write holds, prepared; NULL: not known. */
static const uint8_t *data_of(struct fmt_out *out, const struct fmt_event *ev)
{
	struct recording *r = out->own;
	if (!ev->count || ev->rec.len > FMT_LENGTH_MAX || !buf_reserve(&r->data, ev->rec.len)
	    || fmt_load(out->in, ev->runs, ev->count, r->data.p) || !buf_reserve(&r->prepared, recstore_room(&r->chunks.store, &ev->rec)))
		return NULL;
	recstore_prepare(&r->chunks.store, &ev->rec, (const uint8_t *)r->data.p, (uint8_t *)r->prepared.p);
	return (const uint8_t *)r->prepared.p;
}

static bool event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	struct recording *r = out->own;
	const uint8_t *data = NULL;

	(void)o;
	if (!ev)
		return true; /* what has no END never ended */
	if (!r->begun && !start(out, e))
		return false;
	struct rec_event rec = ev->rec;
	if (rec.type == REC_CARRY)
		rec.type = REC_BEGIN;
	if (rec.type == REC_BEGIN && rec.op == REC_WRITE && rec.len && r->file.data == REC_DATA_YES && !(data = data_of(out, ev)))
		out->no_data++;
	if (!recchunks_add(&r->chunks, &rec, data) || r->chunks.lost)
		return err_set(e, "cannot write to %s", out->path) == 0;
	return true;
}

static bool end(struct fmt_out *out, struct err *e)
{
	struct recording *r = out->own;
	struct err why;
	bool ok = r->opened && (r->begun || start(out, e));

	if (ok) {
		recchunks_end(&r->chunks);
		if (r->chunks.lost)
			ok = err_set(e, "cannot write to %s", out->path) == 0;
	}
	recchunks_free(&r->chunks);
	buf_free(&r->data);
	buf_free(&r->prepared);
	if (r->opened && recfile_close(&r->file, &why) < 0)
		ok = err_set(e, "%s", why.msg) == 0;
	return ok;
}

const struct fmt_writer fmt_out_recording = {
	.name = "recording",
	.help = "a recording, for report, at, view and replay",
	.size = sizeof(struct recording),
	.takes_path = true,
	.begin = begin,
	.event = event,
	.end = end,
};
