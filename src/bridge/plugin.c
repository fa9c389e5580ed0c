/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a loaded plug-in, all of it on the plug-in's own thread: load, config, config_complete, thread_model,
 * get_ready, after_fork, cleanup, unload. */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "bridge/loaded.h"

enum { POOL_THREADS = 16 }; /* requests at once in a parallel plug-in: as many as nbdkit gives a connection */

/* A step of the life, on its way to the plug-in's thread and back. */
struct step {
	struct loaded *p;
	void (*run)(struct step *);
	const char *key, *value;
	const struct debug_flag *flags;
	unsigned count;
	struct err *err;
	int rc;
};

static void run_step(void *arg)
{
	struct step *s = arg;
	struct context c = { .module = s->p->p.name, .err = s->err };
	context = &c;
	s->run(s);
	context = NULL;
}

/* 0, or -1 with e set, to the plug-in's words when it had any. */
static int take_step(struct step *s, const char *what)
{
	s->err->msg[0] = '\0';
	pool_call(s->p->own, run_step, s);
	if (s->rc < 0 && !s->err->msg[0])
		return err_set(s->err, "%s: %s failed", s->p->path, what);
	return s->rc;
}

/* --- load --- */

static bool good_name(const char *name)
{
	if (!name || !*name || *name == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '-')
			return false;
	return true;
}

static int check(struct loaded *p, struct err *e)
{
	const struct nbdkit_plugin *f = &p->p;
	bool v1 = f->_api_version < 2;
	if (f->_api_version < 0 || f->_api_version > 2)
		return err_set(e, "%s: plugin is incompatible with this version: its API version is %d", p->path, f->_api_version);
	if (!good_name(f->name))
		return err_set(e, "%s: plugin must have a name of letters, digits and dashes", p->path);
	if (!f->open || !f->get_size || (v1 ? !f->pread_v1_ : !f->pread))
		return err_set(e, "%s: plugin must have .open, .get_size and .pread callbacks", p->path);
	if (f->_thread_model < 0 || f->_thread_model > NBDKIT_THREAD_MODEL_PARALLEL)
		return err_set(e, "%s: plugin has an unknown thread model", p->path);
	return 0;
}

/* -D NAME.FLAG=N is the int NAME_debug_FLAG, in which what is not alphanumeric is '_'. */
static void set_debug_flag(struct loaded *p, const struct debug_flag *d)
{
	char *symbol;
	if (strlen(p->p.name) != d->name_len || strncmp(p->p.name, d->name, d->name_len) != 0)
		return;
	if (asprintf(&symbol, "%.*s_debug_%s", (int)d->name_len, d->name, d->name + d->name_len + 1) < 0)
		return;
	symbol[strcspn(symbol, "=")] = '\0';
	for (char *s = symbol; *s; s++)
		if (!isalnum((unsigned char)*s))
			*s = '_';
	int *flag = dlsym(p->dl, symbol);
	if (flag)
		*flag = d->value;
	else
		say_error("-D: %s has no flag %s", p->p.name, symbol);
	free(symbol);
}

static void load(struct step *s)
{
	struct loaded *p = s->p;
	struct nbdkit_plugin *(*init)(void);

	s->rc = -1;
	p->dl = dlopen(p->path, RTLD_NOW | RTLD_GLOBAL);
	if (!p->dl) {
		err_set(s->err, "cannot open plugin: %s", dlerror());
		return;
	}
	*(void **)&init = dlsym(p->dl, "plugin_init");
	struct nbdkit_plugin *theirs = init ? init() : NULL;
	if (!theirs) {
		err_set(s->err, "%s: %s", p->path,
			init ? "plugin registration function failed" : "no plugin_init function: is it a plugin?");
		return;
	}
	memcpy(&p->p, theirs, MIN(sizeof p->p, (size_t)theirs->_struct_size));
	if (check(p, s->err) < 0)
		return;
	for (unsigned i = 0; i < s->count; i++)
		set_debug_flag(p, &s->flags[i]);
	say_debug("registered plugin %s (name %s)", p->path, p->p.name);
	context->module = p->p.name;
	if (p->p.load)
		p->p.load();
	s->rc = 0;
}

/* --- config, start, fork, stop --- */

static void config(struct step *s)
{
	s->rc = s->p->p.config(s->key, s->value);
}

static int configure(struct stage *stage, const char *key, const char *value, struct err *e)
{
	struct loaded *p = loaded_of(stage->mod);
	struct step s = { .p = p, .run = config, .key = nbdkit_strdup_intern(key), .value = value, .err = e };
	if (!p->p.config)
		return err_set(e, "%s: this plugin does not need command line configuration", p->path);
	return take_step(&s, "config");
}

static void get_ready(struct step *s)
{
	struct loaded *p = s->p;
	int model = p->p._thread_model;

	s->rc = p->p.config_complete ? p->p.config_complete() : 0;
	if (s->rc == 0 && p->p.thread_model) {
		int wanted = p->p.thread_model();
		s->rc = wanted < 0 ? -1 : 0;
		model = MIN(model, MAX(wanted, 0));
	}
	p->model = model;
	if (s->rc == 0 && p->p.get_ready)
		s->rc = p->p.get_ready();
}

