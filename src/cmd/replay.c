/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope replay: a recording, played against any NBD server. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "base/say.h"
#include "cmd/input.h"
#include "cmd/player.h"
#include "cmd/program.h"
#include "cmd/verify.h"
#include "cmd/write.h"
#include "stats/hist.h"

static const char usage[] =
	"usage: blkscope replay RECORDING URI [options]\n"
	"Plays the requests of a recording, or of what `blkscope convert' reads, against the NBD server at URI, and overwrites its disk.\n"
	"\n"
	"  --speed=X           X times as fast as it was (default: 1)\n"
	"  --asap              as fast as possible\n"
	"  --verify            check what is read against what was written before\n"
	"  --help, --version\n"
	"\n"
	"Manual: blkscope-replay(1).\n";

enum { FLIGHT_MAX = 1 << 14, BYTES_MAX = 512 << 20 };

struct replay {
	const char *file, *uri;
	double speed;            /* 0: as fast as possible */
	bool asap, verify;
	struct input input;
	struct player player;
	struct verify check;
	bool begun, failed;
	uint64_t zero, first, last; /* ns: here, when the first event was due; its time and that of the last one, recorded */
	uint64_t requests[REC_OPS], bytes;
	uint64_t errors, healed, unanswered, made_up, mixed, lost;
	uint32_t first_error;
	struct hist drift;       /* ns */
	struct err *e;
};

/* 0: go on; 1: all was said; -1: e is set, or getopt said it. */
static int parse_command(struct replay *c, int argc, char **argv, struct err *e)
{
	enum { O_SPEED = 256, O_ASAP, O_VERIFY };
	static const struct option options[] = {
		{ "speed", required_argument, NULL, O_SPEED }, { "asap", no_argument, NULL, O_ASAP },
		{ "verify", no_argument, NULL, O_VERIFY },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 },
	};
	char *end;
	int opt, said;

	while ((opt = program_option(argc, argv, options, usage, &said)) != -1) {
		c->asap |= opt == O_ASAP;
		c->verify |= opt == O_VERIFY;
		if (opt != O_SPEED)
			continue;
		c->speed = strtod(optarg, &end);
		if (end == optarg || *end || !isfinite(c->speed) || c->speed < 1e-6 || c->speed > 1e6)
			return err_set(e, "--speed=%s: a number from 0.000001 to 1000000 is meant", optarg);
	}
	if (said)
		return said;
	if (argc - optind != 2)
		return err_set(e, "%s: usage: blkscope replay RECORDING URI [options]",
			       argc - optind < 2 ? "a recording and a URI are needed" : "too many arguments");
	if (c->asap && c->speed > 0)
		return err_set(e, "--speed and --asap: which one?");
	c->speed = c->asap ? 0 : c->speed > 0 ? c->speed : 1;
	c->file = argv[optind];
	c->uri = argv[optind + 1];
	return 0;
}

/* --- one request --- */

static bool changes(const struct rec_event *e)
{
	return e->op == REC_WRITE || e->op == REC_TRIM || e->op == REC_ZERO;
}

static bool overlap(const struct rec_event *a, const struct rec_event *b)
{
	return a->off < b->off + b->len && b->off < a->off + a->len;
}

/* A read and a change that are under way together: which came first, nobody can tell. */
static void note_mixed(struct replay *c, struct player_req *r)
{
	list_for_each_safe(&c->player.reqs, l, n) {
		struct player_req *o = list_entry(l, struct player_req, link);
		if (o == r || !overlap(&o->event, &r->event))
			continue;
		o->mixed |= o->event.op == REC_READ && changes(&r->event);
		r->mixed |= r->event.op == REC_READ && changes(&o->event);
	}
}

/* It is answered, here and (recorded >= 0) in the recording, with that errno. */
static bool settle(struct replay *c, struct player_req *r, int recorded)
{
	const struct rec_event *e = &r->event;
	bool ok = true;

	if (r->err && recorded <= 0) {
		c->first_error = c->errors++ ? c->first_error : (uint32_t)r->err;
		if (c->errors <= 10)
			say_error("%s of %" PRIu64 " bytes at %" PRIu64 ": %s", fmt_ops[e->op], e->len, e->off, strerror(r->err));
	}
	c->healed += !r->err && recorded > 0;
	if (c->verify && e->op == REC_READ && !r->err) {
		if (r->mixed)
			c->mixed++;
		else
			verify_look(&c->check, e->off, e->len, r->data);
	}
	if (c->verify && changes(e)) /* a trim may leave anything */
		ok = verify_put(&c->check, e->off, e->len, r->data,
				!r->err && recorded <= 0 && e->op != REC_TRIM);
	player_drop(&c->player, r);
	return ok || err_set(c->e, "out of memory") == 0;
}

