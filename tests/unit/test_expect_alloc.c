/* SPDX-License-Identifier: BSD-2-Clause */
/* Each allocation of the expect library fails in turn, alone or with all that follow.  The linker (--wrap, in tests/meson.build)
 * leads the library's calls here, so that the same test runs with the allocators of the sanitizers. */
#include <malloc.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include "unit/expect_rig.h"

static bool armed, rest, hit;    /* failures are on; also of all that follow; there was one */
static long count, fail_at;
static long live;                /* allocations that are not freed */
static const char *secret;       /* must not be in what is freed */
static unsigned leaked_secrets;

static bool fails(void)
{
	if (!armed || ++count < fail_at || (count > fail_at && !rest))
		return false;
	hit = true;
	errno = ENOMEM;
	return true;
}

static void *made(void *p)
{
	live += p != NULL;
	return p;
}

/* Declared here, too: the linker alone knows them. */
#define WRAP(type, name, params, args, failure)                                          \
	type __real_##name params;                                                       \
	type __wrap_##name params;                                                       \
	type __wrap_##name params                                                        \
	{                                                                                \
		return fails() ? (failure) : __real_##name args;                         \
	}
#define WRAP_MADE(type, name, params, args)                                              \
	type __real_##name params;                                                       \
	type __wrap_##name params;                                                       \
	type __wrap_##name params                                                        \
	{                                                                                \
		return fails() ? NULL : made(__real_##name args);                        \
	}

WRAP_MADE(void *, malloc, (size_t n), (n))
WRAP_MADE(void *, calloc, (size_t n, size_t size), (n, size))
WRAP_MADE(char *, strdup, (const char *s), (s))
WRAP(pcre2_match_context *, pcre2_match_context_create_8, (pcre2_general_context * c), (c), NULL)
WRAP(pcre2_match_data *, pcre2_match_data_create_8, (uint32_t n, pcre2_general_context *c), (n, c), NULL)
WRAP(pcre2_jit_stack *, pcre2_jit_stack_create_8, (size_t min, size_t max, pcre2_general_context *c), (min, max, c), NULL)
WRAP(pcre2_code *, pcre2_compile_8, (PCRE2_SPTR s, PCRE2_SIZE n, uint32_t o, int *error, PCRE2_SIZE *at, pcre2_compile_context *c),
     (s, n, o, error, at, c), (*error = PCRE2_ERROR_HEAP_FAILED, *at = 0, NULL))
WRAP(int, pcre2_jit_compile_8, (pcre2_code * code, uint32_t options), (code, options), PCRE2_ERROR_NOMEMORY)
WRAP(int, pcre2_match_8, (const pcre2_code *code, PCRE2_SPTR s, PCRE2_SIZE n, PCRE2_SIZE from, uint32_t o, pcre2_match_data *md,
			   pcre2_match_context *c),
     (code, s, n, from, o, md, c), PCRE2_ERROR_NOMEMORY)
WRAP(int, posix_spawn_file_actions_addopen, (posix_spawn_file_actions_t * a, int fd, const char *path, int flags, mode_t mode),
     (a, fd, path, flags, mode), ENOMEM)
WRAP(int, posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t * a, int fd, int to), (a, fd, to), ENOMEM)
WRAP(int, posix_spawn_file_actions_addclosefrom_np, (posix_spawn_file_actions_t * a, int from), (a, from), ENOMEM)
WRAP(int, posix_spawn_file_actions_addchdir_np, (posix_spawn_file_actions_t * a, const char *path), (a, path), ENOMEM)

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : p ? __real_realloc(p, n) : made(__real_realloc(p, n));
}

void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return __wrap_realloc(p, n * size);
}

int __real_vasprintf(char **text, const char *fmt, va_list args);
int __wrap_vasprintf(char **text, const char *fmt, va_list args);
int __wrap_vasprintf(char **text, const char *fmt, va_list args)
{
	if (fails())
		return -1;
	int n = __real_vasprintf(text, fmt, args);
	live += n >= 0;
	return n;
}

int __wrap_asprintf(char **text, const char *fmt, ...);
int __wrap_asprintf(char **text, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = __wrap_vasprintf(text, fmt, args);
	va_end(args);
	return n;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	if (p && secret && memmem(p, malloc_usable_size(p), secret, strlen(secret)))
		leaked_secrets++;
	live -= p != NULL;
	__real_free(p);
}

/* var = call, and good must hold, or there was a failure: then again without. */
#define MUST(var, call, good)                                                            \
	do {                                                                             \
		errno = 0;                                                               \
		var = (call);                                                            \
		if (!(good)) {                                                           \
			CHECK(hit);                                                      \
			CHECK(errno == ENOMEM);                                          \
			armed = false;                                                   \
			var = (call);                                                    \
			CHECK(good);                                                     \
		}                                                                        \
	} while (0)

