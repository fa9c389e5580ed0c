/* SPDX-License-Identifier: BSD-2-Clause */
/* All in one transaction, without a journal: a file that is not complete is thrown away anyway. */
#include "cmd/out_sqlite.h"
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

static const char schema[] =
	"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;"
	"CREATE TABLE session (source TEXT, start_ns INTEGER, timed INTEGER);"
	"CREATE TABLE connections (connection INTEGER, time_ns INTEGER, size INTEGER, export TEXT, client TEXT);"
	"CREATE TABLE marks (time_ns INTEGER, text TEXT);"
	"CREATE TABLE requests (begin_ns INTEGER, end_ns INTEGER, connection INTEGER, id INTEGER, operation TEXT, offset INTEGER,"
	" length INTEGER, fua INTEGER, no_hole INTEGER, fast INTEGER, req_one INTEGER, error INTEGER);";

static const char finish[] =
	"CREATE INDEX requests_begin ON requests (begin_ns); CREATE INDEX requests_offset ON requests (offset); COMMIT;";

struct sqlite {
	sqlite3 *db;
	sqlite3_stmt *request, *connection, *mark;
};

static bool fail(const struct sqlite *s, const struct fmt_out *out, struct err *e)
{
	return err_set(e, "%s: %s", out->path, s->db ? sqlite3_errmsg(s->db) : "out of memory") == 0;
}

static bool prepare(struct sqlite *s, sqlite3_stmt **to, const char *text)
{
	return sqlite3_prepare_v2(s->db, text, -1, to, NULL) == SQLITE_OK;
}

static bool begin(struct fmt_out *out, struct err *e)
{
	struct sqlite *s = out->own;
	if (sqlite3_open_v2(out->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK
	    || sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK
	    || !prepare(s, &s->request, "INSERT INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?)")
	    || !prepare(s, &s->connection, "INSERT INTO connections VALUES (?,?,?,?,?)")
	    || !prepare(s, &s->mark, "INSERT INTO marks VALUES (?,?)"))
		return fail(s, out, e);
	return true;
}

static void set(sqlite3_stmt *q, int i, uint64_t v)
{
	sqlite3_bind_int64(q, i, (sqlite3_int64)v);
}

static void set_text(sqlite3_stmt *q, int i, const void *p, size_t n)
{
	sqlite3_bind_text(q, i, n ? p : "", (int)n, SQLITE_TRANSIENT);
}

static bool step(const struct sqlite *s, const struct fmt_out *out, sqlite3_stmt *q, struct err *e)
{
	bool ok = sqlite3_step(q) == SQLITE_DONE;
	sqlite3_reset(q);
	return ok || fail(s, out, e);
}

static bool event(struct fmt_out *out, const struct fmt_event *ev, const struct rec_open *o, struct err *e)
{
	const struct sqlite *s = out->own;
	const struct rec_event *r = o ? &o->event : &ev->rec;

	if (o) {
		sqlite3_stmt *q = s->request;
		sqlite3_clear_bindings(q);
		set(q, 1, r->time);
		set(q, 3, r->conn);
		set(q, 4, r->id);
		sqlite3_bind_text(q, 5, fmt_ops[r->op], -1, SQLITE_STATIC);
		set(q, 6, r->off);
		set(q, 7, r->len);
		for (int i = 0; i < 4; i++)
			set(q, 8 + i, r->flags >> i & 1);
		if (ev) {
			set(q, 2, ev->rec.time);
			set(q, 12, ev->rec.err);
		}
		return step(s, out, q, e);
	}
	if (r->type == REC_CONNECT) {
		const uint8_t *nul = r->text_len ? memchr(r->text, 0, r->text_len) : NULL;
		size_t n = nul ? (size_t)(nul - r->text) : r->text_len;
		set(s->connection, 1, r->conn);
		set(s->connection, 2, r->time);
		set(s->connection, 3, r->len);
		set_text(s->connection, 4, r->text, n);
		set_text(s->connection, 5, nul ? nul + 1 : NULL, nul ? r->text_len - n - 1 : 0);
		return step(s, out, s->connection, e);
	}
	if (r->type != REC_MARK)
		return true;
	set(s->mark, 1, r->time);
	set_text(s->mark, 2, r->text, r->text_len);
	return step(s, out, s->mark, e);
}

static bool end(struct fmt_out *out, struct err *e)
{
	struct sqlite *s = out->own;
	sqlite3_stmt *q = NULL;
	bool ok = s->mark != NULL;

	if (ok && (ok = prepare(s, &q, "INSERT INTO session VALUES (?,?,?)"))) {
		sqlite3_bind_text(q, 1, out->in->reader->name, -1, SQLITE_STATIC);
		set(q, 2, out->in->wall);
		set(q, 3, out->in->times);
		ok = step(s, out, q, e);
	}
	sqlite3_finalize(q);
	if (ok && sqlite3_exec(s->db, finish, NULL, NULL, NULL) != SQLITE_OK)
		ok = fail(s, out, e);
	sqlite3_finalize(s->request);
	sqlite3_finalize(s->connection);
	sqlite3_finalize(s->mark);
	sqlite3_close(s->db);
	return ok;
}

const struct fmt_writer fmt_out_sqlite = {
	.name = "sqlite",
	.help = "a database of SQLite: requests, connections, marks",
	.size = sizeof(struct sqlite),
	.takes_path = true,
	.begin = begin,
	.event = event,
	.end = end,
};
