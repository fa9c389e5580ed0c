/* SPDX-License-Identifier: BSD-2-Clause */
/* What a story is made of: steps and sentences. */
#include "story/story.h"
#include <stdlib.h>
#include <string.h>

const char *const story_kind_names[STORY_KINDS] = { "read", "write", "zero", "trim", "flush", "why", "state", "trouble", "nothing" };

struct story_step *story_add(struct story *st, const char *name, size_t len)
{
	struct story_step *more = st->steps < STORY_STEPS_MAX ? reallocarray(st->step, st->steps + 1, sizeof *more) : NULL;
	if (!more) {
		st->no_memory |= st->steps < STORY_STEPS_MAX;
		return NULL;
	}
	st->step = more;
	more[st->steps] = (struct story_step){ .name = name ? strndup(name, len) : NULL };
	st->no_memory |= name && !more[st->steps].name;
	return &more[st->steps++];
}

void story_say(struct story *st, struct story_step *s, enum story_kind kind, const struct reach *reach, const char *fmt, ...)
{
	struct buf b = { .limit = SENTENCE_MAX };
	va_list ap;

	if (s->n == SENTENCES_MAX)
		return;
	va_start(ap, fmt);
	if (!buf_vprintf(&b, fmt, ap))
		buf_printf(&b, "what happened here is too long to be told");
	va_end(ap);
	buf_printf(&b, ".");
	if (b.len && b.p[0] >= 'a' && b.p[0] <= 'z' && kind != SAYS_TRIM && kind != SAYS_WRITE && kind != SAYS_ZERO && kind != SAYS_READ)
		b.p[0] = (char)(b.p[0] - 'a' + 'A');
	struct sentence *more = reallocarray(s->at, s->n + 1, sizeof *more);
	char *text = more ? strdup(buf_str(&b)) : NULL;
	if (more)
		s->at = more;
	if (text)
		s->at[s->n++] = (struct sentence){ text, kind, *reach };
	st->no_memory |= !text;
	buf_free(&b);
}

void story_free(struct story *st)
{
	for (unsigned i = 0; i < st->steps; i++) {
		for (unsigned k = 0; k < st->step[i].n; k++)
			free(st->step[i].at[k].text);
		free(st->step[i].at);
		free(st->step[i].name);
	}
	free(st->step);
	*st = (struct story){ 0 };
}
