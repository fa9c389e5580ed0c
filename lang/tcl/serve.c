/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections begin and end, and what their exports can do: each a call into the script. */
#define NBDKIT_API_VERSION 2
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "nbdkit-plugin.h"
#include "serve.h"
#include "text.h"

/* --- which interpreter --- */

int perform_in(struct io *io, unsigned index)
{
	if (plugin.running) {
		worker_call(&plugin.workers[index], &io->call);
	} else if (pthread_equal(pthread_self(), plugin.owner)) {
		io->call.run(&plugin.home, &io->call);
	} else {
		vm_fail(&io->call, EIO, "this server loads plug-ins on one thread and calls them on another: not supported");
	}
	return finish(&io->call);
}

/* What is asked of a connection, by the interpreter that opened it. */
static int perform(struct io *io)
{
	return perform_in(io, io->conn ? io->conn->pinned : 0);
}

/* --- in the interpreter --- */

Tcl_Obj *new_bool(int yes)
{
	return Tcl_NewWideIntObj(yes != 0);
}

Tcl_Obj *handle_of(struct vm *vm, struct io *io)
{
	Tcl_Obj **h = &io->conn->handles[vm->index];
	if (!*h)
		*h = vm_call(vm, &io->call, PLUGIN_OPEN, 1, (Tcl_Obj *[]){ new_bool(io->conn->readonly) });
	return *h;
}

static void run_open(struct vm *vm, struct call *c)
{
	handle_of(vm, (struct io *)c);
}

static void run_close(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Obj *h = io->conn->handles[vm->index];
	io->conn->handles[vm->index] = NULL;
	if (vm->procs[PLUGIN_CLOSE].there)
		vm_do(vm, c, PLUGIN_CLOSE, 1, &h);
	Tcl_DecrRefCount(h);
}

/* PROC handle, or PROC readonly is_tls for what is no matter of a connection. */
static Tcl_Obj *ask(struct vm *vm, struct io *io)
{
	if (!io->conn)
		return vm_call(vm, &io->call, io->proc, 2, (Tcl_Obj *[]){ new_bool(io->readonly), new_bool(io->is_tls) });
	Tcl_Obj *h = handle_of(vm, io);
	return h ? vm_call(vm, &io->call, io->proc, 1, &h) : NULL;
}

static void run_bool(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	int yes;
	Tcl_Obj *value = ask(vm, io);
	if (!value)
		return;
	if (Tcl_GetBooleanFromObj(vm->tcl, value, &yes) == TCL_OK)
		io->number = yes;
	else
		vm_bad_value(vm, c, io->proc);
	Tcl_DecrRefCount(value);
}

/* none, emulate, native: the same numbers for FUA and CACHE. */
static void run_degree(struct vm *vm, struct call *c)
{
	static const char *const words[] = { "none", "emulate", "native", NULL };
	struct io *io = (struct io *)c;
	int which;
	Tcl_Obj *value = ask(vm, io);
	if (!value)
		return;
	if (Tcl_GetIndexFromObj(vm->tcl, value, words, "value", TCL_EXACT, &which) == TCL_OK)
		io->number = which;
	else
		vm_bad_value(vm, c, io->proc);
	Tcl_DecrRefCount(value);
}

static void run_size(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_WideInt n;
	Tcl_Obj *value = ask(vm, io);
	if (!value)
		return;
	if (Tcl_GetWideIntFromObj(vm->tcl, value, &n) != TCL_OK)
		vm_bad_value(vm, c, io->proc);
	else if (n < 0)
		vm_fail(c, EIO, "get_size: a size is not negative: %" PRId64, (int64_t)n);
	else
		io->number = n;
	Tcl_DecrRefCount(value);
}

static void run_text(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Obj *value = ask(vm, io);
	if (!value)
		return;
	io->text = text_to_wire(value);
	Tcl_DecrRefCount(value);
}

static void run_block_size(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Obj **words, *value = ask(vm, io);
	Tcl_Size n;
	if (!value)
		return;
	if (Tcl_ListObjGetElements(NULL, value, &n, &words) != TCL_OK || n != 3)
		vm_fail(c, EIO, "block_size: expected a list of three: minimum, preferred, maximum");
	else
		for (int i = 0; i < 3 && c->rc == 0; i++) {
			Tcl_WideInt size;
			if (Tcl_GetWideIntFromObj(vm->tcl, words[i], &size) != TCL_OK)
				vm_bad_value(vm, c, BLOCK_SIZE);
			else if (size < 0 || size > UINT32_MAX)
				vm_fail(c, EIO, "block_size: out of range: %" PRId64, (int64_t)size);
			else
				io->sizes[i] = (uint32_t)size;
		}
	Tcl_DecrRefCount(value);
}

static void run_preconnect(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	vm_do(vm, c, PRECONNECT, 1, (Tcl_Obj *[]){ new_bool(io->readonly) });
}

static int add_export(struct nbdkit_exports *exports, Tcl_Size n, Tcl_Obj *const words[])
{
	char *name = n ? text_to_wire(words[0]) : NULL, *text = n == 2 ? text_to_wire(words[1]) : NULL;
	int rc = nbdkit_add_export(exports, name ? name : "", text);
	free(name);
	free(text);
	return rc;
}

