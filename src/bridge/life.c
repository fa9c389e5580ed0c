/* SPDX-License-Identifier: BSD-2-Clause */
/* What plug-ins and filters have in common: a file that is loaded, a thread of their own, debug flags. */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/say.h"
#include "bridge/loaded.h"
#include "core/needs.h"

/* To the end of the process: its code may be on any thread's stack. */
static struct loaded *last_loaded;

static void run_step(void *arg)
{
	struct step *s = arg;
	struct context c = { .module = s->p->mod.name, .err = s->err };
	context = &c;
	s->run(s);
	context = NULL;
}

int life_step(struct step *s, const char *what)
{
	s->err->msg[0] = '\0';
	pool_call(s->p->own, run_step, s);
	s->p->failed |= s->rc < 0;
	if (s->rc >= 0 && s->err->msg[0]) { /* it went on all the same: nothing for main */
		say_error("%s", s->err->msg);
		s->err->msg[0] = '\0';
	}
	if (s->rc < 0 && !s->err->msg[0])
		return err_set(s->err, "%s: %s failed", s->p->path, what);
	return s->rc;
}

int life_do(struct stage *stage, void (*run)(struct step *), const char *what, struct err *e)
{
	struct step s = { .p = loaded_of(stage->mod), .run = run, .stage = stage, .err = e };
	return life_step(&s, what);
}

void life_end(struct stage *stage, void (*run)(struct step *), const char *what)
{
	struct err e;
	life_do(stage, run, what, &e);
	if (e.msg[0])
		say_error("%s", e.msg);
}

int life_model(struct stage *stage, int wanted)
{
	loaded_of(stage->mod)->model = wanted < 0 ? SERIALIZE_CONNECTIONS : (enum thread_model)wanted;
	return wanted;
}

void life_over(struct stage *stage, void (*unload)(struct step *))
{
	struct loaded *p = loaded_of(stage->mod);
	pool_free(p->many);
	p->many = NULL;
	/* nbdkit ends at once then, and plug-ins may rely on it: even the thread stays, with what they keep in it. */
	if (p->failed)
		return;
	life_end(stage, unload, "unload");
	pool_free(p->own);
	p->own = NULL;
}

bool life_good_name(const char *name)
{
	if (!name || !*name || *name == '-')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '-')
			return false;
	return true;
}

void *life_open(struct step *s, const char *init, const char *kind)
{
	struct loaded *p = s->p;
	void *(*start)(void);

	s->rc = -1;
	p->dl = dlopen(p->path, RTLD_NOW | RTLD_GLOBAL);
	if (!p->dl) {
		err_set(s->err, "cannot open %s: %s", kind, dlerror());
		return NULL;
	}
	*(void **)&start = dlsym(p->dl, init);
	void *theirs = start ? start() : NULL;
	if (!start)
		err_set(s->err, "%s: no %s function: is it a %s?", p->path, init, kind);
	else if (!theirs)
		err_set(s->err, "%s: %s registration function failed", p->path, kind);
	return theirs;
}

/* -D NAME.FLAG=N is the int NAME_debug_FLAG, in which what is not alphanumeric is '_'. */
static void set_debug_flag(struct loaded *p, const struct debug_flag *d)
{
	char *symbol;
	if (strlen(p->mod.name) != d->name_len || strncmp(p->mod.name, d->name, d->name_len) != 0)
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
		say_error("-D: %s has no flag %s", p->mod.name, symbol);
	free(symbol);
}

void life_named(struct step *s, const char *kind)
{
	for (unsigned i = 0; i < s->count; i++)
		set_debug_flag(s->p, &s->flags[i]);
	say_debug("registered %s %s (name %s)", kind, s->p->path, s->p->mod.name);
	context->module = s->p->mod.name;
}

int life_threads(struct loaded *p, struct err *e)
{
	if (p->model == PARALLEL)
		p->mod.direct = call_data;
	if (p->model < SERIALIZE_REQUESTS || !p->mod.filter)
		return 0;
	p->many = pool_new(POOL_THREADS, e);
	return p->many ? 0 : -1;
}

/* Code of others: nobody knows what it will ask for. */
static void needs(const struct stage *s, struct needs *n)
{
	(void)s;
	n->what |= NEED_ANYTHING;
}

void life_module(struct loaded *p)
{
	p->mod.layer_size = sizeof(struct opened);
	p->mod.kept_size = sizeof(struct connected);
	p->mod.slot_size = sizeof(struct call);
	p->mod.needs = needs;
	p->mod.submit = models_submit;
	p->mod.gone = models_gone;
}

const char *life_model_name(int model)
{
	static const char *const names[] = { "serialize_connections", "serialize_all_requests", "serialize_requests", "parallel" };
	return names[model];
}

struct loaded *life_new(const char *path, const char *kind, void (*load)(struct step *), const struct debug_flag *flags,
			unsigned count, struct err *e)
{
	struct loaded *p = calloc(1, sizeof *p);
	struct step s = { .p = p, .run = load, .flags = flags, .count = count, .err = e };

	if (!p)
		return err_set(e, "out of memory"), NULL;
	if (!(p->path = realpath(path, NULL))) {
		err_set(e, "cannot open %s '%s': %s", kind, path, strerror(errno));
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->turn_lock, NULL);
	pthread_mutex_init(&p->shared.lock, NULL);
	list_init(&p->turn_waits);
	atomic_init(&p->call_ns, CALL_NS_UNKNOWN);
	p->before = last_loaded;
	last_loaded = p; /* what a failed one left behind is left alone: the program ends */
	return (p->own = pool_new(1, e)) && life_step(&s, "load") == 0 ? p : NULL;
}
