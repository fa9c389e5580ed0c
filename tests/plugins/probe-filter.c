/* SPDX-License-Identifier: BSD-2-Clause */
/* A filter that writes down what is asked of it, for tests/run/loaded-filters.py, which builds it under several names
 * (-DNAME=...), and runs it under this server and under nbdkit.
 *
 *   NAME-log=FILE     a line for each call, behind what is there
 *   NAME-can=WORD...  what it says of itself: zero= fua= cache= (0, 1, 2), write=0, extents=0, model=0..3, fail=CALLBACK
 *   NAME-do=WORD      at each pread, do this with what lies below: look, extents, aligned, sleep, hold */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nbdkit-filter.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define ME STRING(NAME)

static FILE *to;
static char can[200], what[50];
int GLUE_debug_loud; /* -D NAME.loud=N */

static void note(const char *fmt, ...)
{
	char line[1000];
	va_list ap;

	if (!to)
		return;
	va_start(ap, fmt);
	int n = snprintf(line, sizeof line, "%s ", ME);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 2, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	fwrite(line, 1, (size_t)n, to);
	fflush(to);
}

/* The number behind key= in what the filter is told to be, or otherwise. */
static int told(const char *key, int otherwise)
{
	const char *p = strstr(can, key);
	return p ? atoi(p + strlen(key)) : otherwise;
}

static int fails(const char *callback)
{
	char word[60];
	snprintf(word, sizeof word, "fail=%s", callback);
	if (!strstr(can, word))
		return 0;
	nbdkit_error("%s: %s fails, as it was told", ME, callback);
	return -1;
}

static int my_config(nbdkit_next_config *next, nbdkit_backend *nxdata, const char *key, const char *value)
{
	if (strcmp(key, ME "-log") == 0)
		return (to = fopen(value, "a")) ? 0 : -1;
	if (strcmp(key, ME "-can") == 0)
		return snprintf(can, sizeof can, "%s", value) < 0;
	if (strcmp(key, ME "-do") == 0)
		return snprintf(what, sizeof what, "%s", value) < 0;
	note("config %s=%s", key, value);
	return next(nxdata, key, value);
}

static int my_config_complete(nbdkit_next_config_complete *next, nbdkit_backend *nxdata)
{
	note("config_complete loud=%d", GLUE_debug_loud);
	return fails("config_complete") ? -1 : next(nxdata);
}

static int my_thread_model(void)
{
	return told("model=", NBDKIT_THREAD_MODEL_PARALLEL);
}

static int my_get_ready(int thread_model)
{
	note("get_ready thread_model=%d", thread_model);
	return fails("get_ready");
}

static nbdkit_next *shared;
static int my_after_fork(nbdkit_backend *backend)
{
	note("after_fork");
	if (strcmp(what, "shared") == 0) {
		shared = nbdkit_next_context_open(backend, 0, "", 1);
		if (!shared || shared->prepare(shared) < 0)
			return -1;
		note("shared size=%" PRIi64, shared->get_size(shared));
	}
	return fails("after_fork");
}

static void my_cleanup(nbdkit_backend *backend)
{
	(void)backend;
	note("cleanup");
	if (shared) {
		shared->finalize(shared);
		nbdkit_next_context_close(shared);
	}
}

static void my_unload(void)
{
	note("unload");
	if (to)
		fclose(to);
}

static int my_preconnect(nbdkit_next_preconnect *next, nbdkit_backend *nxdata, int readonly)
{
	note("preconnect readonly=%d", readonly);
	return fails("preconnect") ? -1 : next(nxdata, readonly);
}

static int my_list_exports(nbdkit_next_list_exports *next, nbdkit_backend *nxdata, int readonly, int is_tls,
			   struct nbdkit_exports *exports)
{
	struct nbdkit_exports *below = nbdkit_exports_new();
	int rc = below ? next(nxdata, readonly, below) : -1;

	note("list_exports readonly=%d is_tls=%d count=%zu", readonly, is_tls, below ? nbdkit_exports_count(below) : 0);
	for (size_t i = 0; rc == 0 && i < nbdkit_exports_count(below); i++) {
		struct nbdkit_export x = nbdkit_get_export(below, i);
		char name[100];
		snprintf(name, sizeof name, "%s-%s", ME, x.name);
		note("export '%s' '%s'", x.name, x.description ? x.description : "");
		rc = nbdkit_add_export(exports, name, x.description);
	}
	nbdkit_exports_free(below);
	return rc;
}

