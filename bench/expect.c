/* SPDX-License-Identifier: BSD-2-Clause */
/* bench-expect: what bench/expect.py measures of the expect library, and the yardstick.  One line of KEY=VALUE on stdout;
 * right=0: the answer is not the one that the caller said.  The programs of the peers (pexpect-peer.py, expect-peer.tcl) take
 * the same words and print the same.
 *
 *     bench-expect literal|flat|lines FILE BEFORE LENGTH  wait for a match in what cat(1) prints of FILE: so many bytes before it
 *     bench-expect loop FILE BYTES                        just read it: the bare loop, no library but for the terminal
 *     bench-expect spawn TIMES MIB                        start true(1), wait for its end, close; with a heap of so many MiB
 *     bench-expect sessions N EXCHANGES                   N cat(1) at once, with a line and its answer so many times each
 *
 * Starting cat is not in the time: what a start costs has a row of its own. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "miniexpect.h"
#include "base/util.h"

enum { LOOP_READ = 64 << 10 };

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list args;
	fputs("bench-expect: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static size_t number(const char *word)
{
	char *end;
	unsigned long long n = strtoull(word, &end, 10);
	if (!*word || *end)
		die("'%s' is no number", word);
	return n;
}

static uint64_t start_ns, start_cpu_ns;

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void start_clock(void)
{
	start_ns = monotonic_ns();
	start_cpu_ns = cpu_ns();
}

/* Prints what passed since then, in the unit of so many ns, for each of so many things. */
static void stop_clock(const char *unit, double ns, double things)
{
	uint64_t cpu = cpu_ns() - start_cpu_ns, passed = monotonic_ns() - start_ns;
	printf("%s=%.6f cpu_%s=%.6f ", unit, (double)passed / ns / things, unit, (double)cpu / ns / things);
}

/* Peak of the resident memory of this program: getrusage(2) would tell that of the one that started it, if that is more. */
static size_t peak_kib(void)
{
	char line[256];
	size_t kib = 0;
	FILE *fp = fopen("/proc/self/status", "r");
	while (fp && fgets(line, sizeof(line), fp))
		if (sscanf(line, "VmHWM: %zu", &kib) == 1)
			break;
	if (fp)
		fclose(fp);
	return kib;
}

static pcre2_code *compile(const char *pattern, unsigned flags)
{
	char err[256];
	pcre2_code *re = mexp_compile(pattern, flags, err, sizeof(err));
	if (!re)
		die("%s", err);
	return re;
}

static mexp_h *start(const char *file, const char *arg)
{
	mexp_h *h = mexp_spawnl(file, file, arg, NULL);
	if (!h)
		die("cannot start %s: %m", file);
	mexp_set_timeout(h, -1);
	return h;
}

static void output(const char *kind, const char *file, size_t before, size_t length)
{
	pcre2_code *re = strcmp(kind, "literal") == 0 ? compile("END_MARKER", MEXP_EXACT) :
		strcmp(kind, "flat") == 0 ? compile(".*END_MARKER", MEXP_REGEX) : compile("(?s)7.*END_MARKER", MEXP_REGEX);
	mexp_h *h = start("cat", file);
	size_t had = 0, got = 0;
	start_clock();
	int r = mexp_expect(h, (mexp_regexp[]){ { 1, .re = re }, { 0 } }, NULL);
	stop_clock("ms", NS_PER_MS, 1);
	if (r == 1) {
		mexp_before(h, &had);
		mexp_match(h, 0, &got);
	}
	printf("peak_kib=%zu right=%d\n", peak_kib(), r == 1 && had + mexp_lost(h) == before && got == length);
	mexp_close(h);
	pcre2_code_free(re);
}

static void bare_loop(const char *file, size_t bytes)
{
	static char buf[LOOP_READ];
	mexp_h *h = start("cat", file);
	size_t sum = 0;
	ssize_t n;
	start_clock();
	while ((n = read(mexp_get_fd(h), buf, sizeof(buf))) > 0)
		sum += (size_t)n;
	stop_clock("ms", NS_PER_MS, 1);
	printf("peak_kib=%zu right=%d\n", peak_kib(), sum == bytes);
	mexp_close(h);
}

static void spawn(size_t times, size_t mib)
{
	char *heap = malloc(mib << 20 | 1);
	bool right = true;
	if (!heap)
		die("no memory for a heap of %zu MiB", mib);
	memset(heap, 'x', mib << 20 | 1);
	start_clock();
	for (size_t i = 0; i < times; i++) {
		mexp_h *h = start("true", NULL);
		right = mexp_expect(h, NULL, NULL) == MEXP_EOF && right;
		right = mexp_close(h) == 0 && right;
	}
	stop_clock("ms", NS_PER_MS, (double)times);
	printf("right=%d\n", right && heap[mib << 19] == 'x');
	free(heap);
}

static void sessions(size_t n, size_t exchanges)
{
	pcre2_code *re = compile("line ([0-9]+)\n", MEXP_REGEX);
	mexp_regexp list[] = { { 1, .re = re }, { 0 } };
	struct mexp_wait_for *w = calloc(n, sizeof(*w));
	size_t *sent = calloc(n, sizeof(*sent)), left = n;
	mexp_h **all = calloc(n, sizeof(mexp_h *));
	bool right = true;
	if (!w || !sent || !all)
		die("out of memory");
	for (size_t i = 0; i < n; i++)
		w[i] = (struct mexp_wait_for){ .h = all[i] = start("cat", NULL), .regexps = list };
	start_clock();
	for (size_t i = 0; i < n; i++)
		mexp_printf(w[i].h, "session %zu, line %zu\n", i, ++sent[i]);
	while (left) {
		if (mexp_expect_any(w, n, -1) <= 0)
			die("mexp_expect_any: %m");
		for (size_t i = 0; i < n; i++) {
			size_t len;
			if (!w[i].h || w[i].result == MEXP_AGAIN)
				continue;
			if (w[i].result != 1)
				die("session %zu ended early", i);
			const char *digits = mexp_match(w[i].h, 1, &len);
			right = digits && strtoull(digits, NULL, 10) == sent[i] && right; /* a newline follows */
			if (sent[i] < exchanges)
				mexp_printf(w[i].h, "session %zu, line %zu\n", i, ++sent[i]);
			else {
				w[i].h = NULL;
				left--;
			}
		}
	}
	stop_clock("us", NS_PER_US, (double)(n * exchanges));
	printf("right=%d\n", right);
	for (size_t i = 0; i < n; i++)
		mexp_close(all[i]);
	free(all);
	free(sent);
	free(w);
	pcre2_code_free(re);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	if (argc == 5 && (strcmp(mode, "literal") == 0 || strcmp(mode, "flat") == 0 || strcmp(mode, "lines") == 0))
		output(mode, argv[2], number(argv[3]), number(argv[4]));
	else if (argc == 4 && strcmp(mode, "loop") == 0)
		bare_loop(argv[2], number(argv[3]));
	else if (argc == 4 && strcmp(mode, "spawn") == 0)
		spawn(number(argv[2]), number(argv[3]));
	else if (argc == 4 && strcmp(mode, "sessions") == 0)
		sessions(number(argv[2]), number(argv[3]));
	else
		die("what bench/expect.py measures of the expect library; see the beginning of bench/expect.c");
	return 0;
}