static void for_each_allocation(void (*scenario)(void))
{
	size_t fds = open_fds();
	long runs = 0;
	for (int all = 0; all < 2; all++)
		for (fail_at = 1, hit = true; hit; fail_at++, runs++) {
			long before = live;
			CHECK(fail_at < 10000);
			hit = false;
			count = 0;
			rest = all;
			armed = true;
			scenario();
			armed = false;
			CHECK_IS(live, before);
			CHECK_IS(open_fds(), fds);
		}
	CHECK(runs > 2);
}

static void spawn(void)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo hello; exit 3", NULL };
	const struct mexp_spawn_opts o = { .struct_size = sizeof(o), .flags = MEXP_SPAWN_CLEAN_ENV, .cwd = "/", .term = "vt100" };
	mexp_h *h;
	int r;
	MUST(h, mexp_spawn_opts(&o, "sh", argv), h != NULL);
	MUST(r, mexp_expect(h, FOR("hello\n"), NULL), r == 100);
	MUST(r, mexp_expect(h, NULL, NULL), r == MEXP_EOF);
	r = mexp_close(h);
	CHECK_IS(r, 3 << 8);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* also not of a spawn that failed */
}

TEST(spawn_fails_as_a_whole_or_not_at_all_without_memory)
{
	for_each_allocation(spawn);
}

static void spawn_list(void)
{
	char *some[] = { (char *)"A=1", (char *)"B=2", NULL };
	char *argv[] = { (char *)"true", NULL };
	mexp_h *h;
	MUST(h, mexp_spawnl("true", "true", "and", "arguments", NULL), h != NULL);
	mexp_close(h);
	const struct mexp_spawn_opts o = { .struct_size = sizeof(o), .envp = some, .term = "x" };
	MUST(h, mexp_spawn_opts(&o, "true", argv), h != NULL);
	mexp_close(h);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

TEST(the_other_ways_to_spawn_are_no_worse)
{
	for_each_allocation(spawn_list);
}

static void talk(void)
{
	static char block[20000];
	bool was_armed = armed;
	struct talk t;
	int r;
	armed = false;
	CHECK(talk_open(&t));
	FILE *fp = fopen("/dev/null", "we");
	CHECK(fp);
	armed = was_armed;
	memset(block, '.', sizeof(block));
	MUST(r, mexp_set_transcript(t.h, fp, MEXP_TRANSCRIPT_ASCIICAST), r == 0);
	for (int i = 0; i < 5; i++) {
		CHECK(talk_say(&t, block, sizeof(block)));
		MUST(r, mexp_try_expect(t.h, LIST({ 1, .re = re("(E)(N)D") }, { 2, .re = re(".*X") }), NULL), r == MEXP_AGAIN);
	}
	CHECK(talk_say(&t, "END", 3));
	MUST(r, mexp_try_expect(t.h, LIST({ 1, .re = re("(E)(N)D") }, { 2, .re = re(".*X") }), NULL), r == 1);
	CHECK_MATCH(t.h, 2, "N"); /* nothing was lost */
	size_t len;
	mexp_before(t.h, &len);
	CHECK_IS(len, 5 * sizeof(block));
	MUST(r, mexp_printf(t.h, "%d and more", 1), r == 10);
	MUST(r, mexp_printf_password(t.h, "%s", "secret"), r == 6);
	MUST(r, (int)mexp_send_line(t.h, "line"), r == 5);
	MUST(r, (int)mexp_send_password(t.h, "secret", 100), r == 7);
	struct mexp_wait_for w = { .h = t.h, .regexps = FOR("x") };
	CHECK(talk_say(&t, "x", 1));
	MUST(r, mexp_expect_any(&w, 1, 1000), r == 1 && w.result == 100);
	talk_close(&t);
	fclose(fp);
}

TEST(without_memory_a_talk_loses_nothing_and_can_go_on)
{
	re("(E)(N)D"), re(".*X"), re("x"), re("hello\n"); /* those of the test itself are not to fail */
	for_each_allocation(talk);
}

static void compile(void)
{
	static const unsigned kinds[] = { MEXP_REGEX, MEXP_EXACT, MEXP_GLOB | MEXP_UTF };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		char err[200] = "";
		pcre2_code *code = mexp_compile("a*[b]", kinds[i], err, sizeof(err));
		CHECK(code ? !err[0] : hit && err[0]);
		pcre2_code_free(code);
	}
}

TEST(without_memory_a_pattern_is_not_compiled_and_it_is_told)
{
	for_each_allocation(compile);
}

/* 26 */
TEST(a_password_is_wiped_before_its_memory_is_given_back)
{
	struct talk t;
	CHECK(talk_open(&t));
	secret = "correct horse";
	leaked_secrets = 0;
	CHECK_IS(mexp_printf_password(t.h, "%s\n", secret), 14);
	CHECK_IS(mexp_send_password(t.h, secret, 100), 14);
	CHECK_IS(leaked_secrets, 0);
	CHECK_IS(mexp_printf(t.h, "%s\n", secret), 14);
	CHECK_IS(leaked_secrets, 1); /* which shows that it would be seen */
	secret = NULL;
	talk_close(&t);
}
