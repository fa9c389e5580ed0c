/* SPDX-License-Identifier: BSD-2-Clause */
/* bench-tls: load over TLS, by libnbd: a client that many have, the same for all servers.
 * One connection, one thread; its own share of the CPU is larger than bench-load's, so compare the servers' CPU, too. */
#include <inttypes.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/parse.h"
#include "cost.h"

enum { MAX_DEPTH = 1024, MAX_SIZE = 32 << 20 };

struct slot {
	struct load *load;
	char *data;           /* load.size bytes, ours */
};

struct load {
	struct nbd_handle *nbd;
	bool write, failed;
	uint64_t size, blocks; /* of a request; of the disk, in requests */
	uint64_t until;        /* ns: no request is sent after that */
	uint64_t done, flying, random;
};

static uint64_t now(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int answered(void *arg, int *error);

static void ask(struct slot *s)
{
	struct load *l = s->load;
	nbd_completion_callback then = { .callback = answered, .user_data = s };

	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	uint64_t off = l->random % l->blocks * l->size;
	int64_t cookie = l->write ? nbd_aio_pwrite(l->nbd, s->data, l->size, off, then, 0)
				  : nbd_aio_pread(l->nbd, s->data, l->size, off, then, 0);
	l->failed |= cookie < 0;
	l->flying += cookie >= 0;
}

/* libnbd holds its lock: the next request is sent by the loop below. */
static struct slot *idle[MAX_DEPTH];
static unsigned idles;

static int answered(void *arg, int *error)
{
	struct slot *s = arg;
	s->load->done++;
	s->load->flying--;
	s->load->failed |= *error != 0;
	idle[idles++] = s;
	return 1;
}

/* False: the connection failed. */
static bool run(struct load *l)
{
	do {
		while (idles && now(CLOCK_MONOTONIC) < l->until && !l->failed)
			ask(idle[--idles]);
		if (l->flying && nbd_poll(l->nbd, -1) < 0)
			l->failed = true;
	} while (!l->failed && (l->flying || now(CLOCK_MONOTONIC) < l->until));
	return !l->failed;
}

static int measure(struct load *l, struct slot *slots, unsigned depth, uint64_t seconds, pid_t pid, struct err *e)
{
	struct cost before, after;
	int64_t disk = nbd_get_size(l->nbd);

	if (disk < (int64_t)l->size)
		return err_set(e, "the disk is too small");
	l->blocks = (uint64_t)disk / l->size;
	for (unsigned i = 0; i < depth; i++) {
		slots[i] = (struct slot){ l, malloc(l->size) };
		if (!slots[i].data)
			return err_set(e, "out of memory");
		memset(slots[i].data, (int)i + 1, l->size);
		idle[idles++] = &slots[i];
	}
	l->until = now(CLOCK_MONOTONIC) + seconds / 8; /* warm up */
	if (!run(l) || cost_read(pid, &before, e) < 0)
		return err_set(e, "%s", l->failed ? nbd_get_error() : e->msg);
	l->done = 0;
	uint64_t began = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	l->until = began + seconds;
	if (!run(l))
		return err_set(e, "a request failed: %s", nbd_get_error());
	double took = (double)(now(CLOCK_MONOTONIC) - began) / 1e9, n = l->done ? (double)l->done : 1;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (cost_read(pid, &after, e) < 0)
		return -1;
	printf("requests=%" PRIu64 " seconds=%.6f iops=%.0f mb_s=%.1f client_cpu_us=%.3f server_cpu_us=%.3f\n", l->done, took, n / took,
	       n * (double)l->size / took / 1e6, (double)cpu / 1e3 / n, (double)(after.cpu - before.cpu) / 1e3 / n);
	return 0;
}

int main(int argc, char **argv)
{
	struct load l = { .random = 88172645463325252u };
	struct slot slots[MAX_DEPTH] = { { 0 } };
	struct err e = { .msg = "bench-tls PID read|write SIZE DEPTH SECONDS URI" };
	unsigned depth = 0, pid = 0;
	uint64_t seconds = 0;
	int rc = -1;

	if (argc == 7 && parse_unsigned("PID", argv[1], 1, 4194304, &pid, &e) == 0 && parse_size("SIZE", argv[3], &l.size, &e) == 0
	    && parse_unsigned("DEPTH", argv[4], 1, MAX_DEPTH, &depth, &e) == 0 && parse_duration("SECONDS", argv[5], &seconds, &e) == 0) {
		l.write = strcmp(argv[2], "write") == 0;
		l.nbd = nbd_create();
		if (!l.size || l.size > MAX_SIZE)
			err_set(&e, "SIZE: from 1 byte to 32M");
		else if (!l.nbd || nbd_set_uri_allow_local_file(l.nbd, true) < 0 || nbd_connect_uri(l.nbd, argv[6]) < 0)
			err_set(&e, "%s", nbd_get_error());
		else if (!nbd_get_tls_negotiated(l.nbd))
			err_set(&e, "no TLS");
		else
			rc = measure(&l, slots, depth, seconds, (pid_t)pid, &e);
		nbd_close(l.nbd);
	}
	for (unsigned i = 0; i < MAX_DEPTH; i++)
		free(slots[i].data);
	if (rc < 0)
		fprintf(stderr, "bench-tls: error: %s\n", e.msg);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
