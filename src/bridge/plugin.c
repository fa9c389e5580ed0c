/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a loaded plug-in, all of it on the plug-in's own thread: load, config, config_complete, thread_model,
 * get_ready, after_fork, cleanup, unload. */
#include <stdio.h>
#include <string.h>
#include "bridge/loaded.h"

static int check(struct loaded *p, struct err *e)
{
	const struct nbdkit_plugin *f = &p->p;
	bool v1 = f->_api_version < 2;
	if (f->_api_version < 0 || f->_api_version > 2)
		return err_set(e, "%s: plugin is incompatible with this version: its API version is %d", p->path, f->_api_version);
	if (!life_good_name(f->name))
		return err_set(e, "%s: plugin must have a name of letters, digits and dashes", p->path);
	if (!f->open || !f->get_size || (v1 ? !f->pread_v1_ : !f->pread))
		return err_set(e, "%s: plugin must have .open, .get_size and .pread callbacks", p->path);
	if (f->_thread_model < 0 || f->_thread_model > NBDKIT_THREAD_MODEL_PARALLEL)
		return err_set(e, "%s: plugin has an unknown thread model", p->path);
	return 0;
}

static void load(struct step *s)
{
	struct loaded *p = s->p;
	struct nbdkit_plugin *theirs = life_open(s, "plugin_init", "plugin");

	if (!theirs)
		return;
	memcpy(&p->p, theirs, MIN(sizeof p->p, (size_t)theirs->_struct_size));
	if (check(p, s->err) < 0)
		return;
	p->mod.name = p->p.name;
	life_named(s, "plugin");
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
	return s.key ? life_step(&s, "config") : err_set(e, "out of memory");
}

static void config_complete(struct step *s)
{
	s->rc = s->p->p.config_complete ? s->p->p.config_complete() : 0;
}

static int complete(struct stage *stage, struct err *e)
{
	return life_do(stage, config_complete, "config_complete", e);
}

/* The least of what it was built for and what it says. */
static void ask_model(struct step *s)
{
	const struct nbdkit_plugin *f = &s->p->p;
	int wanted = f->thread_model ? f->thread_model() : f->_thread_model;
	s->rc = wanted < 0 ? -1 : MIN(wanted, f->_thread_model);
}

static int thread_model(struct stage *stage, struct err *e)
{
	return life_model(stage, life_do(stage, ask_model, "thread_model", e));
}

static void get_ready(struct step *s)
{
	s->rc = s->p->p.get_ready ? s->p->p.get_ready() : 0;
}

static int start(struct stage *stage, struct err *e)
{
	return life_do(stage, get_ready, "get_ready", e) < 0 ? -1 : life_threads(loaded_of(stage->mod), e);
}

static void after_fork(struct step *s)
{
	s->rc = s->p->p.after_fork ? s->p->p.after_fork() : 0;
}

static int forked(struct stage *stage, bool daemon, struct err *e)
{
	(void)daemon;
	loaded_of(stage->mod)->forked = true;
	return life_do(stage, after_fork, "after_fork", e);
}

static void call_cleanup(struct step *s)
{
	if (s->p->forked && !s->p->failed && s->p->p.cleanup)
		s->p->p.cleanup();
	s->rc = 0;
}

static void cleanup(struct stage *stage)
{
	life_end(stage, call_cleanup, "cleanup");
}

static void unload(struct step *s)
{
	if (s->p->p.unload)
		s->p->p.unload();
	s->rc = 0;
}

static void stop(struct stage *stage)
{
	life_over(stage, unload);
}

/* --- --dump-plugin --- */

static void dump_lines(struct step *s)
{
	struct loaded *p = s->p;
	const struct nbdkit_plugin *f = &p->p;
	int model;

	ask_model(s);
	model = MAX(s->rc, 0);
	s->rc = 0;
	printf("path=%s\nname=%s\n", p->path, f->name);
	if (f->version)
		printf("version=%s\n", f->version);
	printf("api_version=%d\nstruct_size=%llu\n", f->_api_version, (unsigned long long)f->_struct_size);
	printf("max_thread_model=%s\nthread_model=%s\n", life_model_name(f->_thread_model), life_model_name(model));
	printf("errno_is_preserved=%d\n", !!f->errno_is_preserved);
	if (f->magic_config_key)
		printf("magic_config_key=%s\n", f->magic_config_key);
#define HAS(field) if (f->field) printf("has_" #field "=1\n")
#define HAS_V1(field) if (f->field##_v1_) printf("has__" #field "_v1=1\n") /* nbdkit's words */
	HAS(longname);
	HAS(description);
	HAS(load);
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
	HAS(export_description);
	HAS(get_size);
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
	HAS(pread);
	HAS(pwrite);
	HAS(flush);
	HAS(trim);
	HAS(zero);
	HAS(extents);
	HAS(cache);
	HAS_V1(pread);
	HAS_V1(pwrite);
	HAS_V1(flush);
	HAS_V1(trim);
	HAS_V1(zero);
	if (f->dump_plugin)
		f->dump_plugin();
	fflush(stdout);
}

static void dump(struct stage *stage)
{
	life_end(stage, dump_lines, "dump_plugin");
}

const struct module *plugin_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e)
{
	struct loaded *p = life_new(path, "plugin", load, flags, count, e);
	if (!p)
		return NULL;
	p->calls = &plugin_calls;
	p->mod = (struct module){
		.name = p->p.name,
		.longname = p->p.longname,
		.version = p->p.version,
		.description = p->p.description,
		.help = p->p.config_help,
		.magic = p->p.magic_config_key,
		.config = configure,
		.complete = complete,
		.thread_model = thread_model,
		.start = start,
		.forked = forked,
		.cleanup = cleanup,
		.stop = stop,
		.dump = dump,
	};
	life_module(p);
	return &p->mod;
}
