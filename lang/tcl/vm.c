/* SPDX-License-Identifier: BSD-2-Clause */
#define NBDKIT_API_VERSION 2
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nbdkit-plugin.h"
#include "text.h"
#include "vm.h"

/* plain: the words that nbdkit's Tcl plug-in passes; a proc that takes one more gets the flags. */
static const struct {
	const char *name;
	int plain; /* -1: has no flags */
} table[PROCS] = {
	[DUMP_PLUGIN] = { "dump_plugin", -1 },
	[CONFIG] = { "config", -1 },
	[CONFIG_COMPLETE] = { "config_complete", -1 },
	[THREAD_MODEL_PROC] = { "thread_model", -1 },
	[GET_READY] = { "get_ready", -1 },
	[AFTER_FORK] = { "after_fork", -1 },
	[CLEANUP] = { "cleanup", -1 },
	[PRECONNECT] = { "preconnect", -1 },
	[LIST_EXPORTS] = { "list_exports", -1 },
	[DEFAULT_EXPORT] = { "default_export", -1 },
	[EXPORT_DESCRIPTION] = { "export_description", -1 },
	[PLUGIN_OPEN] = { "plugin_open", -1 },
	[PLUGIN_CLOSE] = { "plugin_close", -1 },
	[GET_SIZE] = { "get_size", -1 },
	[BLOCK_SIZE] = { "block_size", -1 },
	[CAN_WRITE] = { "can_write", -1 },
	[CAN_FLUSH] = { "can_flush", -1 },
	[IS_ROTATIONAL] = { "is_rotational", -1 },
	[CAN_TRIM] = { "can_trim", -1 },
	[CAN_ZERO] = { "can_zero", -1 },
	[CAN_FAST_ZERO] = { "can_fast_zero", -1 },
	[CAN_FUA] = { "can_fua", -1 },
	[CAN_MULTI_CONN] = { "can_multi_conn", -1 },
	[CAN_CACHE] = { "can_cache", -1 },
	[CAN_EXTENTS] = { "can_extents", -1 },
	[PREAD] = { "pread", 3 },
	[PWRITE] = { "pwrite", 3 },
	[PLUGIN_FLUSH] = { "plugin_flush", 1 },
	[TRIM] = { "trim", 3 },
	[ZERO] = { "zero", 4 },
	[CACHE] = { "cache", 3 },
	[EXTENTS] = { "extents", 3 },
};

const char *vm_proc_name(enum proc proc)
{
	return table[proc].name;
}

/* --- failing --- */

static bool all_ascii(const char *s)
{
	while (*s && (unsigned char)*s < 0x80)
		s++;
	return !*s;
}

int vm_fail(struct call *c, int errnum, const char *fmt, ...)
{
	va_list ap;
	free(c->words);
	va_start(ap, fmt);
	if (vasprintf(&c->words, fmt, ap) < 0)
		c->words = NULL;
	va_end(ap);
	if (c->words && !all_ascii(c->words)) {
		char *words = text_to_system(c->words);
		free(c->words);
		c->words = words;
	}
	c->errnum = errnum;
	return c->rc = -1;
}

int vm_bad_value(struct vm *vm, struct call *c, enum proc proc)
{
	vm_fail(c, EIO, "%s: %s", table[proc].name, Tcl_GetStringResult(vm->tcl));
	Tcl_ResetResult(vm->tcl);
	return -1;
}

/* Tcl knows the names of errno.h by number; this is the way back. */
int errno_of(const char *name)
{
	int found = 0, saved = errno;
	if (strcmp(name, "EOPNOTSUPP") == 0 || strcmp(name, "ENOTSUP") == 0)
		return EOPNOTSUPP; /* one number, of which Tcl knows one name */
	for (int i = 1; i < 256 && !found; i++) {
		errno = i;
		if (strcmp(Tcl_ErrnoId(), name) == 0)
			found = i;
	}
	errno = saved;
	return found;
}

/* A value of the dictionary that describes how a script ended, or NULL; the dictionary's. */
static Tcl_Obj *option(Tcl_Obj *options, const char *name)
{
	Tcl_Obj *key = Tcl_NewStringObj(name, -1), *value = NULL;
	Tcl_IncrRefCount(key);
	if (Tcl_DictObjGet(NULL, options, key, &value) != TCL_OK)
		value = NULL;
	Tcl_DecrRefCount(key);
	return value;
}

/* The NAME of an errorCode {POSIX NAME ...}; anything else is EIO. */
static int errno_of_error(Tcl_Obj *options)
{
	Tcl_Obj *code = option(options, "-errorcode"), **words;
	Tcl_Size n;
	int err = 0;

	if (code && Tcl_ListObjGetElements(NULL, code, &n, &words) == TCL_OK && n >= 2 && strcmp(Tcl_GetString(words[0]), "POSIX") == 0)
		err = errno_of(Tcl_GetString(words[1]));
	return err ? err : EIO;
}

static void debug_line(const char *s, int len)
{
	char *line = strndup(s, (size_t)len), *words = line ? text_to_system(line) : NULL;
	nbdkit_debug("%s", words ? words : "");
	free(words);
	free(line);
}

static void debug_lines(const char *s)
{
	for (const char *end; *s; s = *end ? end + 1 : end) {
		end = strchrnul(s, '\n');
		debug_line(s, (int)(end - s));
	}
}

