/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading, writing and what else is asked of the bytes of a disk. */
#define NBDKIT_API_VERSION 2
#include <inttypes.h>
#include <string.h>
#include "nbdkit-plugin.h"
#include "serve.h"

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

/* Data: any interpreter, when the script is parallel. */
static int perform_data(struct io *io)
{
	return perform_in(io, plugin.model == NBDKIT_THREAD_MODEL_PARALLEL ? least_busy() : io->conn->pinned);
}

/* --- in the interpreter --- */

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

/* --- the callbacks --- */

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
