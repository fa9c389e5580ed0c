/* SPDX-License-Identifier: BSD-2-Clause */
/* A line for each request, when it is answered: JSON lines, and CSV.  Marks, connections and losses have lines of their own in JSON. */
#include <inttypes.h>
#include <string.h>
#include "formats/formats.h"

static const char *const flag_names[] = { "fua", "no_hole", "fast", "req_one" };

/* --- JSON --- */

/* Bytes as a string: UTF-8 goes through, what is none becomes U+FFFD for each byte. */
static bool put_text(struct fmt_out *out, const uint8_t *p, size_t n)
{
	bool ok = fmt_put(out, "\"", 1);
	for (size_t i = 0, more; ok && i < n; i += more) {
		uint8_t c = p[i];
		more = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
		bool good = more && more <= n - i;
		for (size_t k = 1; good && k < more; k++)
			good = (p[i + k] & 0xc0) == 0x80;
		if (good && more >= 3) /* too long a form, half a pair, too large */
			good = !(c == 0xe0 && p[i + 1] < 0xa0) && !(c == 0xed && p[i + 1] > 0x9f) && !(c == 0xf0 && p[i + 1] < 0x90)
			    && !(c == 0xf4 && p[i + 1] > 0x8f);
		if (!good) {
			more = 1;
			ok = fmt_put(out, "\\ufffd", 6);
		} else if (c == '"' || c == '\\') {
			ok = fmt_put(out, "\\", 1) && fmt_put(out, &c, 1);
		} else {
			ok = c < 0x20 || c == 0x7f ? fmt_print(out, "\\u%04x", c) : fmt_put(out, p + i, more);
		}
	}
	return ok && fmt_put(out, "\"", 1);
}

static bool json_begin(struct fmt_out *out, struct err *e)
{
	(void)out;
	(void)e;
	return true;
}

/* The first line waits for the first event: what is known of the session by then. */
static bool json_head(struct fmt_out *out)
{
	bool *told = out->own;
	if (*told)
		return true;
	*told = true;
	return fmt_print(out, "{\"blkscope\":1,\"from\":\"%s\",\"start_ns\":%" PRIu64 ",\"timed\":%s}\n", out->in->reader->name,
		out->in->wall,
			 out->in->times ? "true" : "false");
}

static bool json_request(struct fmt_out *out, const struct rec_open *o, const struct fmt_event *end)
{
	const struct rec_event *r = &o->event;
	bool ok = fmt_print(out, "{\"op\":\"%s\",\"connection\":%" PRIu64 ",\"id\":%" PRIu64 ",\"begin_ns\":%" PRIu64 ",\"end_ns\":",
		fmt_ops[r->op], r->conn,
			    r->id, r->time);
	if (ok && end)
		ok = fmt_print(out, "%" PRIu64 ",\"error\":%" PRIu32, end->rec.time, end->rec.err);
	else
		ok = ok && fmt_print(out, "null,\"error\":null");
	if (ok && r->op != REC_FLUSH)
		ok = fmt_print(out, ",\"offset\":%" PRIu64 ",\"length\":%" PRIu64, r->off, r->len);
	for (unsigned i = 0; ok && i < ARRAY_LEN(flag_names); i++)
		if (r->flags & 1u << i)
			ok = fmt_print(out, ",\"%s\":true", flag_names[i]);
	return ok && fmt_print(out, "}\n");
}

static bool json_event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	const struct rec_event *r = ev ? &ev->rec : NULL;
	(void)e;
	if (!json_head(out))
		return false;
	if (o)
		return json_request(out, o, ev);
	if (r->type == REC_CONNECT) {
		const uint8_t *nul = r->text_len ? memchr(r->text, 0, r->text_len) : NULL;
		size_t n = nul ? (size_t)(nul - r->text) : r->text_len;
		return fmt_print(out, "{\"connect\":%" PRIu64 ",\"time_ns\":%" PRIu64 ",\"size\":%" PRIu64 ",\"export\":", r->conn,
			r->time, r->len)
		    && put_text(out, r->text, n) && fmt_print(out, ",\"client\":")
		    && put_text(out, nul ? nul + 1 : NULL, nul ? r->text_len - n - 1 : 0)
		    && fmt_print(out, "}\n");
	}
	if (r->type == REC_DISCONNECT)
		return fmt_print(out, "{\"disconnect\":%" PRIu64 ",\"time_ns\":%" PRIu64 "}\n", r->conn, r->time);
	if (r->type == REC_MARK)
		return fmt_print(out, "{\"mark\":") && put_text(out, r->text, r->text_len) && fmt_print(out,
			",\"time_ns\":%" PRIu64 "}\n", r->time);
	return r->type != REC_LOSS || fmt_print(out, "{\"lost_events\":%" PRIu64 ",\"time_ns\":%" PRIu64 "}\n", r->len, r->time);
}

static bool json_end(struct fmt_out *out, struct err *e)
{
	(void)e;
	return json_head(out);
}

const struct fmt_writer fmt_out_json = {
	.name = "json",
	.help = "JSON lines: an object for each request, mark and connection",
	.size = sizeof(bool),
	.begin = json_begin,
	.event = json_event,
	.end = json_end,
};

/* --- CSV --- */

static bool csv_begin(struct fmt_out *out, struct err *e)
{
	(void)e;
	return fmt_print(out, "begin_ns,end_ns,connection,id,operation,offset,length,fua,no_hole,fast,req_one,error\n");
}

static bool csv_event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	(void)e;
	if (!o) {
		out->other += ev->rec.type == REC_MARK;
		return true;
	}
	const struct rec_event *r = &o->event;
	bool ok = fmt_print(out, "%" PRIu64 ",", r->time) && (!ev || fmt_print(out, "%" PRIu64, ev->rec.time))
	       && fmt_print(out, ",%" PRIu64 ",%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64, r->conn, r->id, fmt_ops[r->op], r->off, r->len);
	for (unsigned i = 0; ok && i < ARRAY_LEN(flag_names); i++)
		ok = fmt_put(out, r->flags & 1u << i ? ",1" : ",0", 2);
	return ok && (ev ? fmt_print(out, ",%" PRIu32 "\n", ev->rec.err) : fmt_put(out, ",\n", 2));
}

static bool csv_end(struct fmt_out *out, struct err *e)
{
	(void)out;
	(void)e;
	return true;
}

const struct fmt_writer fmt_out_csv = {
	.name = "csv",
	.help = "a table: a row for each request",
	.begin = csv_begin,
	.event = csv_event,
	.end = csv_end,
};
