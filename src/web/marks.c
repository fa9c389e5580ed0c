/* SPDX-License-Identifier: BSD-2-Clause */
#include "web/marks.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the file ---- */

static bool changed(struct marks *m)
{
	struct stat st;

	if (!m->file || stat(m->file, &st) < 0)
		return false;
	bool is = st.st_size != m->read.st_size || st.st_ino != m->read.st_ino || st.st_mtim.tv_sec != m->read.st_mtim.tv_sec
		|| st.st_mtim.tv_nsec != m->read.st_mtim.tv_nsec;
	m->read = st;
	return is;
}

/* A line that is half there keeps the old ones. */
static int read_again(struct marks *m, struct err *e)
{
	struct steps fresh;

	if (!changed(m))
		return 0;
	if (steps_load(&fresh, m->file, e) < 0)
		return -1;
	steps_free(&m->steps);
	m->steps = fresh;
	return 0;
}

static int append(const char *file, uint64_t at, const char *text, struct err *e)
{
	int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	char *line = NULL;
	uint64_t seconds = at / NS_PER_S, ns = at % NS_PER_S;
	int len = fd < 0 ? -1 : asprintf(&line, "@%" PRIu64 ".%09" PRIu64 " %s\n", seconds, ns, text);
	int rc = len > 0 && write(fd, line, (size_t)len) == len ? 0 : err_set(e, "%s: %s", file, strerror(errno));

	if (len >= 0)
		free(line);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- life ---- */

int marks_init(struct marks *m, const char *file, struct err *e)
{
	*m = (struct marks){ .file = file };
	pthread_mutex_init(&m->lock, NULL);
	if (file && access(file, F_OK) < 0 && errno != ENOENT)
		return err_set(e, "%s: %s", file, strerror(errno));
	return read_again(m, e);
}

void marks_free(struct marks *m)
{
	steps_free(&m->steps);
	steps_free(&m->own);
	pthread_mutex_destroy(&m->lock);
}

/* ---- setting ---- */

/* So that what is added can be read again. */
static bool has_room(struct marks *m, size_t len)
{
	struct err ignored = { 0 };

	read_again(m, &ignored);
	return m->steps.n < STEPS_MAX && (uint64_t)m->read.st_size + len + 40 <= STEPS_FILE_MAX;
}

int marks_set(struct marks *m, uint64_t at, const char *text, size_t len, struct err *e)
{
	char *clean = strndup(text, len);
	int rc;

	for (char *p = clean; p && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	pthread_mutex_lock(&m->lock);
	if (!clean)
		rc = err_set(e, "mark: out of memory");
	else if (m->file && !has_room(m, len))
		rc = err_set(e, "%s: there is no room for more marks", m->file);
	else if (m->file)
		rc = append(m->file, at, clean, e);
	else
		rc = steps_add(&m->own, at, clean, strlen(clean)) ? 0 : err_set(e, "mark: there are %d already", STEPS_MAX);
	pthread_mutex_unlock(&m->lock);
	free(clean);
	return rc;
}

/* ---- all of them ---- */

static size_t add(struct mark *to, const struct steps *s, uint64_t start, bool own)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		char *text = strdup(s->step[i].text);
		if (text)
			to[n++] = (struct mark){ steps_begin(s, i, start), text, own };
	}
	return n;
}

/* Insertion keeps the order of equal times, and each list is nearly sorted. */
static void sort(struct mark *m, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct mark one = m[i];
		size_t j = i;
		for (; j > 0 && m[j - 1].at > one.at; j--)
			m[j] = m[j - 1];
		m[j] = one;
	}
}

struct mark *marks_list(struct marks *m, const struct steps *p, uint64_t start, size_t *n)
{
	struct err ignored = { 0 };

	pthread_mutex_lock(&m->lock);
	read_again(m, &ignored);
	struct mark *all = calloc(p->n + m->steps.n + m->own.n + 1, sizeof *all);
	*n = 0;
	if (all) {
		*n += add(all, p, start, false);
		*n += add(all + *n, &m->steps, start, false);
		*n += add(all + *n, &m->own, start, true);
		sort(all, *n);
	}
	pthread_mutex_unlock(&m->lock);
	return all;
}

void marks_give_back(struct mark *mark, size_t n)
{
	for (size_t i = 0; mark && i < n; i++)
		free(mark[i].text);
	free(mark);
}
