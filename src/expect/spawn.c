/* SPDX-License-Identifier: BSD-2-Clause */
/* A terminal, and a program on it.  By posix_spawn(3): none of our code runs in the child, so threads, their locks and the size
 * of our memory do not matter, an error of exec is an error here, and the child has only the descriptors that it should. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "expect/private.h"

enum { ROWS = 24, COLS = 80 };

/* The master side, set up; name is the other one's. */
static int open_terminal(const struct mexp_spawn_opts *o, char *name, size_t len)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	struct termios t;
	struct winsize size = { .ws_row = o->rows ? o->rows : ROWS, .ws_col = o->cols ? o->cols : COLS };
	if (grantpt(fd) < 0 || unlockpt(fd) < 0 || (errno = ptsname_r(fd, name, len)) != 0 || tcgetattr(fd, &t) < 0)
		goto close;
	if (!(o->flags & MEXP_SPAWN_COOKED_MODE))
		cfmakeraw(&t);
	else if (o->flags & MEXP_SPAWN_NOECHO)
		t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (tcsetattr(fd, TCSANOW, &t) < 0 || ioctl(fd, TIOCSWINSZ, &size) < 0)
		goto close;
	return fd;
close:;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* What execvp(3) does with a script that does not name its interpreter. */
static int spawn_script(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
			char *const *argv, char **env)
{
	size_t n = 0;
	while (argv[n])
		n++;
	char **args = calloc(n + 3, sizeof(*args));
	if (!args)
		return ENOMEM;
	args[0] = (char *)"/bin/sh";
	args[1] = (char *)file;
	for (size_t i = 1; i < n; i++)
		args[i + 1] = argv[i];
	int err = posix_spawn(pid, "/bin/sh", actions, attr, args, env);
	free(args);
	return err;
}

static int set_attr(posix_spawnattr_t *attr, unsigned flags)
{
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	short what = POSIX_SPAWN_SETSID;
	int err = 0;
	if (!(flags & MEXP_SPAWN_KEEP_SIGNALS)) {
		what |= POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
		err = posix_spawnattr_setsigdefault(attr, &all);
		err = err ? err : posix_spawnattr_setsigmask(attr, &none);
	}
	return err ? err : posix_spawnattr_setflags(attr, what);
}

/* In this order, and after setsid(2): what is opened first becomes the controlling terminal. */
static int set_actions(posix_spawn_file_actions_t *actions, const struct mexp_spawn_opts *o, const char *terminal)
{
	int err = posix_spawn_file_actions_addopen(actions, 0, terminal, O_RDWR, 0);
	err = err ? err : posix_spawn_file_actions_adddup2(actions, 0, 1);
	err = err ? err : posix_spawn_file_actions_adddup2(actions, 0, 2);
	if (!err && !(o->flags & MEXP_SPAWN_KEEP_FDS))
		err = posix_spawn_file_actions_addclosefrom_np(actions, 3);
	if (!err && o->cwd)
		err = posix_spawn_file_actions_addchdir_np(actions, o->cwd);
	return err;
}

/* 0 or an errno. */
static int spawn(pid_t *pid, const struct mexp_spawn_opts *o, const char *terminal, const char *file, char *const *argv)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int err;
	char **env = mx_make_env(o);
	if (!env)
		return errno;
	if ((err = posix_spawnattr_init(&attr)))
		goto free_env;
	if ((err = posix_spawn_file_actions_init(&actions)))
		goto free_attr;
	if (!(err = set_attr(&attr, o->flags)) && !(err = set_actions(&actions, o, terminal)))
		err = posix_spawnp(pid, file, &actions, &attr, argv, env);
	if (err == ENOEXEC && strchr(file, '/'))
		err = spawn_script(pid, file, &actions, &attr, argv, env);
	posix_spawn_file_actions_destroy(&actions);
free_attr:
	posix_spawnattr_destroy(&attr);
free_env:
	mx_free_env(env);
	return err;
}

mexp_h *mexp_spawn_opts(const struct mexp_spawn_opts *opts, const char *file, char *const *argv)
{
	struct mexp_spawn_opts o = { 0 };
	char terminal[64];
	pid_t pid = 0;
	if (opts) /* one of an older or a newer version */
		memcpy(&o, opts, opts->struct_size < sizeof(o) ? opts->struct_size : sizeof(o));
	int fd = open_terminal(&o, terminal, sizeof(terminal));
	if (fd < 0)
		return NULL;
	mexp_h *h = mx_new();
	int err = h ? spawn(&pid, &o, terminal, file, argv) : ENOMEM;
	if (err) {
		mx_free(h);
		close(fd);
		return errno = err, NULL;
	}
	mx_adopt(h, fd, pid, o.flags);
	return h;
}

mexp_h *mexp_spawnvf(unsigned flags, const char *file, char **argv)
{
	return mexp_spawn_opts(&(struct mexp_spawn_opts){ .struct_size = sizeof(struct mexp_spawn_opts), .flags = flags }, file, argv);
}

mexp_h *mexp_spawnlf(unsigned flags, const char *file, const char *arg, ...)
{
	va_list args;
	size_t n = 1;
	va_start(args, arg);
	for (const char *a = arg; a; a = va_arg(args, const char *))
		n++;
	va_end(args);
	char **argv = calloc(n, sizeof(*argv));
	if (!argv)
		return NULL;
	va_start(args, arg);
	size_t i = 0;
	for (const char *a = arg; a; a = va_arg(args, const char *))
		argv[i++] = (char *)a;
	va_end(args);
	mexp_h *h = mexp_spawnvf(flags, file, argv);
	int saved = errno;
	free(argv);
	errno = saved;
	return h;
}
