/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot a Linux guest in QEMU, log in at its serial console, run commands there, and power it off.
 *
 *     cc serial.c $(pkg-config --cflags --libs miniexpect) -o serial
 *     ./serial [-t] KERNEL INITRD USER COMMAND... <password
 *
 * INITRD has to bring a login to ttyS0.  The password is the first line of stdin.  Prints what the commands print; the status is
 * that of the last one.  When it does not come to that, a line says why, and the status is 1.
 *
 * To see here: a session on a socket.  QEMU's serial port is one end of a socketpair, and mexp_attach() has the other: no names
 * in the file system, nothing to wait for, and QEMU's own complaints stay on stderr.  -t takes the other way, QEMU on a terminal
 * with -nographic.  From there on there is hardly a difference. */
#include <err.h>
#include <fcntl.h>
#include <miniexpect.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

enum { BOOT_S = 300, LOGIN_S = 60, END_S = 60 }; /* without KVM all takes its time */

static mexp_h *guest;

/* At exit: a guest must not outlive us when something went wrong. */
static void stop(void)
{
	kill(mexp_get_pid(guest), SIGKILL); /* it may have ended: the pid is its own until mexp_close() */
	mexp_close(guest);
}

/* QEMU, with its serial port on a socket or on a terminal of its own.  With panic=-1 and -no-reboot it ends after a panic. */
static mexp_h *boot(bool on_terminal, char *kernel, char *initrd)
{
	int fds[2];
	char chardev[64] = "stdio,id=serial0";
	char *argv[] = { "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-nographic", "-no-reboot", "-m", "256", "-kernel", kernel,
		"-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1", "-chardev", chardev, "-serial", "chardev:serial0", NULL };
	if (on_terminal)
		return mexp_spawnv(argv[0], argv);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return NULL;
	snprintf(chardev, sizeof(chardev), "socket,id=serial0,fd=%d", fds[1]);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* killed, we cannot stop() it; and unlike a terminal's, a socket's end does not end it */
		fcntl(fds[1], F_SETFD, 0);        /* the one that QEMU inherits */
		execvp(argv[0], argv);
		warn("%s", argv[0]);
		_exit(127);
	}
	close(fds[1]); /* or the end of QEMU would not be the end of the connection */
	return pid < 0 ? NULL : mexp_attach(fds[0], pid, 0);
}

/* Wait for the pattern; seconds of -1: for what a command prints.  Whatever else happens is an error, and ends here. */
static void await(const char *pattern, int seconds)
{
	char wrong[200];
	pcre2_code *re = mexp_compile(pattern, MEXP_REGEX, wrong, sizeof(wrong));
	pcre2_code *panic = mexp_compile("Kernel panic[^\r\n]*[\r\n]", MEXP_REGEX, NULL, 0);
	size_t len;
	int status;
	if (!re || !panic)
		errx(1, "%s: %s", pattern, wrong);
	mexp_set_timeout(guest, seconds);
	switch (mexp_expect(guest, (mexp_regexp[]){ { 1, .re = re }, { seconds < 0 ? 0 : 2, .re = panic }, { 0 } }, NULL)) {
	case 1:
		break;
	case 2:
		mexp_match(guest, 0, &len);
		errx(1, "%.*s", (int)len - 1, mexp_match(guest, 0, NULL));
	case MEXP_EOF:
		if (mexp_wait(guest, END_S * 1000, &status) != 0)
			errx(1, "QEMU has closed the serial line");
		errx(1, "QEMU has ended, with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	case MEXP_TIMEOUT:
		mexp_before(guest, &len);
		errx(1, "nothing like \"%s\" came within %d s, but: %.*s", pattern, seconds, (int)len, mexp_before(guest, NULL));
	default:
		err(1, "%s", pattern);
	}
	pcre2_code_free(re);
	pcre2_code_free(panic);
}

static void say(const char *line)
{
	if (mexp_send_line(guest, line) < 0)
		err(1, "%s: cannot be sent", line);
}

static void log_in(const char *user, const char *password)
{
	struct termios t;
	await("login: ", BOOT_S);
	/* QEMU makes a terminal raw, but leaves \n to be \r\n.  A socket is none, and fails here. */
	if (tcgetattr(mexp_get_fd(guest), &t) == 0) {
		t.c_oflag &= ~(tcflag_t)ONLCR;
		tcsetattr(mexp_get_fd(guest), TCSANOW, &t);
	}
	say(user);
	await("assword: ", LOGIN_S);
	/* Whether the guest echoes cannot be seen from here; neither our socket nor QEMU's terminal does. */
	if (mexp_send_password(guest, password, LOGIN_S * 1000) < 0)
		err(1, "the password was not sent");
	await("(incorrect)|[$#] ", LOGIN_S);
	if (mexp_match(guest, 1, NULL))
		errx(1, "not logged in: user or password is wrong");
	/* A prompt that is no part of any output, and tells the status.  This line is still echoed, hence the quotes in the mark. */
	say("stty -echo -onlcr; PS2= PS1='<ex''pect:$?>'");
	await("<expect:0>", LOGIN_S);
}

static int run(const char *command)
{
	size_t len;
	say(command);
	await("<expect:(\\d+)>", -1);
	const char *output = mexp_before(guest, &len);
	fwrite(output, 1, len, stdout);
	return atoi(mexp_match(guest, 1, NULL)); /* digits, then > */
}

int main(int argc, char **argv)
{
	char *password = NULL;
	size_t size = 0;
	bool on_terminal = argc > 1 && strcmp(argv[1], "-t") == 0;
	int status = 0, end;
	argv += on_terminal;
	if (argc - on_terminal < 5 || getline(&password, &size, stdin) < 0)
		errx(1, "usage: serial [-t] KERNEL INITRD USER COMMAND... <PASSWORD");
	password[strcspn(password, "\n")] = 0;
	if (!(guest = boot(on_terminal, argv[1], argv[2])))
		err(1, "QEMU cannot be started");
	atexit(stop);
	mexp_set_keep(guest, SIZE_MAX); /* all of the output, for mexp_before() */
	log_in(argv[3], password);
	explicit_bzero(password, size);
	free(password);
	for (char **command = argv + 4; *command; command++)
		status = run(*command);
	say("poweroff -f");
	if (mexp_wait(guest, END_S * 1000, &end) != 0)
		errx(1, "the guest does not power off");
	return end == 0 ? status : 1;
}
