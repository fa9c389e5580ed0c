/* SPDX-License-Identifier: BSD-2-Clause */
/* bench-genlog: a log as our log filter writes it, of as many lines as asked for, to stdout.
 *
 *     bench-genlog [--lines=N] [--size=SIZE] [--connections=N] [--depth=N] [--rate=N] [--live]
 *
 * Some connections keep `depth` requests in flight each, all over the disk, answered in no
 * order: of 16 requests 8 are reads, 5 writes, one each a trim, a zero and a flush or a longer
 * write.  Made of a counter and a fixed seed: the same options give the same bytes.  `rate`
 * lines share a second of the stamps.  With --live the stamps are the wall clock's and lines
 * are written when it is their time, every FLUSH_NS as the filter does, and stderr tells at
 * the end how far behind its rate the writing ever was. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/parse.h"
#include "base/say.h"
#include "base/util.h"
#include "trace/event.h"
#include "trace/logline.h"

#define FLUSH_NS (20 * NS_PER_MS)
#define START_NS (1767225600 * NS_PER_S) /* 2026-01-01 */
#define BLOCK 4096u
#define LONG_BLOCKS 16u /* of a trim, a zero or a longer write */
enum { ROOM = 1 << 16, SLOTS_MAX = 1 << 15 };

struct slot {
	uint64_t id; /* 0: nothing in flight */
	uint8_t op;
};

struct maker {
	uint64_t lines, size, rate; /* as asked for */
	unsigned connections, depth;
	bool live;
	uint64_t made;              /* lines */
	uint64_t start, late;       /* ns; late: the most */
	uint64_t random;
	uint64_t *last_id;          /* of each connection, ours */
	struct slot *slot;          /* connections * depth, ours */
	struct logstamp stamp;
	size_t len;
	char buf[ROOM];
};

static const char *const names[EV_OPS] = { "Read", "Write", "Trim", "Zero", "Flush", "Cache", "Extents" };

static uint64_t draw(struct maker *m)
{
	uint64_t x = m->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return m->random = x;
}

static uint64_t wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int flush(struct maker *m, struct err *e)
{
	for (size_t at = 0; at < m->len;) {
		ssize_t n = write(STDOUT_FILENO, m->buf + at, m->len - at);
		if (n < 0 && errno != EINTR)
			return err_set(e, "cannot write: %s", strerror(errno));
		at += n > 0 ? (size_t)n : 0;
	}
	m->len = 0;
	return 0;
}

/* Live, nothing is written before its time. */
static int wait_until(struct maker *m, uint64_t due, struct err *e)
{
	uint64_t now = wall_ns();

	if (now < due) {
		if (flush(m, e) < 0)
			return -1;
		uint64_t until = MAX(due, now + FLUSH_NS) - now;
		nanosleep(&(struct timespec){ .tv_nsec = (long)until }, NULL);
	} else {
		m->late = MAX(m->late, now - due);
	}
	return 0;
}

/* ---- lines ---- */

static char *begin_line(struct maker *m, unsigned conn)
{
	uint64_t ns = m->start + m->made++ * NS_PER_S / m->rate;
	struct timespec ts = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
	char *p = logline_stamp(m->buf + m->len, &m->stamp, &ts);

	p = logline_dec(logline_text(p, " connection="), conn + 1);
	return logline_text(p, " ");
}

static void end_line(struct maker *m, char *p)
{
	*p++ = '\n';
	m->len = (size_t)(p - m->buf);
}

static void say_connect(struct maker *m, unsigned conn)
{
	char *p = begin_line(m, conn);

	p = logline_hex(logline_text(p, "Connect export=\"\" tls=0 size="), m->size);
	end_line(m, logline_text(p, " minsize=0x0 prefsize=0x0 maxsize=0x0 write=1 flush=1 rotational=0 trim=1 zero=2"
		" fua=2 extents=1 cache=2 fast_zero=1"));
}

