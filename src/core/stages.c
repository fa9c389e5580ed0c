/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages of a command line: their options, their start and their end. */
#include <stdlib.h>
#include "core/core.h"

bool stage_option(struct stage *s, const char *key, const char *value, int *rc, struct err *e)
{
	const struct option *o = option_find(s->mod->options, key);
	if (!o)
		return false;
	*rc = option_set(o, s->block, value, e);
	return true;
}

int stages_start(struct stages *ss, struct err *e)
{
	for (unsigned i = ss->count; i-- > 0;) {
		struct stage *s = &ss->at[i];
		if (s->mod->start && s->mod->start(s->block, e) < 0)
			return -1;
		s->started = true;
	}
	return 0;
}

void stages_forked(struct stages *ss, bool daemon)
{
	for (unsigned i = 0; i < ss->count; i++)
		if (ss->at[i].mod->forked)
			ss->at[i].mod->forked(ss->at[i].block, daemon);
}

void stages_stop(struct stages *ss)
{
	for (unsigned i = 0; i < ss->count; i++) {
		struct stage *s = &ss->at[i];
		if (!s->block)
			continue;
		if (s->mod->stop)
			s->mod->stop(s->block);
		option_free(s->mod->options, s->block);
		free(s->block);
		s->block = NULL;
		s->started = false;
	}
}