static const char *my_default_export(nbdkit_next_default_export *next, nbdkit_backend *nxdata, int readonly, int is_tls)
{
	const char *name = next(nxdata, readonly);
	note("default_export readonly=%d is_tls=%d below='%s'", readonly, is_tls, name ? name : "(none)");
	return fails("default_export") ? NULL : name;
}

struct handle {
	nbdkit_context *context;
	nbdkit_backend *backend;
	int opened;
};

static void *my_open(nbdkit_next_open *next, nbdkit_context *context, int readonly, const char *exportname, int is_tls)
{
	struct handle *h = calloc(1, sizeof *h);

	note("open readonly=%d export='%s' is_tls=%d", readonly, exportname, is_tls);
	h->context = context;
	h->backend = nbdkit_context_get_backend(context);
	if (fails("open") || (strcmp(what, "shared") != 0 && next(context, readonly, exportname) < 0)) {
		free(h);
		return NULL;
	}
	if (strcmp(what, "twice") == 0) { /* another in the place of the first, which is given back */
		nbdkit_next *mine = nbdkit_next_context_open(h->backend, readonly, exportname, 0);
		nbdkit_next *before = mine && mine->prepare(mine) == 0 ? nbdkit_context_set_next(context, mine) : NULL;
		note("twice: %s %s", mine ? "opened" : "failed", before && before != mine ? "replaced" : "not replaced");
		if (before) {
			before->finalize(before);
			nbdkit_next_context_close(before);
		}
	}
	if (shared)
		nbdkit_context_set_next(context, shared);
	h->opened = 1;
	return h;
}

static void my_close(void *handle)
{
	note("close");
	free(handle);
}

static int my_prepare(nbdkit_next *next, void *handle, int readonly)
{
	(void)handle;
	note("prepare readonly=%d size=%" PRIi64, readonly, next->get_size(next));
	return fails("prepare");
}

static int my_finalize(nbdkit_next *next, void *handle)
{
	struct handle *h = handle;
	(void)next;
	note("finalize");
	if (shared) /* not to be closed with the connection */
		nbdkit_context_set_next(h->context, NULL);
	return 0;
}

static int64_t my_get_size(nbdkit_next *next, void *handle)
{
	(void)handle;
	return fails("get_size") ? -1 : next->get_size(next);
}

static int my_can_write(nbdkit_next *next, void *handle)
{
	(void)handle;
	return fails("can_write") ? -1 : told("write=", next->can_write(next));
}

static int my_can_zero(nbdkit_next *next, void *handle)
{
	(void)handle;
	return told("zero=", next->can_zero(next));
}

static int my_can_fua(nbdkit_next *next, void *handle)
{
	(void)handle;
	return told("fua=", next->can_fua(next));
}

static int my_can_cache(nbdkit_next *next, void *handle)
{
	(void)handle;
	return told("cache=", next->can_cache(next));
}

static int my_can_extents(nbdkit_next *next, void *handle)
{
	(void)handle;
	return told("extents=", next->can_extents(next));
}

static void look(nbdkit_next *next)
{
	uint32_t min, pref, max;
	next->block_size(next, &min, &pref, &max);
	note("below: size=%" PRIi64 " write=%d flush=%d rotational=%d trim=%d zero=%d fast_zero=%d extents=%d fua=%d multi=%d cache=%d "
	     "blocks=%u,%u,%u description=%s",
	     next->get_size(next), next->can_write(next), next->can_flush(next), next->is_rotational(next), next->can_trim(next),
	     next->can_zero(next), next->can_fast_zero(next), next->can_extents(next), next->can_fua(next), next->can_multi_conn(next),
	     next->can_cache(next), min, pref, max, next->export_description(next) ? next->export_description(next) : "(none)");
}

static void list(struct nbdkit_extents *x)
{
	for (size_t i = 0; x && i < nbdkit_extents_count(x); i++) {
		struct nbdkit_extent e = nbdkit_get_extent(x, i);
		note("extent %" PRIu64 "+%" PRIu64 " type=%u", e.offset, e.length, e.type);
	}
}

static void extents_in_whole(nbdkit_next *next)
{
	int err = 0;
	struct nbdkit_extents *x = nbdkit_extents_full(next, (uint32_t)next->get_size(next), 0, NBDKIT_FLAG_REQ_ONE, &err);
	note("full: err=%d count=%zu", err, x ? nbdkit_extents_count(x) : 0);
	list(x);
	nbdkit_extents_free(x);
}

