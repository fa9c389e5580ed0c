/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/parse.h"
#include "view/steps.h"

uint64_t steps_begin(const struct steps *s, size_t i, uint64_t start)
{
	const struct step *st = &s->step[i];
	if (st->absolute)
		return MAX(st->at, start);
	return start + MIN(st->at, UINT64_MAX - start);
}

int steps_at(const struct steps *s, uint64_t t, uint64_t start)
{
	int found = -1;
	for (size_t i = 0; i < s->n && steps_begin(s, i, start) <= t; i++)
		found = (int)i;
	return found;
}

/* Insertion keeps equal times in the order of the file, and files are nearly sorted. */
void steps_sort(struct steps *s, uint64_t start)
{
	for (size_t i = 1; i < s->n; i++) {
		struct step moving = s->step[i];
		uint64_t at = steps_begin(s, i, start);
		size_t j = i;
		for (; j > 0 && steps_begin(s, j - 1, start) > at; j--)
			s->step[j] = s->step[j - 1];
		s->step[j] = moving;
	}
}

static int parse_step(struct step *st, const char *what, char *line, struct err *e)
{
	char *time = line, *caption = line + strcspn(line, " \t");

	if (*caption)
		*caption++ = '\0';
	caption += strspn(caption, " \t");
	st->absolute = *time == '@';
	if (parse_duration(what, time + st->absolute, &st->at, e) < 0)
		return -1;
	st->text = strdup(caption);
	return st->text ? 0 : err_set(e, "%s: out of memory", what);
}

static int add_line(struct steps *s, const char *name, unsigned number, char *line, struct err *e)
{
	char what[128];

	line += strspn(line, " \t\r");
	if (!*line || *line == '#')
		return 0;
	snprintf(what, sizeof what, "%s: line %u", name, number);
	if (s->n == STEPS_MAX)
		return err_set(e, "%s: more than %d steps", what, STEPS_MAX);
	if (parse_step(&s->step[s->n], what, line, e) < 0)
		return -1;
	s->n++;
	return 0;
}

int steps_parse(struct steps *s, const char *name, const char *text, size_t len, struct err *e)
{
	char *copy = strndup(text, len), *rest = copy, *line;
	unsigned number = 0;
	int r = 0;

	*s = (struct steps){ .step = calloc(STEPS_MAX, sizeof *s->step) };
	if (!copy || !s->step)
		r = err_set(e, "%s: out of memory", name);
	while (!r && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		r = add_line(s, name, ++number, line, e);
	}
	free(copy);
	if (r < 0)
		steps_free(s);
	return r;
}

bool steps_add(struct steps *s, uint64_t at, const char *text, size_t len)
{
	if (!s->step)
		s->step = calloc(STEPS_MAX, sizeof *s->step);
	char *copy = s->step && s->n < STEPS_MAX ? strndup(text, len) : NULL;
	if (copy)
		s->step[s->n++] = (struct step){ .at = at, .absolute = true, .text = copy };
	return copy;
}

int steps_load(struct steps *s, const char *path, struct err *e)
{
	struct buf b;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = -1;

	buf_init(&b, STEPS_FILE_MAX + 1);
	if (fd < 0)
		return err_set(e, "%s: %s", path, strerror(errno));
	while (n > 0 && b.len <= STEPS_FILE_MAX) {
		if (!buf_reserve(&b, MIN(4096, STEPS_FILE_MAX + 1 - b.len)))
			break;
		n = read(fd, b.p + b.len, MIN(4096, STEPS_FILE_MAX + 1 - b.len));
		b.len += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		err_set(e, "%s: %s", path, strerror(errno));
	else if (n > 0)
		err_set(e, "%s: too long for a list of steps", path);
	else
		r = steps_parse(s, path, b.len ? b.p : "", b.len, e);
	buf_free(&b);
	close(fd);
	return r;
}

void steps_free(struct steps *s)
{
	for (size_t i = 0; s->step && i < s->n; i++)
		free(s->step[i].text);
	free(s->step);
	*s = (struct steps){ 0 };
}
