/* SPDX-License-Identifier: BSD-2-Clause */
/* Log in to another machine with a password, as a person would, and run a command there.
 *
 *     cc ssh.c $(pkg-config --cflags --libs miniexpect) -o ssh-run
 *     SSH_PASSWORD=secret ./ssh-run 'uname -a' user@host [option of ssh...]
 *
 * The password is sent when ssh has turned echo off, not before; a new host's key is accepted.  Prints what the command printed,
 * and exits with its status; 1 when it does not come so far. */
#include <errno.h>
#include <miniexpect.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { HOST_KEY = 1, PASSWORD, DENIED, STARTED };

static mexp_regexp list[STARTED + 1];

static pcre2_code *must(const char *text)
{
	char err[200];
	pcre2_code *re = mexp_compile(text, MEXP_EXACT, err, sizeof(err));
	if (!re) {
		fprintf(stderr, "ssh: %s\n", err);
		exit(1);
	}
	return re;
}

/* What ssh said last is why. */
static int give_up(mexp_h *h, const char *what)
{
	size_t len, from;
	const char *said = mexp_before(h, &len);
	while (len && strchr("\r\n", said[len - 1]))
		len--;
	for (from = len; from && !strchr("\r\n", said[from - 1]);)
		from--;
	fprintf(stderr, "ssh: %s%s%.*s\n", what, len > from ? ": " : "", (int)(len - from), said + from);
	mexp_close_timeout(h, 2000);
	return 1;
}

/* Until the command runs: 0, or 1 and it has been said why not. */
static int log_in(mexp_h *h, const char *password)
{
	static const char *const texts[] = {
		[STARTED] = "-----started-----\n", [DENIED] = "Permission denied", [HOST_KEY] = "(yes/no", [PASSWORD] = "assword: ",
	};
	for (int r = HOST_KEY; r <= STARTED; r++)
		list[r - 1] = (mexp_regexp){ r, .re = must(texts[r]) };
	for (;;)
		switch (mexp_expect(h, list, NULL)) {
		case STARTED:
			return 0;
		case HOST_KEY:
			if (mexp_send_line(h, "yes") < 0)
				return give_up(h, strerror(errno));
			break;
		case PASSWORD:
			if (mexp_send_password(h, password, 10000) < 0)
				return give_up(h, strerror(errno));
			break;
		case DENIED:
			return give_up(h, "the password is not accepted");
		case MEXP_TIMEOUT:
			return give_up(h, "no answer");
		default:
			return give_up(h, "no connection");
		}
}

int main(int argc, char **argv)
{
	const char *password = getenv("SSH_PASSWORD");
	char command[4096], *ssh[40] = { (char *)"ssh", (char *)"-o", (char *)"NumberOfPasswordPrompts=1", (char *)"-o",
					 (char *)"PreferredAuthentications=password" };
	size_t n = 5, len;
	if (argc < 3 || argc > 30 || !password) {
		fprintf(stderr, "usage: SSH_PASSWORD=... %s COMMAND USER@HOST [SSH-OPTION...]\n", argv[0]);
		return 1;
	}
	for (int i = 3; i < argc; i++)
		ssh[n++] = argv[i];
	ssh[n++] = argv[2];
	/* Whatever comes before this line is ssh's own, or a greeting. */
	snprintf(command, sizeof(command), "printf '%%s\\n' -----started-----; %s", argv[1]);
	ssh[n] = command;
	/* In raw mode, as a pipe would give it: the command's bytes come as they are. */
	mexp_h *h = mexp_spawnv("ssh", ssh);
	if (!h) {
		perror("ssh");
		return 1;
	}
	mexp_set_timeout(h, 30);
	if (log_in(h, password))
		return 1;
	mexp_set_timeout(h, -1);
	mexp_set_keep(h, (size_t)-1); /* all of the output, however much */
	mexp_expect(h, NULL, NULL);
	const char *text = mexp_before(h, &len);
	fwrite(text, 1, len, stdout);
	int status = mexp_close(h);
	return status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
