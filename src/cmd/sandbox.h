/* SPDX-License-Identifier: BSD-2-Clause */
/* sandbox: the process gives up what the plug-in and filters of its command line do not need (core/needs.h).
 *
 *     sandbox_enter()   before any thread is started, since each inherits what its maker has: no new privileges, no
 *                       capabilities, Landlock's rules about files and TCP
 *     sandbox_seal()    before the first byte of a client is read: the filter of system calls (seccomp), for all
 *                       threads; and all of the above where it had to wait
 *
 * A system call that is not needed fails with EPERM and the server goes on: a memory disk that dies for a call that
 * nobody thought of is worse than an attacker who learns that he is locked in.  With BLKSCOPE_SANDBOX=trap in the
 * environment it is told on stderr and ends the server: how the tests find what nobody thought of.
 * A build with sanitizers has neither filter nor rules: their runtimes make calls of their own. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"
#include "cmd/args.h"
#include "core/needs.h"

struct sandbox {
	/* The caller's. */
	enum sandbox_mode mode;
	const struct stages *stages;
	bool readonly;           /* -r */
	bool syslog;             /* errors may go there */
	bool locks_memory;       /* --swap */
	const char *private_dir; /* of the socket, to be removed at the end; or NULL */
	const char *pidfile, *unix_path; /* to be removed when we cannot start; or NULL */
	pid_t child;             /* of --run, to be ended at the end; 0: none */
	/* Ours. */
	struct needs needs;
	bool filters;            /* seal with the filter of what is needed */
	bool denies;             /* ... or with the list of what no disk needs */
	bool entered;
};

/* Whether this build confines at all. */
bool sandbox_built(void);
/* 0, or -1 with e set: only with SANDBOX_ON.  Main thread. */
int sandbox_enter(struct sandbox *s, struct err *e);
int sandbox_seal(struct sandbox *s, struct err *e);

/* --- the parts; each 0, or -1 with errno --- */

/* sandbox_landlock.c: the rules, for this thread and those it makes.  *abi: Landlock's version here. */
int sandbox_landlock(struct sandbox *s, int *abi);
/* sandbox_seccomp.c: all threads.  Just what needs.what says, or all but what no disk needs. */
int sandbox_filter(const struct sandbox *s);
int sandbox_deny(void);
int sandbox_has_filters(void);