/* The message is the first line of errorInfo, unless the script says otherwise; how it came to it are debug lines. */
static int script_error(struct vm *vm, struct call *c, const char *what, int code)
{
	Tcl_Obj *options = Tcl_GetReturnOptions(vm->tcl, code);
	Tcl_IncrRefCount(options);
	Tcl_Obj *errorinfo = option(options, "-errorinfo");
	const char *words = Tcl_GetStringResult(vm->tcl), *info = errorinfo ? Tcl_GetString(errorinfo) : "";
	int len = (int)strcspn(words, "\n"), info_len = (int)strcspn(info, "\n");

	if (code != TCL_ERROR && !*words)
		vm_fail(c, EIO, "%s: ended with code %d", what, code);
	else if (!info_len || (info_len == len && memcmp(words, info, (size_t)len) == 0))
		vm_fail(c, errno_of_error(options), "%s: %.*s", what, len, words);
	else
		vm_fail(c, errno_of_error(options), "%s: %.*s (%.*s)", what, len, words, info_len, info);
	debug_lines(info);
	Tcl_DecrRefCount(options);
	Tcl_ResetResult(vm->tcl);
	return -1;
}

/* --- calling --- */

Tcl_Obj *vm_call(struct vm *vm, struct call *c, enum proc proc, int n, Tcl_Obj *const args[])
{
	Tcl_Obj *words[ARGS_MAX + 1] = { vm->names[proc] }, *value = NULL;

	for (int i = 0; i < n; i++)
		Tcl_IncrRefCount(words[i + 1] = args[i]);
	int code = Tcl_EvalObjv(vm->tcl, n + 1, words, TCL_EVAL_GLOBAL);
	for (int i = 0; i < n; i++)
		Tcl_DecrRefCount(args[i]);
	if (code != TCL_OK) {
		script_error(vm, c, table[proc].name, code);
		return NULL;
	}
	value = Tcl_GetObjResult(vm->tcl);
	Tcl_IncrRefCount(value);
	Tcl_ResetResult(vm->tcl);
	return value;
}

int vm_do(struct vm *vm, struct call *c, enum proc proc, int n, Tcl_Obj *const args[])
{
	Tcl_Obj *value = vm_call(vm, c, proc, n, args);
	if (!value)
		return -1;
	Tcl_DecrRefCount(value);
	return 0;
}

/* Does the proc take more than its plain words?  Other commands (ensembles, aliases) are not asked. */
static bool takes_flags(struct vm *vm, enum proc proc)
{
	Tcl_Obj *words[] = { Tcl_NewStringObj("info", -1), Tcl_NewStringObj("args", -1), vm->names[proc] }, **formals;
	Tcl_Size n;
	bool more = false;

	Tcl_IncrRefCount(words[0]);
	Tcl_IncrRefCount(words[1]);
	if (Tcl_EvalObjv(vm->tcl, 3, words, TCL_EVAL_GLOBAL) == TCL_OK
	    && Tcl_ListObjGetElements(NULL, Tcl_GetObjResult(vm->tcl), &n, &formals) == TCL_OK)
		more = n > table[proc].plain || (n > 0 && strcmp(Tcl_GetString(formals[n - 1]), "args") == 0);
	Tcl_ResetResult(vm->tcl);
	Tcl_DecrRefCount(words[0]);
	Tcl_DecrRefCount(words[1]);
	return more;
}

void vm_look_up(struct vm *vm)
{
	for (int i = 0; i < PROCS; i++) {
		vm->procs[i].there = Tcl_FindCommand(vm->tcl, table[i].name, NULL, TCL_GLOBAL_ONLY) != NULL;
		vm->procs[i].flags = vm->procs[i].there && table[i].plain >= 0 && takes_flags(vm, (enum proc)i);
	}
}

/* --- beginning and end --- */

static int check_required(struct vm *vm, struct call *c, const char *script)
{
	static const enum proc required[] = { PLUGIN_OPEN, GET_SIZE, PREAD };
	vm_look_up(vm);
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		if (!vm->procs[required[i]].there)
			return vm_fail(c, EINVAL, "%s: missing proc: %s", script, table[required[i]].name);
	return 0;
}

int vm_start(struct vm *vm, struct call *c, const char *script)
{
	vm->tcl = Tcl_CreateInterp();
	for (int i = 0; i < PROCS; i++)
		Tcl_IncrRefCount(vm->names[i] = Tcl_NewStringObj(table[i].name, -1));
	if (Tcl_Init(vm->tcl) != TCL_OK)
		return vm_fail(c, EIO, "Tcl cannot start: %s", Tcl_GetStringResult(vm->tcl));
	commands_add(vm);
	Tcl_Obj *path = text_from_system(script);
	Tcl_IncrRefCount(path);
	Tcl_SetVar2Ex(vm->tcl, "argv0", NULL, path, TCL_GLOBAL_ONLY);
	Tcl_SetVar2Ex(vm->tcl, "argv", NULL, Tcl_NewListObj(0, NULL), TCL_GLOBAL_ONLY);
	Tcl_SetVar2Ex(vm->tcl, "argc", NULL, Tcl_NewWideIntObj(0), TCL_GLOBAL_ONLY);
	int code = Tcl_FSEvalFile(vm->tcl, path);
	if (code != TCL_OK && code != TCL_RETURN)
		script_error(vm, c, Tcl_GetString(path), code);
	else
		check_required(vm, c, Tcl_GetString(path));
	Tcl_ResetResult(vm->tcl);
	Tcl_DecrRefCount(path);
	return c->rc;
}

void vm_stop(struct vm *vm)
{
	if (!vm->tcl)
		return;
	for (int i = 0; i < PROCS; i++)
		Tcl_DecrRefCount(vm->names[i]);
	Tcl_DeleteInterp(vm->tcl);
	vm->tcl = NULL;
	Tcl_FinalizeThread();
}
