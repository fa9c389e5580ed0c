/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for miniexpect as its manual has it, in the manner of virt-p2v: each name, macro, flag, field, form of initialiser
 * and status that is documented there, and nothing that is not.  It has to compile as it is, in C99 to the letter, and to run. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <miniexpect.h>

#define CHECK(what) ((what) ? (void)0 : fail(#what, __LINE__))

static void fail(const char *what, int line)
{
	fprintf(stderr, "p2v.c:%d: not so: %s (errno: %s)\n", line, what, strerror(errno));
	exit(1);
}

static pcre2_code *compile_re(const char *pattern)
{
	int number;
	PCRE2_SIZE offset;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &number, &offset, NULL);
	CHECK(re != NULL);
	return re;
}

/* virt-p2v's start_ssh(): a loop with a short timeout around each wait, a password, a question, a prompt. */
static void log_in_and_ask_for_the_version(void)
{
	static const char script[] =
		"stty -echo; printf 'password: '; read p; if [ \"$p\" != secret ]; then echo Permission denied; exit 1; fi; echo;"
		"printf 'root@conversion:~# '; while read line; do case $line in exit*) break;;"
		" *version*) sleep 0.3; echo 'virt-v2v 1.42.0rhel';; esac;"
		"printf 'root@conversion:~# '; done; exit 5";
	pcre2_code *password_re = compile_re("password: "), *prompt_re = compile_re("[$#] "),
		   *version_re = compile_re("virt-v2v ([1-9]\\d*)\\.(\\d+)\\.(\\d+)"), *denied_re = compile_re("Permission denied");
	pcre2_match_data *match_data = pcre2_match_data_create(4, NULL);
	char major[16] = "";
	int saw_version = 0, tries = 0, status;

	mexp_h *h = mexp_spawnlf(MEXP_SPAWN_COOKED_MODE, "sh", "sh", "-c", script, NULL);
	CHECK(h != NULL);
	mexp_set_timeout(h, 2);
	for (;;) {
		switch (mexp_expect(h,
				    (mexp_regexp[]){
					    { 100, .re = password_re },
					    { 101, .re = denied_re },
					    { 0 }
				    },
				    match_data)) {
		case 100:
			CHECK(mexp_printf_password(h, "%s", "secret") == 6);
			CHECK(mexp_printf(h, "\n") == 1);
			goto wait_prompt;
		case 101:
			fail("permission", __LINE__);
			break;
		case MEXP_TIMEOUT:
			CHECK(++tries < 30);
			continue;
		case MEXP_EOF:
		case MEXP_ERROR:
		case MEXP_PCRE_ERROR:
			fail("password", __LINE__);
		}
	}
wait_prompt:
	CHECK(mexp_expect(h, (mexp_regexp[]){ { 100, .re = prompt_re, .options = 0 }, { 0 } }, match_data) == 100);
	CHECK(mexp_printf(h, "%s --version\n", "virt-v2v") == 19);
	mexp_set_timeout_ms(h, 100); /* virt-p2v asks again after a timeout, and nothing may be lost */
	for (;;) {
		int r = mexp_expect(h, (mexp_regexp[]){ { .r = 100, .re = version_re }, { .r = 101, .re = prompt_re }, { .r = 0 } },
				    match_data);
		if (r == 100) {
			PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(match_data);
			CHECK(mexp_get_pcre_error(h) == 4);
			CHECK(ovector[3] <= h->len && ovector[3] - ovector[2] < sizeof(major));
			memcpy(major, h->buffer + ovector[2], ovector[3] - ovector[2]);
			CHECK(strcmp(major, "1") == 0);
			CHECK(h->next_match >= 0 && (size_t)h->next_match == ovector[1]);
			saw_version = 1;
		} else if (r == 101)
			break;
		else
			CHECK(r == MEXP_TIMEOUT && ++tries < 100);
	}
	CHECK(saw_version && tries > 0);
	mexp_set_timeout_ms(h, 60000);
	CHECK(mexp_printf(h, "exit\n") == 5);
	CHECK(mexp_expect(h, NULL, NULL) == MEXP_EOF);
	status = mexp_close(h);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	pcre2_match_data_free(match_data);
	pcre2_code_free(password_re);
	pcre2_code_free(prompt_re);
	pcre2_code_free(version_re);
	pcre2_code_free(denied_re);
}

/* virt-p2v's conversion: it reads by itself, and takes EIO for the end. */
static void read_from_the_descriptor(void)
{
	char arg0[] = "sh", arg1[] = "-c", arg2[] = "for i in 1 2 3; do echo line $i; sleep 0.1; done";
	char *argv[] = { arg0, arg1, arg2, NULL }, buf[64], all[256] = "";
	size_t len = 0;
	mexp_h *h = mexp_spawnv("sh", argv);
	CHECK(h != NULL);
	for (;;) {
		ssize_t r = read(mexp_get_fd(h), buf, sizeof(buf));
		if (r == -1) {
			CHECK(errno == EIO);
			break;
		}
		if (r == 0)
			break;
		CHECK(len + (size_t)r < sizeof(all));
		memcpy(all + len, buf, (size_t)r);
		len += (size_t)r;
	}
	CHECK(strcmp(all, "line 1\nline 2\nline 3\n") == 0); /* raw mode: no \r */
	CHECK(mexp_close(h) == 0);
}

