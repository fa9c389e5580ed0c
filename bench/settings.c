/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "base/parse.h"

enum { MAX_CONNECTIONS = 100000, MAX_DEPTH = 65536, MAX_THREADS = 256, MAX_PID = 4194304 };
#define MAX_FLYING MIB(1024) /* bytes of payload in flight on one connection */

static const char help[] =
	"bench-load [OPTION...] WHERE: load for an NBD server\n"
	"WHERE is a Unix socket's path (with a '/') or HOST:PORT.\n"
	"  --connections=N    connections [1]\n"
	"  --depth=N          requests in flight on each [1]\n"
	"  --threads=N        client threads [one per connection up to 4]\n"
	"  --op=OP            read, write, or mixed [read]\n"
	"  --read-percent=N   of mixed [50]\n"
	"  --size=SIZE        bytes of a request [4k]\n"
	"  --range=SIZE       bytes of the disk to use, from its start [all]\n"
	"  --sequential       each connection goes through its share in order [random]\n"
	"  --scattered        in far steps that meet no block twice; so with one connection\n"
	"  --seconds=TIME     how long to measure [1]\n"
	"  --requests=N       stop after this many instead\n"
	"  --warmup=TIME      run this long before measuring [0.1]\n"
	"  --structured       ask for structured replies\n"
	"  --export=NAME      export name [\"\"]\n"
	"  --verify           fill the range, check what is read, and at the end all of the range\n"
	"  --idle=N           open N more connections that stay idle [0]\n"
	"  --server-pid=PID   report CPU, threads, switches and memory of this process\n"
	"  --timeout=N        give up after N seconds in all [120]\n";

enum { O_CONNECTIONS = 1, O_DEPTH, O_THREADS, O_OP, O_READ_PERCENT, O_SIZE, O_RANGE, O_SEQUENTIAL, O_SCATTERED, O_SECONDS,
       O_REQUESTS, O_WARMUP, O_STRUCTURED, O_EXPORT, O_VERIFY, O_IDLE, O_SERVER_PID, O_TIMEOUT, O_HELP };

static const struct option options[] = {
	{ "connections", required_argument, NULL, O_CONNECTIONS },
	{ "depth", required_argument, NULL, O_DEPTH },
	{ "threads", required_argument, NULL, O_THREADS },
	{ "op", required_argument, NULL, O_OP },
	{ "read-percent", required_argument, NULL, O_READ_PERCENT },
	{ "size", required_argument, NULL, O_SIZE },
	{ "range", required_argument, NULL, O_RANGE },
	{ "sequential", no_argument, NULL, O_SEQUENTIAL },
	{ "scattered", no_argument, NULL, O_SCATTERED },
	{ "seconds", required_argument, NULL, O_SECONDS },
	{ "requests", required_argument, NULL, O_REQUESTS },
	{ "warmup", required_argument, NULL, O_WARMUP },
	{ "structured", no_argument, NULL, O_STRUCTURED },
	{ "export", required_argument, NULL, O_EXPORT },
	{ "verify", no_argument, NULL, O_VERIFY },
	{ "idle", required_argument, NULL, O_IDLE },
	{ "server-pid", required_argument, NULL, O_SERVER_PID },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "help", no_argument, NULL, O_HELP },
	{ 0 }
};

static int parse_op(struct settings *s, const char *op, struct err *e)
{
	if (!strcmp(op, "read"))
		s->read_percent = 100;
	else if (!strcmp(op, "write"))
		s->read_percent = 0;
	else if (!strcmp(op, "mixed"))
		s->read_percent = 50;
	else
		return err_set(e, "--op: \"%s\" is neither read nor write nor mixed", op);
	return 0;
}

static int set_option(struct settings *s, int o, const char *v, struct err *e)
{
	uint64_t n = 0;
	int bad;
	switch (o) {
	case O_CONNECTIONS: return parse_unsigned("--connections", v, 1, MAX_CONNECTIONS, &s->connections, e);
	case O_DEPTH: return parse_unsigned("--depth", v, 1, MAX_DEPTH, &s->work.depth, e);
	case O_THREADS: return parse_unsigned("--threads", v, 1, MAX_THREADS, &s->threads, e);
	case O_OP: return parse_op(s, v, e);
	case O_READ_PERCENT: return parse_unsigned("--read-percent", v, 0, 100, &s->read_percent, e);
	case O_RANGE: return parse_size("--range", v, &s->range, e);
	case O_SECONDS: return parse_duration("--seconds", v, &s->seconds, e);
	case O_REQUESTS: return parse_u64("--requests", v, 1, UINT64_MAX, &s->requests, e);
	case O_WARMUP: return parse_duration("--warmup", v, &s->warmup, e);
	case O_IDLE: return parse_unsigned("--idle", v, 0, MAX_CONNECTIONS, &s->idle, e);
	case O_SERVER_PID: return parse_unsigned("--server-pid", v, 1, MAX_PID, &s->server_pid, e);
	case O_TIMEOUT: return parse_unsigned("--timeout", v, 1, 86400, &s->timeout, e);
	case O_SEQUENTIAL: s->sequential = true; return 0;
	case O_SCATTERED: s->scattered = true; return 0;
	case O_STRUCTURED: s->work.structured = true; return 0;
	case O_VERIFY: s->verify = true; return 0;
	case O_EXPORT: s->work.export = v; return 0;
	case O_SIZE:
		bad = parse_size("--size", v, &n, e);
		if (!bad && (!n || n > MIB(32)))
			return err_set(e, "--size: from 1 byte to 32M, not \"%s\"", v);
		s->work.size = (uint32_t)n;
		return bad;
	}
	return err_set(e, "--help tells the options");
}

int settings_read(struct settings *s, int argc, char **argv, struct err *e)
{
	int o;
	*s = (struct settings){ .work = { .export = "", .size = 4096, .depth = 1 }, .connections = 1,
		.read_percent = 100, .seconds = NS_PER_S, .warmup = NS_PER_S / 10, .timeout = 120 };
	opterr = 0;
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == O_HELP)
			return fputs(help, stdout) < 0 ? -1 : 1;
		if (o == '?')
			return err_set(e, "%s: unknown option, or its value is missing or unwanted (see --help)", argv[optind - 1]);
		if (set_option(s, o, optarg, e) < 0)
			return -1;
	}
	if (optind != argc - 1)
		return err_set(e, "one server expected: a socket's path or HOST:PORT (see --help)");
	s->work.where = argv[optind];
	s->threads = MIN(s->threads ? s->threads : 4, s->connections);
	if ((uint64_t)s->work.depth * s->work.size > MAX_FLYING)
		return err_set(e, "--depth times --size is more than 1 GiB");
	return 0;
}
