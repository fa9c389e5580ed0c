/* SPDX-License-Identifier: BSD-2-Clause */
/* Sit at the serial console of a virtual machine: boot it, run commands in its shell, switch it off.
 *
 *     cc serial.c $(pkg-config --cflags --libs miniexpect) -o serial
 *     ./serial 'uname -r' 'cat /proc/cpuinfo' -- qemu-system-x86_64 -m 256 -kernel vmlinuz -initrd initrd.gz ...
 *
 * QEMU is given its console as one end of a socket pair, so there is no terminal in between, and no file to clean up; and
 * mexp_attach() takes any descriptor: a serial line in /dev would do as well.  The guest must show a prompt that ends in "# ". */
#include <errno.h>
#include <fcntl.h>
#include <miniexpect.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern char **environ;

enum { PROMPT = 1, PANIC, BOOT_S = 300, COMMAND_S = 60 };

static mexp_regexp list[3]; /* ends with zeroes */

/* QEMU, with its first serial line on our socket. */
static mexp_h *start(char **qemu)
{
	char chardev[60], *argv[100];
	int pair[2], n = 0, err;
	pid_t pid;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return NULL;
	while (qemu[n] && n < 80) {
		argv[n] = qemu[n];
		n++;
	}
	snprintf(chardev, sizeof(chardev), "socket,id=console,fd=%d", pair[1]);
	const char *more[] = { "-display", "none", "-monitor", "none", "-no-reboot", "-chardev", chardev,
			       "-serial", "chardev:console", NULL };
	for (int i = 0; i < (int)(sizeof(more) / sizeof(more[0])); i++)
		argv[n + i] = (char *)more[i];
	fcntl(pair[1], F_SETFD, 0);
	err = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	close(pair[1]);
	if (err) {
		close(pair[0]);
		errno = err;
		return NULL;
	}
	return mexp_attach(pair[0], pid, 0);
}

/* Wait for the prompt; what comes before it is printed, without the echo of the command. */
static int wait_prompt(mexp_h *h, const char *command)
{
	size_t len;
	int r = mexp_expect(h, list, NULL);
	const char *text = mexp_before(h, &len), *end = command ? memchr(text, '\n', len) : NULL;
	if (r == PROMPT) {
		for (const char *p = end ? end + 1 : text + len; p < text + len; p++)
			if (*p != '\r')
				putchar(*p);
		return 0;
	}
	fprintf(stderr, "serial: %s: %s\n", command ? command : "boot",
		r == PANIC          ? "the guest's kernel panics"
		: r == MEXP_EOF     ? "the machine is off"
		: r == MEXP_TIMEOUT ? "no prompt"
				    : strerror(errno));
	return -1;
}

int main(int argc, char **argv)
{
	int split = 1, status;
	char err[200];
	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (split + 1 >= argc) {
		fprintf(stderr, "usage: %s COMMAND... -- QEMU ARGUMENT...\n", argv[0]);
		return 1;
	}
	/* The prompt is the last that comes, so silence has to settle that nothing follows.  Some shells end it by asking where the
	 * cursor is. */
	list[0] = (mexp_regexp){ PANIC, .re = mexp_compile("Kernel panic - not syncing", MEXP_EXACT, err, sizeof(err)) };
	list[1] = (mexp_regexp){ PROMPT, .re = mexp_compile("(?m)^[^\r\n]*# (\033\\[6n)?$", MEXP_REGEX, err, sizeof(err)) };
	mexp_h *h = start(argv + split + 1);
	if (!h) {
		perror(argv[split + 1]);
		return 1;
	}
	mexp_set_settle_ms(h, 500);
	mexp_set_timeout(h, BOOT_S);
	int failed = wait_prompt(h, NULL);
	mexp_set_timeout(h, COMMAND_S);
	for (int i = 1; i < split && !failed; i++)
		failed = mexp_send_line(h, argv[i]) < 0 || wait_prompt(h, argv[i]);
	/* -f: there may be no init to ask. */
	if (!failed && mexp_send_line(h, "poweroff -f") > 0 && mexp_expect(h, NULL, NULL) == MEXP_EOF &&
	    mexp_wait(h, 10000, &status) == 0 && status == 0)
		return mexp_close(h);
	if (!failed)
		fprintf(stderr, "serial: the machine does not go off\n");
	mexp_close_timeout(h, 0);
	return 1;
}
