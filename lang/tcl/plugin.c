/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of the plug-in: the script is read and configured, interpreters are made, and all of it ends. */
#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL /* at most: thread_model tells */
#include "plugin.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "nbdkit-plugin.h"
#include "text.h"

struct plugin plugin = { .model = NBDKIT_THREAD_MODEL_SERIALIZE_ALL_REQUESTS, .wanted = 1, .cwd = -1 };

/* --- calls --- */

int finish(struct call *c)
{
	if (c->rc < 0) {
		if (c->words)
			nbdkit_error("%s", c->words);
		nbdkit_set_error(c->errnum);
	}
	free(c->words);
	c->words = NULL;
	return c->rc;
}

int perform_first(struct call *c)
{
	if (plugin.direct)
		c->run(&plugin.home, c);
	else
		worker_call(&plugin.workers[0], c);
	return finish(c);
}

/* In every interpreter there is; stops at the first failure. */
static int perform_all(struct call *c)
{
	int rc = plugin.direct ? perform_first(c) : 0;
	for (unsigned i = 0; i < plugin.running && rc == 0; i++) {
		worker_call(&plugin.workers[i], c);
		rc = finish(c);
	}
	return rc;
}

/* Interpreters have read the same script; what it defined is settled before the first connection. */
bool there(enum proc proc)
{
	const struct vm *vm = plugin.direct ? &plugin.home : &plugin.workers[0].vm;
	return vm->tcl && vm->procs[proc].there;
}

/* --- steps of the start, in an interpreter --- */

struct step {
	struct call call;
	enum proc proc;
	const char *key, *value;
	char *word;                /* malloc'd: the value of thread_model */
};

static void run_script(struct vm *vm, struct call *c)
{
	vm_start(vm, c, plugin.script);
}

static int configure(struct vm *vm, struct call *c, const char *key, const char *value)
{
	Tcl_Obj *words[] = { text_from_system(key), text_from_system(value) };
	for (int i = 0; i < 2; i++)
		Tcl_IncrRefCount(words[i]);
	int rc = vm->procs[CONFIG].there
			 ? vm_do(vm, c, CONFIG, 2, words)
			 : vm_fail(c, EINVAL, "%s=%s: this plugin does not need command line configuration", Tcl_GetString(words[0]),
				   Tcl_GetString(words[1]));
	for (int i = 0; i < 2; i++)
		Tcl_DecrRefCount(words[i]);
	return rc;
}

static void run_config(struct vm *vm, struct call *c)
{
	struct step *s = (struct step *)c;
	configure(vm, c, s->key, s->value);
}

/* A proc without arguments, if it is there; what it defined counts. */
static int plain(struct vm *vm, struct call *c, enum proc proc)
{
	if (vm->procs[proc].there && vm_do(vm, c, proc, 0, NULL) < 0)
		return -1;
	vm_look_up(vm);
	return 0;
}

static void run_plain(struct vm *vm, struct call *c)
{
	struct step *s = (struct step *)c;
	if (s->proc == AFTER_FORK)
		vm->serving = true;
	if (plain(vm, c, s->proc) == 0 && s->proc == DUMP_PLUGIN) {
		Tcl_Channel out = Tcl_GetStdChannel(TCL_STDOUT);
		if (out)
			Tcl_Flush(out);
	}
}

static void run_thread_model(struct vm *vm, struct call *c)
{
	struct step *s = (struct step *)c;
	Tcl_Obj *value = vm_call(vm, c, THREAD_MODEL_PROC, 0, NULL);
	if (!value)
		return;
	s->word = strdup(Tcl_GetString(value));
	Tcl_DecrRefCount(value);
}

/* Another interpreter: everything that the first one went through. */
static void run_replay(struct vm *vm, struct call *c)
{
	if (vm_start(vm, c, plugin.script) < 0)
		return;
	for (unsigned i = 0; i < plugin.settings_count; i++)
		if (configure(vm, c, plugin.settings[i].key, plugin.settings[i].value) < 0)
			return;
	if (plain(vm, c, CONFIG_COMPLETE) == 0)
		plain(vm, c, GET_READY);
}

