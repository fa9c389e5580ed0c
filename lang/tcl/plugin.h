/* SPDX-License-Identifier: BSD-2-Clause */
/* plugin: nbdkit-tcl-plugin.so, disks written in Tcl; blkscope-tcl-plugin(3).  Written against nbdkit-plugin.h
 * alone, so other servers with that interface can load it as well.
 *
 * Who runs the script:
 *
 *   loaded on a thread of its own     blkscope: that thread also serves, so the interpreter lives there and a
 *                                     call is a call
 *   loaded on the process's main      nbdkit: connections have threads of their own, so one worker has the
 *   thread                            interpreter; after a fork another reads the script again
 *   the script says parallel or       workers, each with an interpreter that read the script and was configured
 *   serialize_requests                like the first; a connection has a handle in each that serves it
 *
 * A request of the server is a struct call (vm.h) that perform() takes to the right interpreter. */
#pragma once
#include <sys/types.h>
#include "worker.h"

enum { WORKERS_MAX = 64 };

struct setting {
	char *key, *value;
};

struct plugin {
	char *script;              /* absolute; NULL: not yet told */
	struct setting *settings;
	unsigned settings_count;
	bool direct;               /* the interpreter is at home, on the thread that loads */
	pthread_t owner;           /* which is this */
	struct vm home;
	struct worker workers[WORKERS_MAX];
	unsigned running;          /* of these */
	unsigned wanted;           /* interpreters that serve */
	int model;                 /* NBDKIT_THREAD_MODEL_* */
	pid_t pid;                 /* whose threads the workers are */
	int cwd;                   /* where we were when the script was read; or -1 */
};

extern struct plugin plugin;

/* plugin.c: the words for the log, the errno for the client; returns rc. */
int finish(struct call *c);
/* The interpreter that the steps of the start run in: 0, or -1 with everything told. */
int perform_first(struct call *c);
/* Does the script have this proc? */
bool there(enum proc proc);

/* serve.c: the callbacks of connections */
struct nbdkit_extents;
struct nbdkit_exports;
int tcl_preconnect(int readonly);
int tcl_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports);
const char *tcl_default_export(int readonly, int is_tls);
void *tcl_open(int readonly);
void tcl_close(void *h);
const char *tcl_export_description(void *h);
int64_t tcl_get_size(void *h);
int tcl_block_size(void *h, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum);
int tcl_can_write(void *h);
int tcl_can_flush(void *h);
int tcl_is_rotational(void *h);
int tcl_can_trim(void *h);
int tcl_can_zero(void *h);
int tcl_can_fast_zero(void *h);
int tcl_can_fua(void *h);
int tcl_can_multi_conn(void *h);
int tcl_can_cache(void *h);
int tcl_can_extents(void *h);
int tcl_pread(void *h, void *buf, uint32_t count, uint64_t offset, uint32_t flags);
int tcl_pwrite(void *h, const void *buf, uint32_t count, uint64_t offset, uint32_t flags);
int tcl_flush(void *h, uint32_t flags);
int tcl_trim(void *h, uint32_t count, uint64_t offset, uint32_t flags);
int tcl_zero(void *h, uint32_t count, uint64_t offset, uint32_t flags);
int tcl_cache(void *h, uint32_t count, uint64_t offset, uint32_t flags);
int tcl_extents(void *h, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *extents);