/* A list of {NAME ?DESCRIPTION?}. */
static void run_list_exports(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Obj **items, **words, *value = ask(vm, io);
	Tcl_Size n, k;
	if (!value)
		return;
	if (Tcl_ListObjGetElements(vm->tcl, value, &n, &items) != TCL_OK)
		n = 0, vm_bad_value(vm, c, io->proc);
	for (Tcl_Size i = 0; i < n && c->rc == 0; i++)
		if (Tcl_ListObjGetElements(vm->tcl, items[i], &k, &words) != TCL_OK)
			vm_bad_value(vm, c, io->proc);
		else if (k > 2)
			vm_fail(c, EIO, "list_exports: '%s' is not a name, or a name and a description", Tcl_GetString(items[i]));
		else if (add_export(io->to, k, words) < 0)
			vm_fail(c, EIO, "list_exports: '%s' was refused", Tcl_GetString(items[i]));
	Tcl_DecrRefCount(value);
}

/* --- callbacks: before a connection, and its beginning and end --- */

int tcl_preconnect(int readonly)
{
	struct io io = { .call.run = run_preconnect, .readonly = readonly };
	return there(PRECONNECT) ? perform(&io) : 0;
}

int tcl_list_exports(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	struct io io = { .call.run = run_list_exports, .proc = LIST_EXPORTS, .readonly = readonly, .is_tls = is_tls, .to = exports };
	return there(LIST_EXPORTS) ? perform(&io) : nbdkit_use_default_export(exports);
}

/* The text of a call, for as long as the connection lives. */
static const char *text_of(struct io *io)
{
	const char *s = perform(io) == 0 && io->text ? nbdkit_strdup_intern(io->text) : NULL;
	free(io->text);
	return s;
}

const char *tcl_default_export(int readonly, int is_tls)
{
	struct io io = { .call.run = run_text, .proc = DEFAULT_EXPORT, .readonly = readonly, .is_tls = is_tls };
	return there(DEFAULT_EXPORT) ? text_of(&io) : "";
}

const char *tcl_export_description(void *h)
{
	struct io io = { .call.run = run_text, .conn = h, .proc = EXPORT_DESCRIPTION };
	return there(EXPORT_DESCRIPTION) ? text_of(&io) : NULL;
}

void *tcl_open(int readonly)
{
	static atomic_uint turn;
	unsigned count = plugin.running ? plugin.running : 1;
	struct conn *conn = calloc(1, sizeof *conn + count * sizeof conn->handles[0]);
	struct io io = { .call.run = run_open, .conn = conn };

	if (!conn) {
		nbdkit_error("out of memory");
		nbdkit_set_error(ENOMEM);
		return NULL;
	}
	conn->readonly = readonly;
	conn->count = count;
	conn->pinned = atomic_fetch_add(&turn, 1) % count;
	if (perform(&io) == 0)
		return conn;
	free(conn);
	return NULL;
}

void tcl_close(void *h)
{
	struct conn *conn = h;
	for (unsigned i = 0; i < conn->count; i++) {
		struct io io = { .call.run = run_close, .conn = conn };
		if (conn->handles[i]) /* its requests are over: nobody writes here any more */
			perform_in(&io, i);
	}
	free(conn);
}

/* --- callbacks: what an export can do --- */

static int64_t asked(void *h, enum proc proc, void (*run)(struct vm *, struct call *))
{
	struct io io = { .call.run = run, .conn = h, .proc = proc };
	return perform(&io) < 0 ? -1 : io.number;
}

/* The answer of proc, or what it means that there is none. */
static int can(void *h, enum proc proc, bool otherwise)
{
	return there(proc) ? (int)asked(h, proc, run_bool) : otherwise;
}

int64_t tcl_get_size(void *h)
{
	return asked(h, GET_SIZE, run_size);
}

int tcl_block_size(void *h, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	struct io io = { .call.run = run_block_size, .conn = h, .proc = BLOCK_SIZE };
	if (there(BLOCK_SIZE) && perform(&io) < 0)
		return -1;
	*minimum = io.sizes[0];
	*preferred = io.sizes[1];
	*maximum = io.sizes[2];
	return 0;
}

int tcl_can_write(void *h)
{
	return can(h, CAN_WRITE, there(PWRITE));
}

int tcl_can_flush(void *h)
{
	return can(h, CAN_FLUSH, there(PLUGIN_FLUSH));
}

int tcl_is_rotational(void *h)
{
	return can(h, IS_ROTATIONAL, false);
}

int tcl_can_trim(void *h)
{
	return can(h, CAN_TRIM, there(TRIM));
}

int tcl_can_zero(void *h)
{
	return there(ZERO) ? can(h, CAN_ZERO, true) : 0;
}

/* Without zero the server writes, which is never fast, and says so at once. */
int tcl_can_fast_zero(void *h)
{
	if (there(CAN_FAST_ZERO))
		return can(h, CAN_FAST_ZERO, false);
	int zero = tcl_can_zero(h);
	return zero < 0 ? -1 : !zero;
}

/* Never promised by itself when nothing can be flushed. */
int tcl_can_fua(void *h)
{
	if (there(CAN_FUA))
		return (int)asked(h, CAN_FUA, run_degree);
	int flush = tcl_can_flush(h);
	return flush < 0 ? -1 : flush ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE;
}

int tcl_can_multi_conn(void *h)
{
	return can(h, CAN_MULTI_CONN, false);
}

int tcl_can_cache(void *h)
{
	return there(CAN_CACHE) ? (int)asked(h, CAN_CACHE, run_degree) : there(CACHE) ? NBDKIT_CACHE_NATIVE : NBDKIT_CACHE_NONE;
}

int tcl_can_extents(void *h)
{
	return there(EXTENTS) ? can(h, CAN_EXTENTS, true) : 0;
}