/* --- the callbacks --- */

static void tcl_load(void)
{
	plugin.direct = gettid() != getpid();
	plugin.owner = pthread_self();
	plugin.pid = getpid();
}

static int start_worker(unsigned index)
{
	int err = worker_start(&plugin.workers[index], index);
	if (err) {
		nbdkit_error("cannot start a thread: %s", strerror(err));
		return -1;
	}
	if (plugin.running <= index)
		plugin.running = index + 1;
	return 0;
}

static int read_script(const char *path)
{
	struct step s = { .call.run = run_script };

	plugin.script = nbdkit_absolute_path(path);
	if (!plugin.script)
		return -1;
	/* Also sets the system's encoding, from the locale.  In Tcl 9 TclZipfs_AppHook may come first instead, but that is for
	 * programs that carry scripts in a zip of their own. */
	Tcl_FindExecutable("/proc/self/exe");
	plugin.cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!plugin.direct && start_worker(0) < 0)
		return -1;
	return perform_first(&s.call);
}

static int remember(const char *key, const char *value)
{
	struct setting *more = realloc(plugin.settings, (plugin.settings_count + 1) * sizeof *more);
	if (more)
		plugin.settings = more;
	char *k = strdup(key), *v = strdup(value);
	if (!more || !k || !v) {
		free(k);
		free(v);
		nbdkit_error("out of memory");
		return -1;
	}
	more[plugin.settings_count++] = (struct setting){ k, v };
	return 0;
}

static int tcl_config(const char *key, const char *value)
{
	struct step s = { .call.run = run_config, .key = key, .value = value };

	if (!plugin.script) {
		if (strcmp(key, "script") == 0)
			return read_script(value);
		nbdkit_error("the first parameter must be script=FILE.tcl");
		return -1;
	}
	return remember(key, value) < 0 ? -1 : perform_first(&s.call);
}

static int tcl_config_complete(void)
{
	struct step s = { .call.run = run_plain, .proc = CONFIG_COMPLETE };
	if (!plugin.script) {
		nbdkit_error("the parameter script=FILE.tcl is missing");
		return -1;
	}
	return perform_first(&s.call);
}

/* MODEL or MODEL NUMBER. */
static int parse_model(const char *word)
{
	static const char *const names[] = { "serialize_connections", "serialize_all_requests", "serialize_requests", "parallel" };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned number = cpus < 2 ? 2 : cpus > 16 ? 16 : (unsigned)cpus;
	char name[32], rest;
	int n = sscanf(word, "%31s %u %c", name, &number, &rest);

	for (int i = 0; i < 4 && n >= 1 && n <= 2 && number >= 1 && number <= WORKERS_MAX; i++)
		if (strcmp(name, names[i]) == 0) {
			plugin.wanted = i >= NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS ? number : 1;
			return plugin.model = i;
		}
	nbdkit_error("thread_model: '%s' is none of serialize_connections, serialize_all_requests, serialize_requests and "
		     "parallel, the last two with a number of interpreters (1 to %d) or without", word, WORKERS_MAX);
	return -1;
}

static int tcl_thread_model(void)
{
	struct step s = { .call.run = run_thread_model };
	if (!plugin.script || !there(THREAD_MODEL_PROC))
		return plugin.model;
	int rc = perform_first(&s.call);
	if (rc == 0)
		rc = s.word ? parse_model(s.word) : -1;
	free(s.word);
	return rc;
}

static int tcl_get_ready(void)
{
	struct step s = { .call.run = run_plain, .proc = GET_READY };
	return perform_first(&s.call);
}