/* Until it is answered. */
static void await(struct replay *c, struct player_req *r)
{
	while (!r->done && player_turn(&c->player, 0))
		;
	if (!r->done) { /* its connection is gone without a word */
		r->done = true;
		r->err = ENOTCONN;
	}
}

/* What the server gets to write: what was recorded; or something that doesn't pack and is no hole. */
static bool get_data(struct replay *c, struct player_req *r, const struct fmt_event *ev)
{
	const struct rec_event *e = &r->event;

	if (e->op != REC_READ && e->op != REC_WRITE)
		return true;
	if (e->len > FMT_LENGTH_MAX || !(r->data = malloc(MAX(e->len, (uint64_t)1))))
		return err_set(c->e, "a request of %" PRIu64 " bytes: too long", e->len) == 0;
	if (e->op == REC_READ)
		return true;
	if (ev->count && fmt_load(&c->input.in, ev->runs, ev->count, r->data) == 0)
		return true;
	uint64_t x = e->off | 1;
	for (uint64_t i = 0; i < e->len; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		r->data[i] = (uint8_t)(x >> 56);
	}
	c->made_up++;
	return true;
}

static bool begin(struct replay *c, const struct fmt_event *ev)
{
	if (ev->rec.type == REC_CARRY && player_find(&c->player, ev->rec.conn, ev->rec.id))
		return true; /* it is under way: others are not, as events are missing */
	struct player_req *r = calloc(1, sizeof *r);
	uint64_t due = c->zero;

	if (!r)
		return err_set(c->e, "out of memory") == 0;
	if (c->player.count >= FLIGHT_MAX || c->player.bytes > BYTES_MAX) {
		free(r);
		return err_set(c->e, "more than %d requests, or %d MiB of data, are under way at the same time",
			       FLIGHT_MAX, BYTES_MAX >> 20) == 0;
	}
	list_init(&r->link);
	r->event = ev->rec;
	r->event.text = r->event.runs = NULL;
	if (!(r->conn = player_connect(&c->player, ev->rec.conn, c->e)) || !get_data(c, r, ev)) {
		free(r);
		return false;
	}
	if (c->speed > 0)
		due += (uint64_t)((double)(ev->rec.time - MIN(c->first, ev->rec.time)) / c->speed);
	while (c->speed > 0 && monotonic_ns() < due)
		player_turn(&c->player, due);
	if (c->speed > 0 && ev->rec.type == REC_BEGIN)
		hist_add(&c->drift, monotonic_ns() - due, 1);
	c->requests[r->event.op]++;
	c->bytes += r->data ? r->event.len : 0;
	player_send(&c->player, r);
	if (c->verify)
		note_mixed(c, r);
	return true;
}

static bool end(struct replay *c, const struct fmt_event *ev)
{
	struct player_req *r = player_find(&c->player, ev->rec.conn, ev->rec.id);
	if (!r)
		return true;
	await(c, r);
	return settle(c, r, (int)ev->rec.err);
}

/* Those of a connection (UINT64_MAX: of all) that the recording has no answer to. */
static bool unanswered(struct replay *c, uint64_t conn)
{
	bool ok = true;
	list_for_each_safe(&c->player.reqs, l, n) {
		struct player_req *r = list_entry(l, struct player_req, link);
		if (conn != UINT64_MAX && r->event.conn != conn)
			continue;
		await(c, r);
		c->unanswered++;
		ok &= settle(c, r, -1);
	}
	return ok;
}

