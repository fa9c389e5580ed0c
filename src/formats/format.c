/* SPDX-License-Identifier: BSD-2-Clause */
#include "formats/format.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "formats/formats.h"

enum { LOOK = 4096, PENDING_MAX = 1 << 20, WINDOW = 2 * FMT_WINDOW_MAX };

const struct fmt_reader *const fmt_readers[] = { &fmt_in_recording, &fmt_in_log, &fmt_in_dmlog, &fmt_in_iolog, &fmt_in_blktrace,
	&fmt_in_nbdlog, NULL };
const struct fmt_writer *const fmt_writers[] = { &fmt_out_json, &fmt_out_csv, &fmt_out_iolog, &fmt_out_dmlog, &fmt_out_blktrace, NULL };

const char *const fmt_ops[REC_OPS] = { "read", "write", "trim", "zero", "flush", "cache", "extents" };

int fmt_open(struct fmt_in *in, const struct rec_source *s, const char *name, struct err *e)
{
	uint8_t first[LOOK];
	size_t n = (size_t)MIN(s->size, (uint64_t)sizeof first);
	int error;

	*in = (struct fmt_in){ .source = *s, .notes = { .limit = FMT_NOTES_MAX }, .cache.chunk = SIZE_MAX };
	if (n && (error = s->read(s->owner, first, n, 0)))
		return err_set(e, "at byte 0: %s", strerror(error));
	for (size_t i = 0; fmt_readers[i] && !in->reader; i++)
		if (name ? strcmp(name, fmt_readers[i]->name) == 0 : fmt_readers[i]->is(first, n))
			in->reader = fmt_readers[i];
	if (!in->reader)
		return name ? err_set(e, "no format '%s' can be read: --help lists them", name)
			    : err_set(e, "at byte 0: of no format that is known here");
	return 0;
}

void fmt_close(struct fmt_in *in)
{
	rec_close(&in->rec);
	free(in->cache.body);
	free(in->window.bytes);
	buf_free(&in->notes);
	*in = (struct fmt_in){ 0 };
}

void fmt_note(struct fmt_in *in, const char *fmt, ...)
{
	static const char rest[] = "and more\n";
	size_t before = in->notes.len;
	va_list ap;

	va_start(ap, fmt);
	bool ok = !in->notes_cut && before < FMT_NOTES_MAX / 2 && buf_vprintf(&in->notes, fmt, ap) && buf_add(&in->notes, "\n", 1);
	va_end(ap);
	if (ok || in->notes_cut)
		return;
	in->notes.len = before;
	in->notes_cut = true;
	buf_add(&in->notes, rest, sizeof rest - 1);
}

const uint8_t *fmt_window(struct fmt_in *in, uint64_t at, size_t n)
{
	if (at > in->source.size || n > in->source.size - at)
		return NULL;
	if (at >= in->window.at && at - in->window.at + n <= in->window.n)
		return in->window.bytes + (at - in->window.at);
	size_t want = (size_t)MIN(in->source.size - at, (uint64_t)WINDOW);
	in->window.n = 0;
	if (!in->window.bytes && !(in->window.bytes = malloc(WINDOW)))
		return NULL;
	if (in->source.read(in->source.owner, in->window.bytes, want, at))
		return NULL;
	in->window.at = at;
	in->window.n = want;
	return in->window.bytes;
}

int fmt_load(struct fmt_in *in, const struct rec_run *runs, size_t count, void *to)
{
	int error = 0;
	for (uint8_t *p = to; count && !error; p += runs->len, runs++, count--) {
		if (runs->addr == REC_ZEROES)
			memset(p, 0, runs->len);
		else if (in->reader->load)
			error = in->reader->load(in, runs->addr, runs->len, p);
		else
			error = in->source.read(in->source.owner, p, runs->len, runs->addr);
	}
	return error;
}

/* --- bytes out --- */

bool fmt_flush(struct fmt_out *out)
{
	if (!out->error && out->pending.len)
		out->error = out->write(out->owner, out->pending.p, out->pending.len, out->at);
	out->at += out->pending.len;
	out->pending.len = 0;
	return !out->error;
}

bool fmt_put(struct fmt_out *out, const void *p, size_t n)
{
	if (out->pending.len + n > PENDING_MAX && !fmt_flush(out))
		return false;
	if (n <= PENDING_MAX) {
		if (!buf_add(&out->pending, p, n))
			out->error = ENOMEM;
		return !out->error;
	}
	out->error = out->write(out->owner, p, n, out->at);
	out->at += n;
	return !out->error;
}

bool fmt_print(struct fmt_out *out, const char *fmt, ...)
{
	va_list ap;
	if (out->pending.len + 2 * REC_TEXT_MAX > PENDING_MAX && !fmt_flush(out))
		return false;
	va_start(ap, fmt);
	if (!buf_vprintf(&out->pending, fmt, ap))
		out->error = ENOMEM;
	va_end(ap);
	return !out->error;
}

bool fmt_put_at(struct fmt_out *out, const void *p, size_t n, uint64_t at)
{
	if (fmt_flush(out))
		out->error = out->write(out->owner, p, n, at);
	return !out->error;
}