/* Workers that a fork left behind are made again, and those that are missing. */
static int more_workers(void)
{
	bool forked = getpid() != plugin.pid, serial = plugin.model < NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS;
	unsigned from = plugin.direct || forked ? 0 : 1, to = plugin.direct && serial ? 0 : plugin.wanted;

	plugin.pid = getpid();
	for (unsigned i = from; i < to; i++) {
		struct step s = { .call.run = run_replay };
		if (start_worker(i) < 0)
			return -1;
		worker_call(&plugin.workers[i], &s.call);
		if (finish(&s.call) < 0)
			return -1;
	}
	return 0;
}

static int tcl_after_fork(void)
{
	struct step s = { .call.run = run_plain, .proc = AFTER_FORK };
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* A server in the background has left the folder that relative names in parameters are meant for. */
	bool moved = here >= 0 && plugin.cwd >= 0 && fchdir(plugin.cwd) == 0;
	int rc = more_workers();
	if (moved && fchdir(here) < 0)
		rc = -1;
	if (here >= 0)
		close(here);
	return rc < 0 ? -1 : perform_all(&s.call);
}

static void tcl_dump_plugin(void)
{
	struct step s = { .call.run = run_plain, .proc = DUMP_PLUGIN };
	printf("tcl_version=%s\ntcl_patch_level=%s\n", TCL_VERSION, TCL_PATCH_LEVEL);
	fflush(stdout);
	if (plugin.script)
		perform_first(&s.call);
}

static void tcl_cleanup(void)
{
	struct step s = { .call.run = run_plain, .proc = CLEANUP };
	perform_all(&s.call);
}

static void tcl_unload(void)
{
	for (unsigned i = 0; i < plugin.running && getpid() == plugin.pid; i++)
		worker_stop(&plugin.workers[i]);
	plugin.running = 0;
	vm_stop(&plugin.home);
	for (unsigned i = 0; i < plugin.settings_count; i++) {
		free(plugin.settings[i].key);
		free(plugin.settings[i].value);
	}
	free(plugin.settings);
	free(plugin.script);
	if (plugin.cwd >= 0)
		close(plugin.cwd);
}

static struct nbdkit_plugin callbacks = {
	.name = "tcl",
	.longname = "disks written in Tcl",
	.version = VERSION,
	.description = "Serves a disk that a Tcl script makes up: see blkscope-tcl-plugin(3).",
	.config_help = "script=FILE     (required, first) the Tcl script\n"
		       "                what else there is, the script tells",
	.magic_config_key = "script",
	.load = tcl_load,
	.unload = tcl_unload,
	.dump_plugin = tcl_dump_plugin,
	.config = tcl_config,
	.config_complete = tcl_config_complete,
	.thread_model = tcl_thread_model,
	.get_ready = tcl_get_ready,
	.after_fork = tcl_after_fork,
	.cleanup = tcl_cleanup,
	.preconnect = tcl_preconnect,
	.list_exports = tcl_list_exports,
	.default_export = tcl_default_export,
	.open = tcl_open,
	.close = tcl_close,
	.export_description = tcl_export_description,
	.get_size = tcl_get_size,
	.block_size = tcl_block_size,
	.can_write = tcl_can_write,
	.can_flush = tcl_can_flush,
	.is_rotational = tcl_is_rotational,
	.can_trim = tcl_can_trim,
	.can_zero = tcl_can_zero,
	.can_fast_zero = tcl_can_fast_zero,
	.can_fua = tcl_can_fua,
	.can_multi_conn = tcl_can_multi_conn,
	.can_cache = tcl_can_cache,
	.can_extents = tcl_can_extents,
	.pread = tcl_pread,
	.pwrite = tcl_pwrite,
	.flush = tcl_flush,
	.trim = tcl_trim,
	.zero = tcl_zero,
	.cache = tcl_cache,
	.extents = tcl_extents,
};

/* The one name that others see. */
__attribute__((visibility("default"))) struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(callbacks)
