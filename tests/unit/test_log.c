/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "filters/filters.h"
#include "filters/lanethread.h"
#include "filters/logwriter.h"
#include "trace/logline.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const log_alone[] = { &mod_log, NULL };
static char path[64];

static bool start(void)
{
	strcpy(path, "/tmp/blkscope-test-log-XXXXXX");
	int fd = mkstemp(path);
	return fd >= 0 && close(fd) == 0 && rig_start(&t, log_alone) && rig_option(&t, 0, "logfile", path) && rig_go(&t);
}

/* The log without its stamps; stops the rig first, which writes everything. */
static const char *stop_and_read(void)
{
	static char text[1 << 20];
	size_t len = 0;
	char line[4096];
	rig_stop(&t);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f) && strlen(line) > LOGSTAMP_LEN)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s", line + LOGSTAMP_LEN + 1);
	if (f)
		fclose(f);
	unlink(path);
	text[len] = '\0';
	return text;
}

TEST(each_request_has_the_line_that_nbdkit_writes)
{
	CHECK(start());
	t.bottom_err = 0;
	rig_send(&t, OP_READ, 0, 512, 0, NULL);
	rig_send(&t, OP_WRITE, 0x1000, 0x200, REQ_FUA, NULL);
	rig_send(&t, OP_ZERO, 0, 1, REQ_NO_HOLE | REQ_FAST, NULL);
	rig_send(&t, OP_ZERO, 0, 1, 0, NULL);
	rig_send(&t, OP_FLUSH, 0, 0, 0, NULL);
	t.bottom_err = EROFS;
	rig_send(&t, OP_TRIM, UINT64_MAX, 1, 0, NULL);
	t.bottom_err = 0;
	rig_send(&t, OP_CLOSE, 0, 0, 0, NULL);
	CHECK_STR(stop_and_read(),
		  "Ready thread_model=3\n"
		  "connection=1 Connect export=\"\" tls=0 size=0x100000 minsize=0x0 prefsize=0x0 maxsize=0x0 write=1 flush=1 "
		  "rotational=0 trim=1 zero=2 fua=2 extents=1 cache=2 fast_zero=0\n"
		  "connection=1 Read id=1 offset=0x0 count=0x200 ...\n"
		  "connection=1 ...Read id=1 return=0\n"
		  "connection=1 Write id=2 offset=0x1000 count=0x200 fua=1 ...\n"
		  "connection=1 ...Write id=2 return=0\n"
		  "connection=1 Zero id=3 offset=0x0 count=0x1 trim=0 fua=0 fast=1 ...\n"
		  "connection=1 ...Zero id=3 return=0\n"
		  "connection=1 Zero id=4 offset=0x0 count=0x1 trim=1 fua=0 fast=0 ...\n"
		  "connection=1 ...Zero id=4 return=0\n"
		  "connection=1 Flush id=5 ...\n"
		  "connection=1 ...Flush id=5 return=0\n"
		  "connection=1 Trim id=6 offset=0xffffffffffffffff count=0x1 fua=0 ...\n"
		  "connection=1 ...Trim id=6 return=-1 error=EPERM\n"
		  "connection=1 Disconnect transactions=6\n");
}

TEST(lists_are_shell_arrays)
{
	struct extents x;
	struct exports names = { 0 };
	CHECK(start());
	extents_init(&x, 0x200, 0x10000, 10);
	extents_add(&x, 0x200, EXTENT_HOLE | EXTENT_ZERO);
	extents_add(&x, 0x300, 0);
	rig_send(&t, OP_EXTENTS, 0x200, 0x500, REQ_ONE, &x);
	exports_add(&names, "", NULL);
	exports_add(&names, "a b$", NULL);
	rig_send(&t, OP_LIST, 0, 0, 0, &names);
	const char *text = stop_and_read();
	CHECK(strstr(text, "connection=1 Extents id=1 offset=0x200 count=0x500 req_one=1 ...\n"
			   "connection=1 ...Extents id=1 extents=(0x200 0x200 \"hole,zero\" 0x400 0x300 \"\") return=0\n"));
	CHECK(strstr(text, "ListExports id=1 readonly=0 tls=0 ...\n...ListExports id=1 exports=(\"\" \"a b\\$\") return=0\n"));
	extents_free(&x);
	exports_free(&names);
}

enum { WRITERS = 4, LINES = 20000 };
static struct logwriter *shared;

static void *write_many(void *arg)
{
	char line[64];
	for (unsigned i = 0; i < LINES; i++)
		logwriter_line(shared, line, (size_t)snprintf(line, sizeof line, "writer=%u line=%u", (unsigned)(uintptr_t)arg, i));
	return NULL;
}

TEST(nothing_is_lost_and_stamps_never_go_back_when_many_threads_log)
{
	struct err e;
	pthread_t th[WRITERS];
	unsigned next[WRITERS] = { 0 };
	char line[256], last[LOGSTAMP_LEN + 1] = "";

	strcpy(path, "/tmp/blkscope-test-log-XXXXXX");
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	shared = logwriter_start(path, false, NULL, &e);
	CHECK(shared);
	CHECK(logwriter_forked(shared, &e) == 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		CHECK(pthread_create(&th[i], NULL, write_many, (void *)i) == 0);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(th[i], NULL);
	logwriter_stop(shared);
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f)) {
		unsigned w, n;
		CHECK(sscanf(line + LOGSTAMP_LEN, " writer=%u line=%u", &w, &n) == 2);
		CHECK(w < WRITERS);
		CHECK_EQ_U(n, next[w]++);
		CHECK(memcmp(line, last, LOGSTAMP_LEN) >= 0);
		memcpy(last, line, LOGSTAMP_LEN);
	}
	fclose(f);
	unlink(path);
	for (unsigned i = 0; i < WRITERS; i++)
		CHECK_EQ_U(next[i], LINES);
}

