/* SPDX-License-Identifier: BSD-2-Clause */
/* Run a command on another machine by ssh with a password, which ssh only takes from a terminal.
 *
 *     cc ssh.c $(pkg-config --cflags --libs miniexpect) -o ssh
 *     ./ssh -p 22 ada@example.org 'uname -a' <password
 *
 * The arguments are those of ssh, the password is the first line of stdin.  What the command prints is printed as it comes, and
 * its exit status is ours; when it does not come to that, a line says why, and the status is 1.
 *
 * To see here: a loop that answers whichever question comes; a password that is sent only while the terminal does not echo; the
 * order of the text instead of that of the list, so that nothing the command prints is taken for a question; output of any
 * length, line by line. */
#include <err.h>
#include <errno.h>
#include <miniexpect.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { HOST_KEY = 1, PASSWORD, LOGGED_IN, LINE };
enum { LOGIN_S = 60, ECHO_MS = 10000, END_MS = 10000 };

static mexp_h *ssh;

static pcre2_code *compile(const char *pattern)
{
	char wrong[200];
	pcre2_code *re = mexp_compile(pattern, MEXP_REGEX, wrong, sizeof(wrong));
	if (!re)
		errx(1, "%s: %s", pattern, wrong);
	return re;
}

/* What ssh said last is why it gave up. */
__attribute__((noreturn)) static void end_with_last_line(const char *what)
{
	size_t len;
	const char *text = mexp_before(ssh, &len);
	while (len && strchr("\r\n", text[len - 1]))
		len--;
	size_t from = len;
	while (from && !strchr("\r\n", text[from - 1]))
		from--;
	errx(1, "%s: %.*s", what, (int)(len - from), text + from);
}

static void start(char **args, int n)
{
	/* -n: the command's stdin is empty.  With LogLevel=error no banner comes, nor that a host key was added.  After the login, and
	 * before anything of the command arrives, ssh runs LocalCommand here: that is how we know. */
	static const char *const first[] = { "ssh", "-n", "-oLogLevel=error", "-oStrictHostKeyChecking=ask", "-oNumberOfPasswordPrompts=1",
		"-oPreferredAuthentications=password,keyboard-interactive", "-oPermitLocalCommand=yes",
		"-oLocalCommand=echo expect: logged in" };
	enum { FIRST = sizeof(first) / sizeof(*first) };
	/* A terminal as a person has it, with echo, or there would be nothing to wait for.  And no SSH_ASKPASS, nor another language. */
	const struct mexp_spawn_opts opts = { .struct_size = sizeof(opts), .flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_CLEAN_ENV };
	char **argv = calloc((size_t)(FIRST + n + 1), sizeof(*argv));
	if (!argv)
		err(1, "no memory");
	memcpy(argv, first, sizeof(first));
	memcpy(argv + FIRST, args, (size_t)n * sizeof(*argv));
	if (!(ssh = mexp_spawn_opts(&opts, "ssh", argv)))
		err(1, "ssh cannot be started");
	free(argv);
	mexp_set_timeout(ssh, LOGIN_S);
}

static void log_in(const char *password)
{
	const mexp_regexp list[] = {
		{ HOST_KEY, .re = compile("continue connecting \\(yes/no") },
		{ PASSWORD, .re = compile("assword: ") },
		{ LOGGED_IN, .re = compile("expect: logged in\r\n") },
		{ 0 }
	};
	int r, asked = 0;
	mexp_set_order(ssh, MEXP_ORDER_LEFTMOST);
	while ((r = mexp_expect(ssh, list, NULL)) != LOGGED_IN) {
		switch (r) {
		case HOST_KEY:
			if (mexp_send_line(ssh, "yes") < 0)
				err(1, "cannot accept the host key");
			break;
		case PASSWORD:
			if (asked++)
				errx(1, "not logged in: the password is wrong");
			if (mexp_send_password(ssh, password, ECHO_MS) < 0)
				err(1, "the password was not sent%s", errno == ETIMEDOUT ? ", as it would be seen" : "");
			break;
		case MEXP_EOF:
			end_with_last_line("not logged in");
		case MEXP_TIMEOUT:
			end_with_last_line("no answer any more");
		default:
			err(1, "mexp_expect");
		}
	}
	for (int i = 0; list[i].r; i++)
		pcre2_code_free((pcre2_code *)list[i].re);
}

/* The terminal has made \r\n of each \n: this is the way back, byte for byte. */
static void print_output(void)
{
	pcre2_code *line = compile("\r\n");
	const char *text;
	size_t len;
	int r;
	mexp_set_keep(ssh, SIZE_MAX); /* a line may be long */
	mexp_set_timeout(ssh, -1);    /* the command may take its time */
	while ((r = mexp_expect(ssh, (mexp_regexp[]){ { LINE, .re = line }, { 0 } }, NULL)) == LINE) {
		text = mexp_before(ssh, &len);
		fwrite(text, 1, len, stdout);
		putchar('\n');
		fflush(stdout);
	}
	if (r != MEXP_EOF)
		err(1, "mexp_expect");
	text = mexp_before(ssh, &len);
	fwrite(text, 1, len, stdout); /* a last line that has no end */
	pcre2_code_free(line);
}

int main(int argc, char **argv)
{
	char *password = NULL;
	size_t size = 0;
	int status;
	if (argc < 2)
		errx(1, "usage: ssh [OPTION]... USER@HOST COMMAND <PASSWORD");
	ssize_t len = getline(&password, &size, stdin);
	if (len < 0)
		errx(1, "no password on stdin");
	password[strcspn(password, "\n")] = 0;
	start(argv + 1, argc - 1);
	log_in(password);
	explicit_bzero(password, size);
	free(password);
	print_output();
	if (mexp_wait(ssh, END_MS, &status) != 0)
		errx(1, "it does not end");
	mexp_close(ssh);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
