/* SPDX-License-Identifier: BSD-2-Clause */
/* What connections ask, each a call into the script. */
#define NBDKIT_API_VERSION 2
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "nbdkit-plugin.h"
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

/* --- which interpreter --- */

static unsigned least_busy(void)
{
	unsigned best = 0, least = ~0u;
	for (unsigned i = 0; i < plugin.running && least; i++) {
		unsigned load = atomic_load(&plugin.workers[i].load);
		if (load < least) {
			least = load;
			best = i;
		}
	}
	return best;
}

static int perform_in(struct io *io, unsigned index)
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

/* Data: any interpreter, when the script is parallel. */
static int perform_data(struct io *io)
{
	return perform_in(io, plugin.model == NBDKIT_THREAD_MODEL_PARALLEL ? least_busy() : io->conn->pinned);
}

/* --- in the interpreter --- */

static Tcl_Obj *new_bool(int yes)
{
	return Tcl_NewBooleanObj(yes);
}

/* The connection's handle here; opens it when this interpreter sees it for the first time. */
static Tcl_Obj *handle_of(struct vm *vm, struct io *io)
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
	io->text = strdup(Tcl_GetString(value));
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
		else if (nbdkit_add_export(io->to, k ? Tcl_GetString(words[0]) : "", k == 2 ? Tcl_GetString(words[1]) : NULL) < 0)
			vm_fail(c, EIO, "list_exports: '%s' was refused", Tcl_GetString(items[i]));
	Tcl_DecrRefCount(value);
}

/* --- data --- */

static Tcl_Obj *flag_words(uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} all[] = {
		{ NBDKIT_FLAG_MAY_TRIM, "may_trim" },
		{ NBDKIT_FLAG_FUA, "fua" },
		{ NBDKIT_FLAG_REQ_ONE, "req_one" },
		{ NBDKIT_FLAG_FAST_ZERO, "fast_zero" },
	};
	Tcl_Obj *list = Tcl_NewListObj(0, NULL);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (flags & all[i].bit)
			Tcl_ListObjAppendElement(NULL, list, Tcl_NewStringObj(all[i].word, -1));
	return list;
}

/* The words in the order that nbdkit's Tcl plug-in has; then the flags, for those who take them. */
static Tcl_Obj *call_data(struct vm *vm, struct io *io)
{
	Tcl_Obj *args[ARGS_MAX];
	int n = 0;

	Tcl_Obj *h = handle_of(vm, io);
	if (!h)
		return NULL;
	args[n++] = h;
	if (io->proc == PWRITE)
		args[n++] = Tcl_NewByteArrayObj(io->from, (Tcl_Size)io->count);
	else if (io->proc != PLUGIN_FLUSH)
		args[n++] = Tcl_NewWideIntObj(io->count);
	if (io->proc != PLUGIN_FLUSH)
		args[n++] = Tcl_NewWideIntObj((Tcl_WideInt)io->offset);
	if (io->proc == ZERO)
		args[n++] = new_bool((io->flags & NBDKIT_FLAG_MAY_TRIM) != 0);
	if (vm->procs[io->proc].flags)
		args[n++] = flag_words(io->flags);
	return vm_call(vm, &io->call, io->proc, n, args);
}

static void run_data(struct vm *vm, struct call *c)
{
	Tcl_Obj *value = call_data(vm, (struct io *)c);
	if (value)
		Tcl_DecrRefCount(value);
}

static void run_pread(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Size n;
	Tcl_Obj *value = call_data(vm, io);
	if (!value)
		return;
	const unsigned char *bytes = Tcl_GetBytesFromObj(vm->tcl, value, &n);
	if (!bytes)
		vm_bad_value(vm, c, PREAD);
	else if ((uint64_t)n < io->count)
		vm_fail(c, EIO, "pread: %" PRId64 " bytes instead of %" PRIu32 " at offset %" PRIu64, (int64_t)n, io->count, io->offset);
	else
		memcpy(io->to, bytes, io->count);
	Tcl_DecrRefCount(value);
}