TEST(a_full_disk_under_the_log_stops_no_request_and_is_told)
{
	struct err e;
	char line[100];
	memset(line, 'x', sizeof line);
	struct logwriter *w = logwriter_start("/dev/full", false, NULL, &e);
	CHECK(w);
	CHECK(logwriter_forked(w, &e) == 0);
	struct lanewait wait = { 0 };
	for (unsigned i = 0; i < 100000; i++) { /* three times what the buffer keeps */
		logwriter_line(w, line, sizeof line);
		if (i % 1000 == 0)
			usleep(1000); /* let the writer find out */
	}
	CHECK(!logwriter_wait(w, &wait));
	logwriter_stop(w);
}

static unsigned told_to_go_on;

static void go_on(struct task *task)
{
	(void)task;
	told_to_go_on++;
}

TEST(requests_wait_for_a_slow_log_and_no_line_is_dropped)
{
	struct err e;
	struct loop l;
	struct lanewait wait = { .loop = &l };
	char line[100], in[65536];
	uint64_t lines = 0, newlines = 0;

	memset(line, 'x', sizeof line);
	snprintf(path, sizeof path, "/tmp/blkscope-test-fifo-%d", (int)getpid());
	unlink(path);
	CHECK(loop_start(&l, &e) == 0);
	CHECK(mkfifo(path, 0600) == 0);
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	CHECK(fd >= 0);
	struct logwriter *w = logwriter_start(path, false, NULL, &e); /* a pipe that nobody empties yet */
	CHECK(w);
	CHECK(logwriter_forked(w, &e) == 0);
	list_init(&wait.link);
	task_init(&wait.task, go_on);
	told_to_go_on = 0;
	while (lines < 1000000 && !logwriter_wait(w, &wait)) {
		logwriter_line(w, line, sizeof line);
		lines++;
	}
	CHECK(lines > 10000 && lines < 1000000); /* a bound there is, and it was reached */
	loop_turn(&l, false);
	CHECK_EQ_U(told_to_go_on, 0);
	fcntl(fd, F_SETFL, 0);
	while (newlines < lines) {
		ssize_t n = read(fd, in, sizeof in);
		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			newlines += in[i] == '\n';
		loop_turn(&l, false);
	}
	CHECK_EQ_U(newlines, lines);
	while (!told_to_go_on)
		loop_turn(&l, true);
	CHECK_EQ_U(told_to_go_on, 1);
	logwriter_stop(w);
	loop_free(&l);
	close(fd);
	unlink(path);
}

static void check_number(uint64_t n)
{
	char mine[40], theirs[40];
	*logline_dec(mine, n) = '\0';
	snprintf(theirs, sizeof theirs, "%" PRIu64, n);
	CHECK_STR(mine, theirs);
	*logline_hex(mine, n) = '\0';
	snprintf(theirs, sizeof theirs, "0x%" PRIx64, n);
	CHECK_STR(mine, theirs);
}

TEST(numbers_in_lines_are_what_printf_makes_of_them)
{
	char mine[40];
	check_number(0);
	check_number(0x123456789abcdef);
	check_number(0xfedcba9876543210);
	check_number(UINT64_MAX);
	for (uint64_t ten = 1; ten; ten = ten > UINT64_MAX / 10 ? 0 : ten * 10)
		for (uint64_t n = ten - 1; n <= ten + 1; n++)
			check_number(n);
	for (unsigned shift = 0; shift < 64; shift++) {
		check_number((uint64_t)1 << shift);
		check_number(((uint64_t)1 << shift) - 1);
	}
	struct logstamp cache = { 0 };
	struct timespec ts = { .tv_sec = 1600000000, .tv_nsec = 80415999 };
	*logline_stamp(mine, &cache, &ts) = '\0';
	CHECK_STR(mine, "2020-09-13 12:26:40.080415");
	ts.tv_sec++;
	*logline_stamp(mine, &cache, &ts) = '\0';
	CHECK_STR(mine, "2020-09-13 12:26:41.080415");
}

TEST(a_crash_writes_the_lines_that_still_wait)
{
	struct err e;
	strcpy(path, "/tmp/blkscope-test-log-XXXXXX");
	int fd = mkstemp(path), status;
	CHECK(fd >= 0);
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) { /* no thread of its own is started: nothing else could write */
		signal(SIGABRT, SIG_DFL);
		struct logwriter *w = logwriter_start(path, false, NULL, &e);
		if (w)
			logwriter_line(w, "last words", 10);
		raise(SIGABRT);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	char text[100] = "";
	CHECK(read(fd, text, sizeof text - 1) == LOGSTAMP_LEN + 12);
	CHECK_STR(text + LOGSTAMP_LEN, " last words\n");
	close(fd);
	unlink(path);
}

TEST(an_unwritable_log_path_is_an_error_at_the_start)
{
	CHECK(rig_start(&t, log_alone));
	CHECK(rig_option(&t, 0, "logfile", "/nonexistent/dir/log"));
	CHECK(!rig_go(&t));
	rig_stop(&t);
}
