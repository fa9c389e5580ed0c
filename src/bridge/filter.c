/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a loaded filter, all of it on the filter's own thread: load, config, config_complete, thread_model,
 * get_ready, after_fork, cleanup, unload.  A filter's structs change between versions of nbdkit, so it is only
 * loaded when its version is one whose layout is known: nbdkit-filter(3). */
#include <stdio.h>
#include <string.h>
#include "base/say.h"
#include "bridge/loaded.h"

/* --- the layouts --- */

/* From 1.36 on there is a field more, behind thread_model. */
struct filter_1_36 {
	unsigned char before[offsetof(struct nbdkit_filter, get_ready)];
	void (*dump_plugin)(void);
	unsigned char behind[sizeof(struct nbdkit_filter) - offsetof(struct nbdkit_filter, get_ready)];
};
_Static_assert(offsetof(struct filter_1_36, behind) == offsetof(struct nbdkit_filter, get_ready) + sizeof(void *), "no gap");

static void copy_1_30(struct loaded *p, const void *theirs)
{
	memcpy(&p->f, theirs, sizeof p->f);
}

static void copy_1_36(struct loaded *p, const void *theirs)
{
	const struct filter_1_36 *t = theirs;
	memcpy(&p->f, t->before, sizeof t->before);
	memcpy((char *)&p->f + sizeof t->before, t->behind, sizeof t->behind);
	p->dump_plugin = t->dump_plugin;
}

static const struct layout {
	unsigned first, last; /* minor versions of nbdkit 1.x */
	void (*copy)(struct loaded *, const void *);
} layouts[] = {
	{ 30, 33, copy_1_30 },
	{ 36, 39, copy_1_36 },
};

static const struct layout *layout_of(const char *version)
{
	unsigned minor;
	if (!version || sscanf(version, "1.%u.", &minor) != 1)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(layouts); i++)
		if (minor >= layouts[i].first && minor <= layouts[i].last)
			return &layouts[i];
	return NULL;
}

/* --- load --- */

static void load(struct step *s)
{
	struct loaded *p = s->p;
	/* The version and what stands before it are where they are in every layout. */
	const struct nbdkit_filter *theirs = life_open(s, "filter_init", "filter");

	if (!theirs)
		return;
	const char *version = theirs->_api_version == NBDKIT_FILTER_API_VERSION ? theirs->_version : NULL;
	const struct layout *layout = layout_of(version);
	if (!layout) {
		err_set(s->err, "%s: filter is incompatible with this version: it is of nbdkit %s, API version %d; "
				"those of nbdkit 1.30 to 1.33 and 1.36 to 1.39 fit",
			p->path, version ? version : "?", theirs->_api_version);
		return;
	}
	layout->copy(p, theirs);
	if (!life_good_name(p->f.name)) {
		err_set(s->err, "%s: filter must have a name of letters, digits and dashes", p->path);
		return;
	}
	p->mod.name = p->f.name;
	life_named(s, "filter");
	if (p->f.load)
		p->f.load();
	s->rc = 0;
}

/* --- parameters: to the filter, and from there to who stands behind it --- */

static struct stage *behind(nbdkit_backend *backend)
{
	return (struct stage *)backend + 1;
}

static int told(int rc, const struct err *e)
{
	if (rc < 0)
		nbdkit_error("%s", e->msg);
	return rc;
}

static int next_config(nbdkit_backend *backend, const char *key, const char *value)
{
	struct err e;
	return told(stage_param(behind(backend), key, value, &e), &e);
}

static void call_config(struct step *s)
{
	s->rc = s->p->f.config(next_config, (nbdkit_backend *)s->stage, s->key, s->value);
}

static int config(struct stage *stage, const char *key, const char *value, struct err *e)
{
	struct loaded *p = loaded_of(stage->mod);
	struct step s = { .p = p, .run = call_config, .stage = stage, .key = key, .value = value, .err = e };
	if (!p->f.config)
		return stage_param(stage + 1, key, value, e);
	s.key = nbdkit_strdup_intern(key); /* a plug-in may keep it */
	return s.key ? life_step(&s, "config") : err_set(e, "out of memory");
}

static int next_complete(nbdkit_backend *backend)
{
	struct err e;
	return told(stage_complete(behind(backend), &e), &e);
}

static void call_complete(struct step *s)
{
	s->rc = s->p->f.config_complete(next_complete, (nbdkit_backend *)s->stage);
}

static int complete(struct stage *stage, struct err *e)
{
	return loaded_of(stage->mod)->f.config_complete ? life_do(stage, call_complete, "config_complete", e)
							 : stage_complete(stage + 1, e);
}

/* --- start, fork, stop --- */

/* Newer filters are told the model of what lies behind them; older ones do not look. */
static void ask_model(struct step *s)
{
	int (*ask)(int) = (int (*)(int))(void (*)(void))s->p->f.thread_model;
	int wanted = ask ? ask((int)s->stage->all->thread_model) : PARALLEL;
	s->rc = MIN(wanted, (int)PARALLEL);
}

static int thread_model(struct stage *stage, struct err *e)
{
	return life_model(stage, life_do(stage, ask_model, "thread_model", e));
}

static void get_ready(struct step *s)
{
	s->rc = s->p->f.get_ready ? s->p->f.get_ready((int)s->stage->all->thread_model) : 0;
}

static int start(struct stage *stage, struct err *e)
{
	return life_do(stage, get_ready, "get_ready", e) < 0 ? -1 : life_threads(loaded_of(stage->mod), e);
}

static void after_fork(struct step *s)
{
	s->rc = s->p->f.after_fork ? s->p->f.after_fork((nbdkit_backend *)s->stage) : 0;
}

static int forked(struct stage *stage, bool daemon, struct err *e)
{
	(void)daemon;
	loaded_of(stage->mod)->forked = true;
	return life_do(stage, after_fork, "after_fork", e);
}

/* The filter closes what it shared; what lies below still works. */
static void call_cleanup(struct step *s)
{
	if (s->p->forked && !s->p->failed && s->p->f.cleanup)
		s->p->f.cleanup((nbdkit_backend *)s->stage);
	s->rc = 0;
}

static void cleanup(struct stage *stage)
{
	life_end(stage, call_cleanup, "cleanup");
	common_loop_stop(&loaded_of(stage->mod)->shared);
}

static void unload(struct step *s)
{
	if (s->p->f.unload)
		s->p->f.unload();
	s->rc = 0;
}

static void stop(struct stage *stage)
{
	life_over(stage, unload);
}

/* --- --dump-plugin --- */

static void dump_lines(struct step *s)
{
	if (s->p->dump_plugin)
		s->p->dump_plugin();
	fflush(stdout);
	s->rc = 0;
}

static void dump(struct stage *stage)
{
	life_end(stage, dump_lines, "dump_plugin");
}

const struct module *filter_load(const char *path, const struct debug_flag *flags, unsigned count, struct err *e)
{
	struct loaded *p = life_new(path, "filter", load, flags, count, e);
	if (!p)
		return NULL;
	p->calls = &filter_calls;
	/* It gets hold of its backend outside of open, too: then nobody knows when it will open what. */
	atomic_init(&p->opens, p->f.after_fork || p->f.preconnect || p->f.list_exports || p->f.default_export);
	p->mod = (struct module){
		.name = p->f.name,
		.longname = p->f.longname,
		.version = p->f._version,
		.description = p->f.description,
		.help = p->f.config_help,
		.filter = true,
		.bottom = true,
		.config = config,
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
