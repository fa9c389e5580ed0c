/* SPDX-License-Identifier: BSD-2-Clause */
/* The callbacks; probe.h tells the story. */
#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DISK = 1 << 20, HOLD_FROM = DISK / 2 };

int probe_debug_flag; /* -D probe.flag=N */
int probe_debug_two_words;

/* --- the record --- */

void note(const char *fmt, ...)
{
	static int fd = -1; /* opened before there are threads */
	char line[16384];
	int saved = errno, n;
	va_list ap;

	if (fd < 0)
		fd = open(getenv("PROBE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	n = snprintf(line, sizeof line, "%ld ", (long)syscall(SYS_gettid));
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof line - 2)
		n = (int)sizeof line - 2;
	line[n++] = '\n';
	if (write(fd, line, (size_t)n) < 0)
		abort();
	errno = saved;
}

/* --- settings --- */

static const char *find(const char *all, const char *key)
{
	static _Thread_local char value[8192];
	size_t n = strlen(key);
	for (const char *s = all; s && *s; s = strchr(s, ';'), s += s ? 1 : 0)
		if (strncmp(s, key, n) == 0 && s[n] == '=') {
			snprintf(value, sizeof value, "%.*s", (int)strcspn(s + n + 1, ";"), s + n + 1);
			return value;
		}
	return NULL;
}

const char *setting(const struct handle *h, const char *key)
{
	const char *v = h ? find(h->settings, key) : NULL;
	return v ? v : find(getenv("PROBE_WITH"), key);
}

static long number(const struct handle *h, const char *key, long otherwise)
{
	const char *v = setting(h, key);
	return v ? strtol(v, NULL, 0) : otherwise;
}

/* The answer of a callback that is asked something. */
static int answer(const struct handle *h, const char *callback, int otherwise)
{
	do_in(h, callback);
	int n = (int)number(h, callback, otherwise);
	if (n == -1)
		nbdkit_error("%s fails", callback);
	return n;
}

/* The end of a callback that serves: E5, S5, -1, or success. */
static int serve(const struct handle *h, const char *callback)
{
	do_in(h, callback);
	const char *v = setting(h, callback);
	if (!v)
		return 0;
	int err = (int)strtol(v + 1, NULL, 0);
	errno = *v == 'E' ? err : 7;
	if (*v == 'S')
		nbdkit_set_error(err);
	nbdkit_error("%s fails", callback);
	return -1;
}

static const char *text(const struct handle *h, const char *key)
{
	const char *n = setting(h, "long");
	static char longs[8193];
	if (n) {
		size_t len = (size_t)strtol(n, NULL, 0);
		memset(longs, 'x', len);
		longs[len] = '\0';
		return longs;
	}
	const char *v = setting(h, key);
	return !v || strcmp(v, "null") == 0 ? NULL : nbdkit_strdup_intern(v);
}

/* --- the life --- */

static void probe_load(void)
{
	note("load flag=%d two_words=%d", probe_debug_flag, probe_debug_two_words);
	do_in(NULL, "load");
}

static void probe_unload(void)
{
	note("unload");
	do_in(NULL, "unload");
}

static int probe_config(const char *key, const char *value)
{
	note("config %s=%s", key, value);
	if (strcmp(key, "do") == 0)
		do_words(value);
	return answer(NULL, "config", 0);
}

static int probe_config_complete(void)
{
	note("config_complete");
	return answer(NULL, "config_complete", 0);
}

static int probe_thread_model(void)
{
	note("thread_model");
	return answer(NULL, "thread_model", NBDKIT_THREAD_MODEL_PARALLEL);
}

static pid_t ready_pid;

static int probe_get_ready(void)
{
	char *dir = getcwd(NULL, 0);
	note("get_ready %s", dir && strcmp(dir, "/") == 0 ? "in /" : "where it was started");
	free(dir);
	ready_pid = getpid();
	return answer(NULL, "get_ready", 0);
}

static int probe_after_fork(void)
{
	char *dir = getcwd(NULL, 0);
	note("after_fork %s", dir && strcmp(dir, "/") == 0 ? "in /" : "where it was started");
	free(dir);
	return answer(NULL, "after_fork", 0);
}

static void probe_cleanup(void)
{
	note("cleanup");
	do_in(NULL, "cleanup");
}

static void probe_dump(void)
{
	note("dump_plugin");
	do_in(NULL, "dump_plugin");
	printf("probe_says=hello\n");
}

/* --- before and around an export --- */

static int probe_preconnect(int readonly)
{
	note("preconnect readonly=%d", readonly);
	return answer(NULL, "preconnect", 0);
}

static int probe_list_exports(int readonly, int tls, struct nbdkit_exports *x)
{
	note("list_exports readonly=%d tls=%d", readonly, tls);
	do_in(NULL, "list_exports");
	const char *v = setting(NULL, "list_exports");
	char *all = strdup(v ? v : ""), *save = NULL;
	int rc = strcmp(all, "-1") == 0 ? -1 : 0;
	if (rc < 0)
		nbdkit_error("list_exports fails");
	if (setting(NULL, "long"))
		note("add_export = %d", nbdkit_add_export(x, text(NULL, "long"), NULL));
	for (char *one = strtok_r(all, "/", &save); one && rc == 0; one = strtok_r(NULL, "/", &save)) {
		char *colon = strchr(one, ':');
		int ok;
		if (colon)
			*colon++ = '\0';
		if (strcmp(one, "use_default") == 0)
			ok = nbdkit_use_default_export(x);
		else if (strncmp(one, "many", 4) == 0)
			for (long n = strtol(one + 4, NULL, 0), i = ok = 0; i < n && ok == 0; i++) {
				char name[32];
				snprintf(name, sizeof name, "%ld", i);
				ok = nbdkit_add_export(x, name, NULL);
			}
		else
			ok = nbdkit_add_export(x, one, colon);
		note("add_export %s = %d", one, ok);
		rc = ok;
	}
	free(all);
	return rc;
}

static const char *probe_default_export(int readonly, int tls)
{
	note("default_export readonly=%d tls=%d", readonly, tls);
	do_in(NULL, "default_export");
	const char *v = setting(NULL, "default_export");
	return v || setting(NULL, "long") ? text(NULL, "default_export") : "";
}

static void *probe_open(int readonly)
{
	struct handle *h = calloc(1, sizeof *h);
	const char *name = nbdkit_export_name();
	if (name && *name == '?')
		snprintf(h->settings, sizeof h->settings, "%s", name + 1);
	note("open readonly=%d export=%s", readonly, name);
	if (answer(h, "open", 0) == -1) {
		errno = EACCES;
		free(h);
		return NULL;
	}
	return h;
}

static void probe_close(void *h)
{
	note("close");
	do_in(h, "close");
	free(h);
}

static int64_t probe_get_size(void *h)
{
	note("get_size");
	do_in(h, "get_size");
	int64_t n = number(h, "size", DISK);
	if (n < 0)
		nbdkit_error("get_size fails");
	return n;
}

static const char *probe_export_description(void *h)
{
	note("export_description");
	do_in(h, "export_description");
	return text(h, "export_description");
}

static int probe_block_size(void *h, uint32_t *min, uint32_t *pref, uint32_t *max)
{
	note("block_size");
	do_in(h, "block_size");
	const char *v = setting(h, "block_size");
	char *end;
	if (v && strcmp(v, "-1") == 0) {
		nbdkit_error("block_size fails");
		return -1;
	}
	*min = *pref = *max = 0;
	if (v) {
		*min = (uint32_t)strtoul(v, &end, 0);
		*pref = (uint32_t)strtoul(end + 1, &end, 0);
		*max = (uint32_t)strtoul(end + 1, &end, 0);
	}
	return 0;
}

#define ASKED(callback, otherwise)                            \
	static int probe_##callback(void *h)                  \
	{                                                     \
		note(#callback);                              \
		return answer(h, #callback, otherwise);       \
	}
ASKED(can_write, 1)
ASKED(can_flush, 1)
ASKED(is_rotational, 0)
ASKED(can_trim, 1)
ASKED(can_zero, 1)
ASKED(can_fast_zero, 1)
ASKED(can_fua, NBDKIT_FUA_NATIVE)
ASKED(can_multi_conn, 1)
ASKED(can_extents, 1)
ASKED(can_cache, NBDKIT_CACHE_NATIVE)

/* --- serving --- */

static unsigned char byte_at(uint64_t off)
{
	return (unsigned char)(off * 7 + off / 509);
}

static int read_some(void *h, unsigned char *buf, uint32_t count, uint64_t off, uint32_t flags)
{
	const char *gate = off >= HOLD_FROM ? setting(h, "hold") : NULL;
	note("pread count=%" PRIu32 " offset=%" PRIu64 " flags=%" PRIu32, count, off, flags);
	while (gate && access(gate, F_OK) < 0)
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	for (uint32_t i = 0; i < count; i++)
		buf[i] = byte_at(off + i);
	int rc = serve(h, "pread");
	note("pread ends offset=%" PRIu64, off);
	return rc;
}

static int other(void *h, const char *callback, uint32_t count, uint64_t off, uint32_t flags)
{
	note("%s count=%" PRIu32 " offset=%" PRIu64 " flags=%" PRIu32, callback, count, off, flags);
	return serve(h, callback);
}

static int probe_extents(void *h, uint32_t count, uint64_t off, uint32_t flags, struct nbdkit_extents *x)
{
	const char *v;
	char all[512], *save = NULL;
	int rc = other(h, "extents_call", count, off, flags);
	snprintf(all, sizeof all, "%s", (v = setting(h, "extents")) ? v : "+0,1048576,0");
	for (char *one = strtok_r(all, "/", &save); one && rc == 0; one = strtok_r(NULL, "/", &save)) {
		bool relative = *one == '+';
		char *end;
		uint64_t at = strtoull(one + relative, &end, 0), len = strtoull(end + 1, &end, 0);
		uint32_t type = (uint32_t)strtoul(end + 1, NULL, 0);
		int ok = nbdkit_add_extent(x, at + (relative ? off : 0), len, type);
		if (ok < 0 && setting(h, "go_on"))
			ok = 0;
		rc = ok;
		note("add_extent %s = %d", one, ok);
	}
	return rc;
}

static int probe_cache(void *h, uint32_t count, uint64_t off, uint32_t flags)
{
	return other(h, "cache", count, off, flags);
}

#if NBDKIT_API_VERSION == 1
static int probe_pread(void *h, void *b, uint32_t n, uint64_t at) { return read_some(h, b, n, at, 0); }
static int probe_pwrite(void *h, const void *b, uint32_t n, uint64_t at) { (void)b; return other(h, "pwrite", n, at, 0); }
static int probe_flush(void *h) { return other(h, "flush", 0, 0, 0); }
static int probe_trim(void *h, uint32_t n, uint64_t at) { return other(h, "trim", n, at, 0); }
static int probe_zero(void *h, uint32_t n, uint64_t at, int may_trim) { return other(h, "zero", n, at, (uint32_t)may_trim); }
#else
static int probe_pread(void *h, void *b, uint32_t n, uint64_t at, uint32_t f) { return read_some(h, b, n, at, f); }
static int probe_pwrite(void *h, const void *b, uint32_t n, uint64_t at, uint32_t f)
{
	/* the fallback for zero: are they? */
	const unsigned char *p = b;
	bool zero = !*p && memcmp(p, p + 1, n - 1) == 0;
	return other(h, zero ? "pwrite zeroes" : "pwrite", n, at, f);
}
static int probe_flush(void *h, uint32_t f) { return other(h, "flush", 0, 0, f); }
static int probe_trim(void *h, uint32_t n, uint64_t at, uint32_t f) { return other(h, "trim", n, at, f); }
static int probe_zero(void *h, uint32_t n, uint64_t at, uint32_t f) { return other(h, "zero", n, at, f); }
#endif

/* --- the table --- */

static struct nbdkit_plugin plugin = {
	.name = "probe",
	.longname = "a plug-in that looks around",
	.version = "3.14",
	.description = "It writes down what happens.",
	.config_help = "KEY=VALUE    anything",
	.load = probe_load,
	.unload = probe_unload,
	.config = probe_config,
	.config_complete = probe_config_complete,
	.open = probe_open,
	.close = probe_close,
	.get_size = probe_get_size,
	.can_write = probe_can_write,
	.can_flush = probe_can_flush,
	.is_rotational = probe_is_rotational,
	.can_trim = probe_can_trim,
	.pread = probe_pread,
	.pwrite = probe_pwrite,
	.flush = probe_flush,
	.trim = probe_trim,
	.zero = probe_zero,
	.dump_plugin = probe_dump,
	.can_zero = probe_can_zero,
	.can_fua = probe_can_fua,
	.can_multi_conn = probe_can_multi_conn,
	.can_extents = probe_can_extents,
	.extents = probe_extents,
	.can_cache = probe_can_cache,
	.cache = probe_cache,
	.thread_model = probe_thread_model,
	.can_fast_zero = probe_can_fast_zero,
	.preconnect = probe_preconnect,
	.get_ready = probe_get_ready,
	.after_fork = probe_after_fork,
	.list_exports = probe_list_exports,
	.default_export = probe_default_export,
	.export_description = probe_export_description,
	.cleanup = probe_cleanup,
	.block_size = probe_block_size,
};

static bool named(const char *all, const char *name)
{
	size_t n = strlen(name);
	for (const char *s = all; (s = strstr(s, name)); s += n)
		if ((s == all || s[-1] == ' ') && (!s[n] || s[n] == ' '))
			return true;
	return false;
}

static void leave_out(void)
{
	const char *have = getenv("PROBE_HAVE");
	if (!have)
		return;
#define OPTIONAL(callback) \
	if (!named(have, #callback)) \
		plugin.callback = NULL
	OPTIONAL(load);
	OPTIONAL(unload);
	OPTIONAL(config);
	OPTIONAL(config_complete);
	OPTIONAL(close);
	OPTIONAL(can_write);
	OPTIONAL(can_flush);
	OPTIONAL(is_rotational);
	OPTIONAL(can_trim);
	OPTIONAL(pread);
	OPTIONAL(pwrite);
	OPTIONAL(flush);
	OPTIONAL(trim);
	OPTIONAL(zero);
	OPTIONAL(dump_plugin);
	OPTIONAL(can_zero);
	OPTIONAL(can_fua);
	OPTIONAL(can_multi_conn);
	OPTIONAL(can_extents);
	OPTIONAL(extents);
	OPTIONAL(can_cache);
	OPTIONAL(cache);
	OPTIONAL(thread_model);
	OPTIONAL(can_fast_zero);
	OPTIONAL(preconnect);
	OPTIONAL(get_ready);
	OPTIONAL(after_fork);
	OPTIONAL(list_exports);
	OPTIONAL(default_export);
	OPTIONAL(export_description);
	OPTIONAL(cleanup);
	OPTIONAL(block_size);
}

#define THREAD_MODEL (getenv("PROBE_MODEL") ? atoi(getenv("PROBE_MODEL")) : NBDKIT_THREAD_MODEL_PARALLEL)
#define plugin_init make_plugin
NBDKIT_REGISTER_PLUGIN(plugin)
#undef plugin_init

struct nbdkit_plugin *plugin_init(void);
struct nbdkit_plugin *plugin_init(void)
{
	static struct { /* a plug-in of the future has fields that nobody knows yet */
		struct nbdkit_plugin p;
		void *more[8];
	} longer;
	struct nbdkit_plugin *p = make_plugin();

	leave_out();
	plugin.errno_is_preserved = getenv("PROBE_PRESERVED") != NULL;
	plugin.magic_config_key = getenv("PROBE_MAGIC");
	if (getenv("PROBE_NAME"))
		plugin.name = getenv("PROBE_NAME");
	if (getenv("PROBE_API"))
		plugin._api_version = atoi(getenv("PROBE_API"));
	if (!getenv("PROBE_SIZE"))
		return p;
	longer.p = plugin;
	longer.p._struct_size = strtoull(getenv("PROBE_SIZE"), NULL, 0);
	memset(longer.more, 0x5a, sizeof longer.more);
	return &longer.p;
}
