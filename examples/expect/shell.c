/* SPDX-License-Identifier: BSD-2-Clause */
/* Run commands in an interactive shell, one by one: what each printed, and its exit status.
 *
 *     cc shell.c $(pkg-config --cflags --libs miniexpect) -o shell
 *     ./shell [-t SECONDS] 'cd /tmp' 'pwd' 'sleep 100'
 *
 * A prompt that no output can look like makes it safe; a command that takes too long gets ^C, and has status 130 then.
 * Exits with 1 when one of the commands failed. */
#include <errno.h>
#include <miniexpect.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PROMPT = 1 };

/* The shell prints this after each command: a word of our own, and the command's status. */
static char word[40];
static pcre2_code *prompt;

/* Send a command and wait for the prompt; its status, or -1.  show: print what comes before the prompt. */
static int run(mexp_h *h, const char *command, bool show)
{
	const mexp_regexp list[] = { { PROMPT, .re = prompt }, { 0 } };
	bool interrupted = false;
	size_t len;
	if (mexp_send_line(h, command) < 0)
		return -1;
	for (;;) {
		int r = mexp_expect(h, list, NULL);
		const char *text = mexp_before(h, &len);
		switch (r) {
		case PROMPT:
			for (size_t i = show ? 0 : len; i < len; i++)
				if (text[i] != '\r')
					putchar(text[i]);
			return atoi(mexp_match(h, 1, NULL));
		case MEXP_TIMEOUT:
			if (interrupted || mexp_send_interrupt(h) < 0)
				return -1;
			interrupted = true;
			break;
		default: /* MEXP_EOF: `exit`, for one */
			fwrite(text, 1, len, stdout);
			return -1;
		}
	}
}

int main(int argc, char **argv)
{
	const struct mexp_spawn_opts opts = {
		.struct_size = sizeof(opts), .flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO | MEXP_SPAWN_CLEAN_ENV,
	};
	char *shell[] = { (char *)"sh", (char *)"-i", NULL }, err[200], regexp[80], setup[120];
	int first = 1, failed = 0, status;
	mexp_h *h = mexp_spawn_opts(&opts, "sh", shell);
	if (!h) {
		perror("sh");
		return 1;
	}
	if (argc > 2 && strcmp(argv[1], "-t") == 0) {
		mexp_set_timeout(h, atoi(argv[2]));
		first = 3;
	}
	snprintf(word, sizeof(word), "prompt-%lx-%lx", (unsigned long)getpid(), (unsigned long)time(NULL));
	snprintf(regexp, sizeof(regexp), "%s:([0-9]+)> ", word);
	if (!(prompt = mexp_compile(regexp, MEXP_REGEX, err, sizeof(err)))) {
		fprintf(stderr, "%s\n", err);
		return 1;
	}
	/* The quotes keep the echo of this line, should there be one, from looking like the prompt. */
	snprintf(setup, sizeof(setup), "PS1='%.6s''%s:$?> ' PS2=", word, word + 6);
	status = run(h, setup, false);
	for (int i = first; i < argc && status >= 0; i++) {
		printf("$ %s\n", argv[i]);
		status = run(h, argv[i], true);
		if (status >= 0)
			printf("[%d]\n", status);
		failed |= status != 0;
	}
	if (status < 0)
		fprintf(stderr, "shell: it has ended, or does not answer\n");
	mexp_send_eof(h);
	mexp_expect(h, NULL, NULL);
	mexp_close_timeout(h, 2000);
	pcre2_code_free(prompt);
	return failed;
}