static bool see(void *arg, const struct fmt_event *ev)
{
	struct replay *c = arg;
	bool ok = true;

	if (!c->begun) {
		if (!c->input.in.times && !c->asap)
			say_error("%s: there are no times in it: as fast as possible", c->file);
		c->speed = c->input.in.times ? c->speed : 0;
		c->begun = true;
		c->first = ev->rec.time;
		if (ev->rec.conn && !player_connect(&c->player, ev->rec.conn, c->e)) { /* the clock starts when it is there */
			c->failed = true;
			return false;
		}
		c->zero = monotonic_ns();
	}
	c->last = ev->rec.time;
	if (ev->rec.type == REC_BEGIN || ev->rec.type == REC_CARRY)
		ok = begin(c, ev);
	else if (ev->rec.type == REC_END)
		ok = end(c, ev);
	else if (ev->rec.type == REC_LOSS)
		c->lost += ev->rec.len;
	else if (ev->rec.type == REC_CONNECT)
		ok = player_connect(&c->player, ev->rec.conn, c->e) != NULL;
	else if (ev->rec.type == REC_DISCONNECT && (ok = unanswered(c, ev->rec.conn)))
		player_disconnect(&c->player, ev->rec.conn);
	c->failed |= !ok;
	return ok;
}

/* --- all --- */

static void tell(const struct replay *c, uint64_t took)
{
	uint64_t all = 0;
	for (unsigned i = 0; i < REC_OPS; i++)
		all += c->requests[i];
	printf("requests    %" PRIu64 ":", all);
	for (unsigned i = 0; i < REC_OPS; i++)
		if (c->requests[i])
			printf(" %s %" PRIu64, fmt_ops[i], c->requests[i]);
	printf(", on %" PRIu64 " connections\n", c->player.opened);
	printf("data        %" PRIu64 " bytes read and written\n", c->bytes);
	printf("time        %.6f s, recorded %.6f s\n", (double)took / 1e9, (double)(c->last - c->first) / 1e9);
	if (c->speed > 0)
		printf("drift       p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", (double)hist_percentile(&c->drift, 5000) / 1e6,
		       (double)hist_percentile(&c->drift, 9900) / 1e6, (double)(c->drift.n ? c->drift.max : 0) / 1e6);
	printf("errors      %" PRIu64 "\n", c->errors);
	if (c->lost)
		printf("lost        %" PRIu64 " events are not in the recording\n", c->lost);
	if (c->healed)
		printf("healed      %" PRIu64 " that had failed when they were recorded\n", c->healed);
	if (c->unanswered)
		printf("unanswered  %" PRIu64 " in the recording\n", c->unanswered);
	if (c->made_up)
		printf("made up     the data of %" PRIu64 " writes: the recording has none\n", c->made_up);
	if (c->verify)
		printf("verified    %" PRIu64 " sectors as they should be, %" PRIu64 " not; %" PRIu64 " not known; %" PRIu64
		       " reads overlap a write\n", c->check.good, c->check.bad, c->check.unknown, c->mixed);
	if (c->verify && c->check.bad)
		printf("mismatch    the first at byte %" PRIu64 "\n", c->check.first_bad);
}

static int run(struct replay *c, struct err *e)
{
	struct player_conn *probe;
	struct err why = { 0 };
	int rc = input_open(&c->input, c->file, NULL, e);

	c->e = &why;
	player_init(&c->player, c->uri);
	prctl(PR_SET_TIMERSLACK, 1); /* ns */
	if (rc == 0 && !(probe = player_connect(&c->player, 0, e)))
		rc = -1;
	if (rc == 0) { /* of the size that its disk has; and errors come before anything is played */
		int64_t size = nbd_get_size(probe->nbd);
		if (size < 0 || (c->verify && !verify_init(&c->check, (uint64_t)size)))
			rc = err_set(e, "%s: %s", c->uri, size < 0 ? nbd_get_error() : "out of memory");
		player_disconnect(&c->player, 0);
		c->player.opened = 0;
	}
	if (rc == 0) {
		rc = c->input.in.reader->walk(&c->input.in, see, c, &why);
		if (rc < 0 || c->failed || !unanswered(c, UINT64_MAX))
			rc = err_set(e, "%s: %s", c->file, why.msg);
		write_notes(c->file, buf_str(&c->input.in.notes));
		if (rc == 0) {
			tell(c, c->begun ? monotonic_ns() - c->zero : 0);
			rc = fflush(stdout) ? err_set(e, "cannot write to stdout: %s", strerror(errno)) :
				c->errors || c->check.bad ? -1 : 0;
		}
	}
	c->e = NULL;
	player_free(&c->player);
	verify_free(&c->check);
	input_close(&c->input);
	return rc;
}

static int command(int argc, char **argv, struct err *e)
{
	static struct replay c; /* large */

	int r = parse_command(&c, argc, argv, e);
	return r ? r : run(&c, e);
}

int main(int argc, char **argv)
{
	return program_main("blkscope replay", argc, argv, command);
}
