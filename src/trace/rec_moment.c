/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments of a recording, as people name them. */
#include <stdlib.h>
#include <string.h>
#include "base/parse.h"
#include "trace/rec_at.h"

/* Calls until(e) for the events of chunk i in turn; the number of events before the one it says true for, or of all. */
static uint64_t count_until(const struct rec_file *f, size_t i, bool (*until)(const struct rec_event *, const void *), const void *arg,
			    bool *found)
{
	const struct rec_head *h = &f->events.at[i];
	const char *why = NULL;
	uint8_t *body = rec_body(f, h, &why);
	struct rec_decoder d = { .p = body, .end = body ? body + h->raw : NULL, .time = h->time };
	struct rec_event e;
	uint64_t n = h->first;

	*found = false;
	while (body && !*found && rec_decode(&d, &e))
		if (e.type != REC_CARRY) {
			*found = until(&e, arg);
			n += !*found;
		}
	free(body);
	return n;
}

static bool is_later(const struct rec_event *e, const void *arg)
{
	return e->time > *(const uint64_t *)arg;
}

static bool is_mark(const struct rec_event *e, const void *arg)
{
	const char *name = arg;
	return e->type == REC_MARK && e->text_len == strlen(name) && memcmp(e->text, name, e->text_len) == 0;
}

int rec_moment(const struct rec_file *f, const char *text, uint64_t *events, struct err *e)
{
	uint64_t n;
	bool found;

	if (strncmp(text, "event=", 6) == 0) {
		if (parse_u64("event", text + 6, 0, INT64_MAX, &n, e) < 0)
			return -1;
		if (n >= f->count)
			return err_set(e, "event=%s: there are %llu, from 0 on", text + 6, (unsigned long long)f->count);
		*events = n + 1;
		return 0;
	}
	if (strncmp(text, "mark=", 5) == 0) {
		for (size_t i = f->events.count; i-- > 0;) {
			if (!(f->events.at[i].level & REC_HAS_MARK))
				continue;
			n = count_until(f, i, is_mark, text + 5, &found);
			if (found) {
				*events = n + 1;
				return 0;
			}
		}
		return err_set(e, "mark=%s: there is no such mark", text + 5);
	}
	if (!*text || strcmp(text, "end") == 0) {
		*events = f->count;
		return 0;
	}
	if (parse_duration("moment", text, &n, e) < 0)
		return -1;
	n += f->start;
	size_t i = rec_chunk_of_time(f, n);
	*events = i == SIZE_MAX ? 0 : count_until(f, i, is_later, &n, &found);
	return 0;
}

static bool is_loss(const struct rec_event *e, const void *arg)
{
	(void)arg;
	return e->type == REC_LOSS;
}

bool rec_has_loss(const struct rec_file *f, uint64_t events, uint64_t *at)
{
	bool found = false;
	for (size_t i = 0; i < f->events.count && !found && f->events.at[i].first < events; i++)
		if (f->events.at[i].level & REC_HAS_LOSS)
			*at = count_until(f, i, is_loss, NULL, &found);
	return found && *at < events;
}

static int add_mark(struct rec_marks *m, const struct rec_event *e, uint64_t number)
{
	struct rec_mark *more = reallocarray(m->at, m->count + 1, sizeof *more);
	char *text = more ? strndup((const char *)e->text, e->text_len) : NULL;
	if (more)
		m->at = more;
	if (text)
		m->at[m->count++] = (struct rec_mark){ text, e->time, number };
	return text ? 0 : -1;
}

int rec_list_marks(const struct rec_file *f, struct rec_marks *m)
{
	int rc = 0;
	for (size_t i = 0; !rc && i < f->events.count && m->count < m->max; i++) {
		const struct rec_head *h = &f->events.at[i];
		const char *why = NULL;
		if (!(h->level & REC_HAS_MARK))
			continue;
		uint8_t *body = rec_body(f, h, &why);
		struct rec_decoder d = { .p = body, .end = body ? body + h->raw : NULL, .time = h->time };
		struct rec_event e;
		for (uint64_t n = h->first; body && !rc && m->count < m->max && rec_decode(&d, &e); n += e.type != REC_CARRY)
			if (e.type == REC_MARK)
				rc = add_mark(m, &e, n);
		free(body);
	}
	return rc;
}

void rec_free_marks(struct rec_marks *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->at[i].text);
	free(m->at);
	*m = (struct rec_marks){ 0 };
}