const uint8_t *fmt_data(struct fmt_out *out, const struct rec_open *o)
{
	int error;
	if (!o->count || o->event.len > FMT_LENGTH_MAX)
		return NULL;
	out->data.len = 0;
	out->data.limit = FMT_LENGTH_MAX;
	if (!buf_reserve(&out->data, o->event.len))
		error = ENOMEM;
	else if (!(error = fmt_load(out->in, o->runs, o->count, out->data.p)))
		return (const uint8_t *)out->data.p;
	fmt_note(out->in, "the data of event %" PRIu64 ", a write at %" PRIu64 ", cannot be read: %s", o->number, o->event.off,
		strerror(error));
	return NULL;
}

/* --- one to the other --- */

struct pairing {
	struct fmt_in *in;
	struct fmt_out *out;
	struct rec_flight flight;
	uint64_t events, unknown, twice, full;
	struct err *e;
	bool failed;
};

static bool begin(struct pairing *p, const struct fmt_event *ev)
{
	struct rec_open *o = rec_flight_find(&p->flight, ev->rec.conn, ev->rec.id);
	if (o && ev->rec.type == REC_CARRY)
		return true; /* it is known: others are not, as events are missing */
	if (o) { /* the first of the two never ended */
		p->twice++;
		if (!p->out->writer->event(p->out, NULL, o, p->e))
			return false;
		rec_flight_drop(&p->flight, o);
	}
	o = p->flight.count < FMT_FLIGHT_MAX ? rec_flight_add(&p->flight, &ev->rec, p->events) : NULL;
	if (!o) {
		p->full++;
		return true;
	}
	if (ev->count && (o->runs = malloc(ev->count * sizeof *o->runs))) {
		memcpy(o->runs, ev->runs, ev->count * sizeof *o->runs);
		o->count = ev->count;
	}
	return p->out->writer->event(p->out, ev, NULL, p->e);
}

static bool end(struct pairing *p, const struct fmt_event *ev)
{
	struct rec_open *o = rec_flight_find(&p->flight, ev->rec.conn, ev->rec.id);
	if (!o) {
		p->unknown++;
		return true;
	}
	bool ok = p->out->writer->event(p->out, ev, o, p->e);
	rec_flight_drop(&p->flight, o);
	return ok;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = (*(const struct rec_open *const *)a)->number, y = (*(const struct rec_open *const *)b)->number;
	return (x > y) - (x < y);
}

/* In the order in which they began; conn: only its own, UINT64_MAX: all. */
static bool unanswered(struct pairing *p, uint64_t conn)
{
	struct rec_open **list = p->flight.count ? malloc(p->flight.count * sizeof(struct rec_open *)) : NULL;
	size_t n = 0;
	bool ok = list || !p->flight.count;

	for (size_t i = 0; list && i < p->flight.room; i++)
		if (p->flight.at[i].used && (conn == UINT64_MAX || p->flight.at[i].event.conn == conn))
			list[n++] = &p->flight.at[i];
	if (n)
		qsort(list, n, sizeof(struct rec_open *), by_number);
	for (size_t i = 0; ok && i < n; i++)
		ok = p->out->writer->event(p->out, NULL, list[i], p->e);
	free(list);
	if (conn != UINT64_MAX)
		rec_flight_drop_conn(&p->flight, conn);
	return ok;
}

static bool see(void *arg, const struct fmt_event *ev)
{
	struct pairing *p = arg;
	bool ok;

	if (ev->rec.type == REC_BEGIN || ev->rec.type == REC_CARRY)
		ok = begin(p, ev);
	else if (ev->rec.type == REC_END)
		ok = end(p, ev);
	else
		ok = (ev->rec.type != REC_DISCONNECT || unanswered(p, ev->rec.conn)) && p->out->writer->event(p->out, ev, NULL, p->e);
	p->events++;
	p->failed |= !ok;
	return ok;
}

int fmt_convert(struct fmt_in *in, struct fmt_out *out, uint64_t *events, struct err *e)
{
	struct pairing p = { .in = in, .out = out, .e = e };
	bool ok;

	e->msg[0] = '\0';
	out->in = in;
	buf_init(&out->pending, PENDING_MAX + 4 * REC_TEXT_MAX);
	out->own = calloc(1, MAX(out->writer->size, (size_t)1));
	ok = out->own && out->writer->begin(out, e);
	if (ok)
		ok = in->reader->walk(in, see, &p, e) == 0 && !p.failed && unanswered(&p, UINT64_MAX);
	if (out->own) /* also what failed is put away */
		ok = out->writer->end(out, e) && ok;
	ok = ok && fmt_flush(out);
	if (p.unknown)
		fmt_note(in, "%" PRIu64 " answers whose requests are not in the file: left out", p.unknown);
	if (p.twice)
		fmt_note(in, "%" PRIu64 " requests began while another with their number was under way", p.twice);
	if (p.full)
		fmt_note(in, "%" PRIu64 " requests left out: more than %d were under way at the same time", p.full, FMT_FLIGHT_MAX);
	if (events)
		*events = p.events;
	rec_flight_free(&p.flight);
	free(out->own);
	out->own = NULL;
	buf_free(&out->pending);
	buf_free(&out->data);
	if (ok)
		return 0;
	return e->msg[0] ? -1 : err_set(e, "cannot write: %s", strerror(out->error ? out->error : ENOMEM));
}
