/* SPDX-License-Identifier: BSD-2-Clause */
/* serve: a request of a connection on its way to an interpreter; for serve.c and data.c.
 * The server's thread fills in a struct io on its stack and waits; run() happens in the interpreter. */
#pragma once
#include "plugin.h"

struct conn {
	int readonly;
	unsigned pinned;           /* the interpreter that opened it first */
	unsigned count;            /* of handles, one for each interpreter */
	Tcl_Obj *handles[];        /* NULL: not open there.  That thread's, until the close */
};

struct io {
	struct call call;
	struct conn *conn;
	enum proc proc;
	const void *from;          /* pwrite */
	void *to;                  /* pread, or the list that is filled */
	uint32_t count, flags;
	uint64_t offset;
	int readonly, is_tls;      /* before there is a connection */
	int64_t number;            /* results: */
	uint32_t sizes[3];
	char *text;                /* malloc'd */
};

/* In that interpreter; 0, or -1 with everything told. */
int perform_in(struct io *io, unsigned index);
/* The connection's handle here; opens it when this interpreter sees it for the first time.  NULL: io has failed. */
Tcl_Obj *handle_of(struct vm *vm, struct io *io);
Tcl_Obj *new_bool(int yes);
