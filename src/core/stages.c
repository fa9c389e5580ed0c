/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages of a command line: their options, their start and their end. */
#include <stdlib.h>
#include "base/say.h"
#include "core/core.h"

bool stage_option(struct stage *s, const char *key, const char *value, int *rc, struct err *e)
{
	const struct option *o = option_find(s->mod->options, key);
	if (!o)
		return false;
	*rc = option_set(o, s->block, value, e);
	return true;
}

int stage_param(struct stage *s, const char *key, const char *value, struct err *e)
{
	const struct stages *all = s->all;
	int rc;
	for (; s < all->at + all->count; s++) {
		if (stage_option(s, key, value, &rc, e)) {
			say_debug("%s: config key=%s, value=%s", s->mod->name, key, value);
			return rc;
		}
		if (s->mod->config)
			return s->mod->config(s, key, value, e);
	}
	return err_set(e, "unknown parameter '%s'", key);
}

int stage_complete(struct stage *s, struct err *e)
{
	const struct stages *all = s->all;
	for (; s < all->at + all->count; s++)
		if (s->mod->complete)
			return s->mod->complete(s, e);
	return 0;
}

int stages_start(struct stages *ss, struct err *e)
{
	if (stage_complete(ss->at, e) < 0)
		return -1;
	ss->thread_model = PARALLEL;
	for (unsigned i = ss->count; i-- > 0;) {
		struct stage *s = &ss->at[i];
		int model = s->mod->thread_model ? s->mod->thread_model(s, e) : PARALLEL;
		if (model < 0)
			return -1;
		ss->thread_model = MIN(ss->thread_model, (enum thread_model)model);
	}
	for (unsigned i = ss->count; i-- > 0;) {
		struct stage *s = &ss->at[i];
		if (s->mod->start && s->mod->start(s, e) < 0)
			return -1;
	}
	return 0;
}

int stages_forked(struct stages *ss, bool daemon, struct err *e)
{
	ss->forked = true;
	for (unsigned i = ss->count; i-- > 0;) {
		struct stage *s = &ss->at[i];
		if (s->mod->forked && s->mod->forked(s, daemon, e) < 0)
			return -1;
	}
	return 0;
}

void stages_stop(struct stages *ss)
{
	for (unsigned i = 0; i < ss->count && ss->forked; i++)
		if (ss->at[i].mod->cleanup)
			ss->at[i].mod->cleanup(&ss->at[i]);
	ss->forked = false;
	for (unsigned i = ss->count; i-- > 0;) {
		struct stage *s = &ss->at[i];
		if (!s->block)
			continue;
		if (s->mod->stop)
			s->mod->stop(s);
		option_free(s->mod->options, s->block);
		free(s->block);
		s->block = NULL;
	}
}
