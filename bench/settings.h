/* SPDX-License-Identifier: BSD-2-Clause */
/* settings: bench-load's command line.
 * Strings are borrowed from argv; main thread, once. */
#pragma once
#include "client.h"

struct settings {
	struct work work;
	unsigned connections, threads, idle;
	unsigned read_percent;
	bool sequential, scattered, verify;
	uint64_t range;                /* bytes, 0 for the whole disk */
	uint64_t seconds, warmup;      /* ns */
	uint64_t requests;             /* 0: bounded by seconds */
	unsigned timeout;              /* s */
	unsigned server_pid;           /* 0: not asked for */
};

/* 0, 1 when help was asked for and printed, or -1 with e set. */
int settings_read(struct settings *s, int argc, char **argv, struct err *e);