static void say_begin(struct maker *m, unsigned conn, struct slot *s)
{
	static const uint8_t mix[16] = { EV_READ, EV_READ, EV_READ, EV_READ, EV_READ, EV_READ, EV_READ, EV_READ,
		EV_WRITE, EV_WRITE, EV_WRITE, EV_WRITE, EV_WRITE, EV_TRIM, EV_ZERO, EV_FLUSH };
	uint64_t dice = draw(m), count = BLOCK;
	bool seldom = dice & 16; /* every other of the last kind is a longer write */
	uint8_t op = mix[dice % 16];

	if (op == EV_FLUSH && seldom)
		op = EV_WRITE;
	else
		seldom = op == EV_TRIM || op == EV_ZERO;
	if (seldom)
		count = MIN(BLOCK * LONG_BLOCKS, m->size);
	*s = (struct slot){ ++m->last_id[conn], op };
	char *p = logline_text(begin_line(m, conn), names[op]);
	p = logline_dec(logline_text(p, " id="), s->id);
	if (op != EV_FLUSH) {
		uint64_t places = (m->size - count) / BLOCK + 1;
		p = logline_hex(logline_text(p, " offset="), draw(m) % places * BLOCK);
		p = logline_hex(logline_text(p, " count="), count);
	}
	if (op == EV_ZERO)
		p = logline_text(p, " trim=1 fua=0 fast=0");
	else if (op == EV_WRITE || op == EV_TRIM)
		p = logline_text(p, " fua=0");
	end_line(m, logline_text(p, " ..."));
}

static void say_end(struct maker *m, unsigned conn, struct slot *s)
{
	char *p = logline_text(logline_text(begin_line(m, conn), "..."), names[s->op]);

	p = logline_dec(logline_text(p, " id="), s->id);
	end_line(m, logline_text(p, " return=0"));
	s->id = 0;
}

/* Fill all slots; then what is in flight in one of them, by chance, ends, and the next begins there. */
static int make(struct maker *m, struct err *e)
{
	unsigned slots = m->connections * m->depth, filled = 0;

	m->start = m->live ? wall_ns() : START_NS;
	for (unsigned i = 0; i < m->connections && m->made < m->lines; i++)
		say_connect(m, i);
	for (unsigned at = 0; m->made < m->lines;) {
		struct slot *s = &m->slot[at];
		if (m->len > ROOM - 2 * LOGLINE_MAX && flush(m, e) < 0)
			return -1;
		if (m->live && wait_until(m, m->start + m->made * NS_PER_S / m->rate, e) < 0)
			return -1;
		if (s->id) {
			say_end(m, at / m->depth, s);
		} else {
			say_begin(m, at / m->depth, s);
			at = filled + 1 < slots ? ++filled : (unsigned)(draw(m) % slots);
		}
	}
	return flush(m, e);
}

/* ---- the command line ---- */

static const char usage[] =
	"usage: bench-genlog [--lines=N] [--size=SIZE] [--connections=N] [--depth=N] [--rate=N] [--live]\n";

static int read_options(struct maker *m, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "lines", required_argument, NULL, 'l' }, { "size", required_argument, NULL, 's' },
		{ "connections", required_argument, NULL, 'c' }, { "depth", required_argument, NULL, 'd' },
		{ "rate", required_argument, NULL, 'r' }, { "live", no_argument, NULL, 'L' }, { 0 },
	};
	int opt, r = 0;

	while (!r && (opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'l')
			r = parse_u64("--lines", optarg, 1, UINT32_MAX, &m->lines, e);
		else if (opt == 's')
			r = parse_size("--size", optarg, &m->size, e);
		else if (opt == 'c')
			r = parse_unsigned("--connections", optarg, 1, SLOTS_MAX, &m->connections, e);
		else if (opt == 'd')
			r = parse_unsigned("--depth", optarg, 1, SLOTS_MAX, &m->depth, e);
		else if (opt == 'r')
			r = parse_u64("--rate", optarg, 1, NS_PER_S, &m->rate, e);
		else if (opt == 'L')
			m->live = true;
		else
			r = err_set(e, "%s", usage);
	}
	if (!r && optind < argc)
		r = err_set(e, "%s", usage);
	if (!r && (m->size < BLOCK || (uint64_t)m->connections * m->depth > SLOTS_MAX))
		r = err_set(e, "a disk has 4096 bytes at least, and %d requests are in flight at most", SLOTS_MAX);
	return r;
}

int main(int argc, char **argv)
{
	static struct maker m = { .lines = 1000000, .size = 64 << 20, .connections = 4, .depth = 32, .rate = 400000,
		.random = 88172645463325252u };
	struct err e = { 0 };

	say_start("bench-genlog", SAY_STDERR, false);
	signal(SIGPIPE, SIG_IGN);
	int r = read_options(&m, argc, argv, &e);
	if (!r) {
		m.slot = calloc((size_t)m.connections * m.depth, sizeof *m.slot);
		m.last_id = calloc(m.connections, sizeof *m.last_id);
		r = m.slot && m.last_id ? make(&m, &e) : err_set(&e, "out of memory");
	}
	if (r)
		say_error("%s", e.msg);
	else if (m.live)
		fprintf(stderr, "late_ms=%.1f\n", (double)m.late / NS_PER_MS);
	free(m.slot);
	free(m.last_id);
	return r != 0;
}