/* {OFFSET LENGTH ?hole? ?zero? ?data?} */
static int add_extent(struct vm *vm, struct io *io, Tcl_Obj *item)
{
	static const char *const types[] = { "data", "hole", "zero", NULL }; /* 0, NBDKIT_EXTENT_HOLE, _ZERO */
	Tcl_Obj **words;
	Tcl_Size n;
	Tcl_WideInt offset, length;
	uint32_t type = 0;
	int which;

	if (Tcl_ListObjGetElements(vm->tcl, item, &n, &words) != TCL_OK)
		return vm_bad_value(vm, &io->call, EXTENTS);
	if (n < 2)
		return vm_fail(&io->call, EIO, "extents: '%s' is not an offset, a length and what it is", Tcl_GetString(item));
	if (Tcl_GetWideIntFromObj(vm->tcl, words[0], &offset) != TCL_OK || Tcl_GetWideIntFromObj(vm->tcl, words[1], &length) != TCL_OK)
		return vm_bad_value(vm, &io->call, EXTENTS);
	for (Tcl_Size i = 2; i < n; i++) {
		if (Tcl_GetIndexFromObj(vm->tcl, words[i], types, "extent type", TCL_EXACT, &which) != TCL_OK)
			return vm_bad_value(vm, &io->call, EXTENTS);
		type |= (uint32_t)which;
	}
	if (offset < 0 || length < 0 || nbdkit_add_extent(io->to, (uint64_t)offset, (uint64_t)length, type) < 0)
		return vm_fail(&io->call, EIO, "extents: '%s' was refused", Tcl_GetString(item));
	return 0;
}

static void run_extents(struct vm *vm, struct call *c)
{
	struct io *io = (struct io *)c;
	Tcl_Obj **items, *value = call_data(vm, io);
	Tcl_Size n;
	if (!value)
		return;
	if (Tcl_ListObjGetElements(vm->tcl, value, &n, &items) != TCL_OK)
		n = 0, vm_bad_value(vm, c, EXTENTS);
	for (Tcl_Size i = 0; i < n && c->rc == 0; i++)
		add_extent(vm, io, items[i]);
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

/* --- callbacks: data --- */

int tcl_pread(void *h, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct io io = { .call.run = run_pread, .conn = h, .proc = PREAD, .to = buf, .count = count, .offset = offset, .flags = flags };
	return perform_data(&io);
}

int tcl_pwrite(void *h, const void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct io io = { .call.run = run_data, .conn = h, .proc = PWRITE, .from = buf, .count = count, .offset = offset, .flags = flags };
	if (there(PWRITE))
		return perform_data(&io);
	nbdkit_error("the script has no proc pwrite");
	nbdkit_set_error(EROFS);
	return -1;
}

/* A script that says it can flush and has nothing to do for it has no plugin_flush. */
int tcl_flush(void *h, uint32_t flags)
{
	struct io io = { .call.run = run_data, .conn = h, .proc = PLUGIN_FLUSH, .flags = flags };
	return there(PLUGIN_FLUSH) ? perform_data(&io) : 0;
}

int tcl_trim(void *h, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct io io = { .call.run = run_data, .conn = h, .proc = TRIM, .count = count, .offset = offset, .flags = flags };
	return there(TRIM) ? perform_data(&io) : 0;
}

int tcl_zero(void *h, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct io io = { .call.run = run_data, .conn = h, .proc = ZERO, .count = count, .offset = offset, .flags = flags };
	if (there(ZERO))
		return perform_data(&io);
	nbdkit_set_error(EOPNOTSUPP); /* the server writes zeroes instead */
	return -1;
}

int tcl_cache(void *h, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct io io = { .call.run = run_data, .conn = h, .proc = CACHE, .count = count, .offset = offset, .flags = flags };
	return there(CACHE) ? perform_data(&io) : 0;
}

int tcl_extents(void *h, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *extents)
{
	struct io io = { .call.run = run_extents, .conn = h, .proc = EXTENTS, .to = extents, .count = count, .offset = offset,
			 .flags = flags };
	return perform_data(&io);
}
