/* SPDX-License-Identifier: BSD-2-Clause */
/* A line for each request, when it is answered: JSON lines, and CSV.  Marks, connections and losses have lines of their own in JSON. */
#include <inttypes.h>
#include <string.h>
#include "base/json.h"
#include "formats/formats.h"

static const char *const flag_names[] = { "fua", "no_hole", "fast", "req_one" };

/* --- JSON --- */

static bool put_text(struct fmt_out *out, const uint8_t *p, size_t n)
{
	struct buf b = { .limit = 6 * n + 2 };
	bool ok = json_bytes(&b, (const char *)p, n) && fmt_put(out, b.p, b.len);

	buf_free(&b);
	return ok;
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
