/* SPDX-License-Identifier: BSD-2-Clause */
/* Run commands in an interactive shell, as a person would.
 *
 *     cc shell.c $(pkg-config --cflags --libs miniexpect) -o shell
 *     ./shell 'cd /tmp' pwd false                            one shell for all
 *     ./shell -q 'name[?] ' -a Ada 'read -p "Your name? " n; echo "Hello, $n!"'
 *     ./shell -t 2 'sleep 60' 'echo awake'                   ^C after 2 s
 *     ./shell -p 'sleep 2; echo two' 'sleep 1; echo one'     one for each, all at once
 *
 * Prints what each command prints, then its status in a line like [0].  The last status is ours; 1 when there is none.
 * To see here: a prompt that is no part of any output and tells the status; no echo that would have to be removed; a question,
 * a timeout and the end of the shell, as answers beside the prompt; several sessions at once. */
#include <err.h>
#include <miniexpect.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { PROMPT = 1, QUESTION, END_MS = 10000, INTERRUPT_MS = 5000 };

static int timeout_ms = -1;     /* of a command; -1: none */
static const char *reply = ""; /* to the question */

static mexp_h *open_shell(const mexp_regexp *prompt)
{
	char *argv[] = { "bash", "--norc", "--noediting", NULL };
	const struct mexp_spawn_opts opts = {
		.struct_size = sizeof(opts), .flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO, .term = "dumb",
	};
	mexp_h *h = mexp_spawn_opts(&opts, "bash", argv);
	if (!h)
		err(1, "bash cannot be started");
	mexp_set_keep(h, SIZE_MAX);             /* all of the output, for mexp_before() */
	mexp_set_order(h, MEXP_ORDER_LEFTMOST); /* what comes after the prompt is no question */
	/* The quotes in the mark: should the shell echo this line, it is not the prompt yet.  -onlcr: \n is not to become \r\n. */
	if (mexp_printf(h, "stty -onlcr; unset PROMPT_COMMAND; PS2= PS1='<ex''pect-%d:$?>'\n", getpid()) < 0 ||
	    mexp_expect(h, (mexp_regexp[]){ *prompt, { 0 } }, NULL) != PROMPT)
		errx(1, "bash does not take a prompt");
	return h;
}

/* mexp_expect() says r: the status of the command, or -1 while it is not over. */
static int understand(mexp_h *h, int r, const char *command)
{
	int status;
	size_t len;
	const char *text = mexp_before(h, &len); /* without a match: all that there is */
	if (r >= 0)
		fwrite(text, 1, len, stdout);
	switch (r) {
	case PROMPT:
		status = atoi(mexp_match(h, 1, NULL)); /* digits, then something else */
		printf("[%d]\n", status);
		return status;
	case QUESTION:
		text = mexp_match(h, 0, &len);
		printf("%.*s%s\n", (int)len, text, reply);
		if (mexp_send_line(h, reply) < 0)
			err(1, "%s", command);
		return -1;
	case MEXP_TIMEOUT: /* what there is of the output is not lost: it is before the prompt that ^C brings */
		if (h->user1)
			errx(1, "%s: ^C does not end it", command);
		h->user1 = h; /* so we know it was interrupted */
		mexp_set_timeout_ms(h, INTERRUPT_MS);
		mexp_send_interrupt(h);
		return -1;
	case MEXP_EOF: /* it was `exit`, for example */
		if (mexp_wait(h, END_MS, &status) != 0)
			errx(1, "%s: the shell has left its terminal", command);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		printf("[%d, the end of the shell]\n", status);
		return status;
	default:
		err(1, "%s", command);
	}
}

/* commands[i] in shells[i], all at the same time.  The status of the one that ended last. */
static int run(const mexp_regexp *list, mexp_h **shells, char **commands, int n)
{
	struct mexp_wait_for *w = calloc((size_t)n, sizeof(*w));
	int last = 1;
	if (!w)
		err(1, "no memory");
	for (int i = 0; i < n; i++) {
		w[i] = (struct mexp_wait_for){ .h = shells[i], .regexps = list };
		if (strchr(commands[i], '\n'))
			errx(1, "%s: one line, please", commands[i]); /* each would get its prompt */
		shells[i]->user1 = NULL;
		mexp_set_timeout_ms(shells[i], timeout_ms);
		if (mexp_send_line(shells[i], commands[i]) < 0)
			err(1, "%s: the shell does not take it", commands[i]);
	}
	for (int left = n; left;) {
		if (mexp_expect_any(w, (size_t)n, -1) < 0)
			err(1, "mexp_expect_any");
		for (int i = 0; i < n; i++) {
			int status = w[i].h && w[i].result != MEXP_AGAIN ? understand(w[i].h, w[i].result, commands[i]) : -1;
			if (status < 0)
				continue;
			w[i].h = NULL; /* skipped from now on */
			last = status;
			left--;
		}
	}
	free(w);
	return last;
}

int main(int argc, char **argv)
{
	char pattern[64], wrong[200] = "";
	mexp_regexp list[] = { { PROMPT, .re = NULL }, { 0 }, { 0 } };
	bool at_once = false;
	for (int c; (c = getopt(argc, argv, "a:pq:t:")) != -1;) {
		if (c == 'a')
			reply = optarg;
		else if (c == 'p')
			at_once = true;
		else if (c == 'q')
			list[1] = (mexp_regexp){ QUESTION, .re = mexp_compile(optarg, MEXP_REGEX, wrong, sizeof(wrong)) };
		else if (c == 't')
			timeout_ms = atoi(optarg) * 1000;
		else
			return 1;
	}
	if (wrong[0] || optind == argc)
		errx(1, "%s", wrong[0] ? wrong : "usage: shell [-t SECONDS] [-q QUESTION -a ANSWER] [-p] COMMAND...");
	int commands = argc - optind, n = at_once ? commands : 1, status = 1;
	mexp_h **shells = calloc((size_t)n, sizeof(*shells));
	if (!shells)
		err(1, "no memory");
	snprintf(pattern, sizeof(pattern), "<expect-%d:(\\d+)>", getpid());
	list[0].re = mexp_compile(pattern, MEXP_REGEX, NULL, 0);
	for (int i = 0; i < n; i++)
		shells[i] = open_shell(list);
	for (int i = 0; i < commands; i += n)
		status = run(list, shells, argv + optind + i, n);
	for (int i = 0; i < n; i++) {
		mexp_send_eof(shells[i]); /* the end of its input is how a person ends it */
		mexp_wait(shells[i], END_MS, NULL);
		mexp_close(shells[i]);
	}
	free(shells);
	pcre2_code_free((pcre2_code *)list[0].re);
	pcre2_code_free((pcre2_code *)list[1].re);
	return status;
}