static void extents_in_blocks(nbdkit_next *next)
{
	for (uint32_t align = 512; align <= 256 * 1024; align *= 8) {
		int err = 0;
		uint32_t size = (uint32_t)next->get_size(next) & ~(align - 1);
		struct nbdkit_extents *x = nbdkit_extents_new(0, size);
		int rc = nbdkit_extents_aligned(next, size, 0, 0, align, x, &err);
		note("aligned to %u: rc=%d err=%d", align, rc, err);
		list(x);
		nbdkit_extents_free(x);
	}
}

static int my_pread(nbdkit_next *next, void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	(void)handle;
	note("pread count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	if (strcmp(what, "look") == 0)
		look(next);
	if (strcmp(what, "extents") == 0)
		extents_in_whole(next);
	if (strcmp(what, "aligned") == 0)
		extents_in_blocks(next);
	if (strcmp(what, "sleep") == 0) {
		int rc = nbdkit_nanosleep(3600, 0);
		note("slept rc=%d", rc);
	}
	if (strstr(can, "fail=pread")) {
		*err = ENOSPC;
		return -1;
	}
	int rc = next->pread(next, buf, count, offset, 0, err);
	note("pread rc=%d err=%d", rc, rc < 0 ? *err : 0);
	return rc;
}

static int my_pwrite(nbdkit_next *next, void *handle, const void *buf, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	(void)handle;
	note("pwrite count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	return next->pwrite(next, buf, count, offset, flags, err);
}

static int my_flush(nbdkit_next *next, void *handle, uint32_t flags, int *err)
{
	(void)handle;
	note("flush flags=%u", flags);
	return next->flush(next, flags, err);
}

static int my_trim(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	(void)handle;
	note("trim count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	return next->trim(next, count, offset, flags, err);
}

static int my_zero(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	(void)handle;
	note("zero count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	if (strcmp(what, "eopnotsupp") == 0) {
		*err = EOPNOTSUPP;
		return -1;
	}
	return next->zero(next, count, offset, flags, err);
}

static int my_extents(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags,
		      struct nbdkit_extents *extents, int *err)
{
	(void)handle;
	note("extents count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	return next->extents(next, count, offset, flags, extents, err);
}

static int my_cache(nbdkit_next *next, void *handle, uint32_t count, uint64_t offset, uint32_t flags, int *err)
{
	(void)handle;
	note("cache count=%u offset=%" PRIu64 " flags=%u", count, offset, flags);
	return next->cache(next, count, offset, flags, err);
}

static struct nbdkit_filter filter = {
	.name = ME,
	.longname = "a filter that writes down what is asked of it",
	.config_help = ME "-log=FILE   where to",
	.config = my_config,
	.config_complete = my_config_complete,
	.thread_model = my_thread_model,
	.get_ready = my_get_ready,
	.after_fork = my_after_fork,
	.cleanup = my_cleanup,
	.unload = my_unload,
	.preconnect = my_preconnect,
	.list_exports = my_list_exports,
	.default_export = my_default_export,
	.open = my_open,
	.close = my_close,
	.prepare = my_prepare,
	.finalize = my_finalize,
	.get_size = my_get_size,
	.can_write = my_can_write,
	.can_zero = my_can_zero,
	.can_fua = my_can_fua,
	.can_cache = my_can_cache,
	.can_extents = my_can_extents,
	.pread = my_pread,
	.pwrite = my_pwrite,
	.flush = my_flush,
	.trim = my_trim,
	.zero = my_zero,
	.extents = my_extents,
	.cache = my_cache,
};

#ifndef VERSION_SAID
NBDKIT_REGISTER_FILTER(filter)
#else
/* As a filter of nbdkit 1.36 and later lays it out: with a field more behind thread_model. */
static void my_dump_plugin(void)
{
	printf("probe_filter=%s\n", ME);
}

void *filter_init(void);
void *filter_init(void)
{
	static char newer[sizeof filter + sizeof(void (*)(void))];
	void (*dump)(void) = my_dump_plugin;
	size_t at = offsetof(struct nbdkit_filter, get_ready);

	filter._api_version = NBDKIT_FILTER_API_VERSION;
	filter._version = VERSION_SAID;
	memcpy(newer, &filter, at);
	memcpy(newer + at, &dump, sizeof dump);
	memcpy(newer + at + sizeof dump, (char *)&filter + at, sizeof filter - at);
	return newer;
}
#endif