static int start(struct stage *stage, struct err *e)
{
	struct loaded *p = loaded_of(stage->mod);
	struct step s = { .p = p, .run = get_ready, .err = e };
	if (take_step(&s, "config_complete or get_ready") < 0)
		return -1;
	if (p->model >= NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS && !(p->many = pool_new(POOL_THREADS, e)))
		return -1;
	return 0;
}

static void after_fork(struct step *s)
{
	s->rc = s->p->p.after_fork ? s->p->p.after_fork() : 0;
}

static int forked(struct stage *stage, bool daemon, struct err *e)
{
	struct loaded *p = loaded_of(stage->mod);
	struct step s = { .p = p, .run = after_fork, .err = e };
	(void)daemon;
	p->forked = true;
	return take_step(&s, "after_fork");
}

static void unload(struct step *s)
{
	struct loaded *p = s->p;
	if (p->forked && p->p.cleanup)
		p->p.cleanup();
	if (p->p.unload)
		p->p.unload();
	s->rc = 0;
}

static void stop(struct stage *stage)
{
	struct loaded *p = loaded_of(stage->mod);
	struct err e;
	struct step s = { .p = p, .run = unload, .err = &e };

	pool_free(p->many); /* nobody is inside any more */
	p->many = NULL;
	take_step(&s, "unload");
	if (e.msg[0])
		say_error("%s", e.msg);
	pool_free(p->own);
	p->own = NULL;
	/* The code stays mapped: threads that the plug-in left behind may be in it. */
}

/* --- --dump-plugin --- */

static const char *model_name(int model)
{
	static const char *const names[] = { "serialize_connections", "serialize_all_requests", "serialize_requests", "parallel" };
	return names[model];
}

static void dump_lines(struct step *s)
{
	struct loaded *p = s->p;
	const struct nbdkit_plugin *f = &p->p;
	int model = f->_thread_model;

	s->rc = 0;
	if (f->thread_model) {
		int wanted = f->thread_model();
		model = MIN(model, MAX(wanted, 0));
	}
	printf("path=%s\nname=%s\n", p->path, f->name);
	if (f->version)
		printf("version=%s\n", f->version);
	printf("api_version=%d\nstruct_size=%llu\n", f->_api_version, (unsigned long long)f->_struct_size);
	printf("max_thread_model=%s\nthread_model=%s\n", model_name(f->_thread_model), model_name(model));
	printf("errno_is_preserved=%d\n", !!f->errno_is_preserved);
	if (f->magic_config_key)
		printf("magic_config_key=%s\n", f->magic_config_key);
#define HAS(field) if (f->field) printf("has_" #field "=1\n")
#define HAS_EITHER(field) if (f->_api_version < 2 ? f->field##_v1_ != NULL : f->field != NULL) printf("has_" #field "=1\n")
	HAS(longname);
	HAS(unload);
	HAS(dump_plugin);
	HAS(config);
	HAS(config_complete);
	HAS(config_help);
	HAS(thread_model);
	HAS(get_ready);
	HAS(after_fork);
	HAS(cleanup);
	HAS(preconnect);
	HAS(list_exports);
	HAS(default_export);
	HAS(open);
	HAS(close);
	HAS(get_size);
	HAS(export_description);
	HAS(block_size);
	HAS(can_write);
	HAS(can_flush);
	HAS(is_rotational);
	HAS(can_trim);
	HAS(can_zero);
	HAS(can_fast_zero);
	HAS(can_extents);
	HAS(can_fua);
	HAS(can_multi_conn);
	HAS(can_cache);
	HAS_EITHER(pread);
	HAS_EITHER(pwrite);
	HAS_EITHER(flush);
	HAS_EITHER(trim);
	HAS_EITHER(zero);
	HAS(extents);
	HAS(cache);
	if (f->dump_plugin)
		f->dump_plugin();
	fflush(stdout);
}

static void dump(const struct module *m)
{
	struct err e;
	struct step s = { .p = loaded_of(m), .run = dump_lines, .err = &e };
	take_step(&s, "dump_plugin");
}

/* --- the beginning --- */

/* To the end of the process: its code may be on any thread's stack. */
static struct loaded *last_loaded;

const struct module *plugin_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e)
{
	struct loaded *p = calloc(1, sizeof *p);
	struct step s = { .p = p, .run = load, .flags = flags, .count = count, .err = e };

	if (!p)
		return err_set(e, "out of memory"), NULL;
	if (!(p->path = realpath(path, NULL))) {
		err_set(e, "cannot open plugin '%s': %s", path, strerror(errno));
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->turn_lock, NULL);
	list_init(&p->turn_waits);
	atomic_init(&p->call_ns, CALL_NS_UNKNOWN);
	if (!(p->own = pool_new(1, e)) || take_step(&s, "load") < 0)
		return NULL; /* what a failed plug-in left behind is left alone: the program ends */
	p->before = last_loaded;
	last_loaded = p;
	p->mod = (struct module){
		.name = p->p.name,
		.longname = p->p.longname,
		.version = p->p.version,
		.description = p->p.description,
		.help = p->p.config_help,
		.magic = p->p.magic_config_key,
		.blocks = true,
		.layer_size = sizeof(struct opened),
		.slot_size = sizeof(struct call),
		.config = configure,
		.start = start,
		.forked = forked,
		.stop = stop,
		.submit = models_submit,
		.gone = models_gone,
		.dump = dump,
	};
	return &p->mod;
}