static void every_field_and_macro(void)
{
	char arg0[] = "cat";
	char *argv[] = { arg0, NULL };
	int mine = 0, status;
	unsigned flags = MEXP_SPAWN_KEEP_SIGNALS | MEXP_SPAWN_KEEP_FDS | MEXP_SPAWN_RAW_MODE;
	FILE *debug = tmpfile();
	mexp_h *h = mexp_spawnvf(flags, "cat", argv);
	struct mexp_h *same = h;
	pcre2_code *re = compile_re("hel+o");
	const mexp_regexp regexps[] = { { 7, re, PCRE2_ANCHORED }, { 0, NULL, 0 } };
	const struct mexp_regexp none[] = { { 0 } };
	CHECK(h != NULL && debug != NULL);
	CHECK(mexp_get_fd(h) == h->fd && mexp_get_pid(h) == h->pid && h->pid > 0);
	CHECK(mexp_get_timeout_ms(h) == 60000 && h->timeout == 60000);
	CHECK(mexp_get_read_size(h) == 1024 && h->read_size == 1024);
	CHECK(mexp_get_debug_file(h) == NULL && h->debug_fp == NULL);
	CHECK(h->len == 0 && h->next_match == -1 && h->alloc >= h->len);
	CHECK(h->user1 == NULL && h->user2 == NULL && h->user3 == NULL);
	h->user1 = h->user2 = h->user3 = &mine;
	mexp_set_read_size(h, 4096);
	mexp_set_debug_file(h, debug);
	mexp_set_timeout(h, 10);
	CHECK(mexp_get_timeout_ms(h) == 10000 && mexp_get_read_size(h) == 4096 && mexp_get_debug_file(h) == debug);
	CHECK(mexp_printf(h, "hello") == 5);
	CHECK(mexp_expect(h, regexps, NULL) == 7);
	CHECK(h->len >= 5 && memcmp(h->buffer, "hello", 5) == 0 && h->next_match == 5);
	CHECK(mexp_get_pcre_error(h) == h->pcre_error && h->pcre_error > 0);
	h->next_match = 0; /* once more */
	CHECK(mexp_expect(same, regexps, NULL) == 7);
	h->next_match = -1; /* drop all */
	mexp_set_timeout_ms(h, 50);
	CHECK(mexp_expect(h, regexps, NULL) == MEXP_TIMEOUT);
	CHECK(mexp_expect(h, none, NULL) == MEXP_TIMEOUT);
	mexp_set_timeout(h, -1);
	CHECK(mexp_get_timeout_ms(h) == -1);
	CHECK(mexp_printf_password(h, "%s", "sesame") == 6);
	CHECK(h->user1 == &mine && h->user2 == &mine && h->user3 == &mine);
	CHECK(kill(mexp_get_pid(h), SIGHUP) == 0);
	status = mexp_close(h);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	rewind(debug);
	for (char line[256]; fgets(line, sizeof(line), debug);) {
		CHECK(strstr(line, "wrote") == NULL || strstr(line, "sesame") == NULL);
	}
	CHECK(ftell(debug) > 0);
	fclose(debug);
	pcre2_code_free(re);
}

static void interrupt(void)
{
	pcre2_code *re = compile_re("ready");
	mexp_h *h = mexp_spawnlf(MEXP_SPAWN_COOKED_MODE, "sh", "sh", "-c", "echo ready; exec sleep 100", NULL);
	CHECK(h != NULL);
	CHECK(mexp_expect(h, (mexp_regexp[]){ { 1, .re = re }, { 0 } }, NULL) == 1);
	CHECK(mexp_send_interrupt(h) == 1);
	CHECK(mexp_expect(h, NULL, NULL) == MEXP_EOF);
	int status = mexp_close(h);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	pcre2_code_free(re);
}

static void no_such_program(void)
{
	errno = 0;
	CHECK(mexp_spawnl("/no/such/program", "program", NULL) == NULL && errno == ENOENT);
	mexp_h *h = mexp_spawnl("true", "true", NULL);
	CHECK(h != NULL && mexp_expect(h, NULL, NULL) == 0 && mexp_close(h) == 0);
}

int main(void)
{
	signal(SIGHUP, SIG_DFL); /* nohup(1) has it ignored, and MEXP_SPAWN_KEEP_SIGNALS would keep that */
	CHECK(MEXP_SPAWN_KEEP_SIGNALS == 1 && MEXP_SPAWN_KEEP_FDS == 2 && MEXP_SPAWN_COOKED_MODE == 4 && MEXP_SPAWN_RAW_MODE == 0);
	CHECK(MEXP_EOF == 0 && MEXP_ERROR == -1 && MEXP_PCRE_ERROR == -2 && MEXP_TIMEOUT == -3);
	CHECK(PCRE2_CODE_UNIT_WIDTH == 8);
	log_in_and_ask_for_the_version();
	read_from_the_descriptor();
	every_field_and_macro();
	interrupt();
	no_such_program();
	puts("as documented");
	return 0;
}
