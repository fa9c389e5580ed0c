/* SPDX-License-Identifier: BSD-2-Clause */
/* vm: an interpreter that has read the script, and one call into it.
 *
 * An interpreter is only ever used by the thread that made it.  A vm belongs to a worker (worker.h), or to the
 * thread that loaded the plug-in when that is also the one that serves (plugin.c tells which).  Procs are looked up
 * after each step of the start and then remembered.
 *
 * A call ends with rc 0, or -1 with the words for the log and an errno for the client; the thread that asked for
 * it hands both to the server. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "compat.h"

enum proc {
	DUMP_PLUGIN, CONFIG, CONFIG_COMPLETE, THREAD_MODEL_PROC, GET_READY, AFTER_FORK, CLEANUP, PRECONNECT,
	LIST_EXPORTS, DEFAULT_EXPORT, EXPORT_DESCRIPTION, PLUGIN_OPEN, PLUGIN_CLOSE, GET_SIZE, BLOCK_SIZE,
	CAN_WRITE, CAN_FLUSH, IS_ROTATIONAL, CAN_TRIM, CAN_ZERO, CAN_FAST_ZERO, CAN_FUA, CAN_MULTI_CONN, CAN_CACHE, CAN_EXTENTS,
	PREAD, PWRITE, PLUGIN_FLUSH, TRIM, ZERO, CACHE, EXTENTS,
	PROCS
};

enum { ARGS_MAX = 6 }; /* of a proc, without its name */

enum call_state { CALL_WAITS, CALL_ASKS, CALL_DONE, CALL_SLEEPS = 4 /* or-ed: the other side sleeps until it changes */ };

struct worker;
struct call;

struct vm {
	Tcl_Interp *tcl;
	struct worker *worker;     /* NULL: on the thread that loaded the plug-in */
	unsigned index;            /* among those that hold handles */
	struct call *current;      /* whom we work for */
	bool serving;              /* the start is over: exit ends the server */
	Tcl_Obj *names[PROCS];
	struct { bool there, flags; } procs[PROCS];
};

/* The first member of what a kind of call needs. */
struct call {
	void (*run)(struct vm *vm, struct call *c);
	int rc;
	int errnum;                /* for the client when rc is -1 */
	char *words;               /* malloc'd; for the log when rc is -1; or NULL */
	/* on its way, worker.c */
	struct call *next;
	atomic_int state;          /* enum call_state; the thread that waits sleeps on it */
	void (*ask)(void *arg);    /* what the thread that waits is asked to do */
	void *ask_arg;
};

/* A new interpreter, on this thread, that has read the script. */
int vm_start(struct vm *vm, struct call *c, const char *script);
void vm_stop(struct vm *vm);
void vm_look_up(struct vm *vm);

/* Call a proc with n words, each new or counted by its owner.  Its value, counted once more, or NULL: c has failed. */
Tcl_Obj *vm_call(struct vm *vm, struct call *c, enum proc proc, int n, Tcl_Obj *const args[]);
/* The same for a proc whose value does not matter. */
int vm_do(struct vm *vm, struct call *c, enum proc proc, int n, Tcl_Obj *const args[]);

const char *vm_proc_name(enum proc proc);
int vm_fail(struct call *c, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* c fails with what the interpreter's result says about the value of a proc. */
int vm_bad_value(struct vm *vm, struct call *c, enum proc proc);

/* commands.c: the commands nbd::... and our exit */
void commands_add(struct vm *vm);
/* buffer.c: nbd::buffer */
int buffer_command(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const args[]);
/* The number of NAME in errno.h, or 0. */
int errno_of(const char *name);
