/* SPDX-License-Identifier: BSD-2-Clause */
/* blkscope-serve: the server's main.
 * The order is the point: the fork comes first, since plug-ins may start threads as soon as they are loaded;
 * the parent stays at the terminal until all that can fail is done; what needs the starter's rights (sockets,
 * files, pid file) is done before they are given up. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/hidden.h"
#include "bridge/context.h"
#include "cmd/args.h"
#include "cmd/config.h"
#include "cmd/daemon.h"
#include "cmd/inform.h"
#include "cmd/keys.h"
#include "cmd/run.h"
#include "cmd/sandbox.h"
#include "cmd/script.h"
#include "cmd/signals.h"
#include "cmd/uri.h"
#include "server/listen.h"
#include "server/server.h"

enum { LOOPS_MAX = 256, LOOPS_A_CORE = 2, SCRIPT_MAX = 1 << 20 };

struct serve {
	struct args args;
	struct stages stages;
	struct keys keys;
	struct listeners listeners;
	struct daemon daemon;
	struct run run;
	struct signals signals;
	struct sandbox sandbox;
	struct server *server;
	int activated;      /* sockets that came with LISTEN_FDS */
	pid_t parent;       /* when we were started */
	mode_t mask;        /* the starter's umask */
	bool wrote_pid;
	bool up;            /* clients were served */
};

/* 0, 1 and 2 are open, so that no socket becomes one of them. */
static void open_standard_fds(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static const char *program_name(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *base = slash ? slash + 1 : argv0;
	return base && strcmp(base, "nbdkit") == 0 ? base : "blkscope";
}

/* Two for each core: a thread that has one client shares its core and its cache by turns; with two clients it seldom
 * sleeps while either has work (docs/performance.md).  Where one thread makes all calls, more loops only wait for each other. */
static unsigned loops_wanted(unsigned threads, const struct stages *ss)
{
	if (threads == 0)
		threads = ss->thread_model < SERIALIZE_REQUESTS ? 1 : LOOPS_A_CORE * server_cores();
	return MIN(MAX(threads, 1u), (unsigned)LOOPS_MAX);
}

/* --help and its like.  True: done, *rc tells how it went. */
static bool informed(struct serve *s, int *rc, struct err *e)
{
	const struct args *a = &s->args;
	*rc = 0;
	if (a->long_options || a->short_options) {
		args_print_names(a->long_options);
		return true;
	}
	if (a->dump_config) {
		inform_config();
		return true;
	}
	if (!a->help && !a->version && !a->dump_plugin)
		return false;
	if (a->word_count == 0 && a->dump_plugin)
		*rc = err_set(e, "use '%s PLUGIN --dump-plugin', or --dump-config to find out about the server", say_name());
	else if (a->word_count > 0)
		*rc = config_stages(a, &s->stages, e);
	else if (a->help)
		*rc = config_filters(a, &s->stages, e);
	if (*rc == 0 && a->dump_plugin)
		*rc = args_check(a, false, e) < 0 ? -1 : config_params(a, &s->stages, e);
	if (*rc < 0)
		return true;
	if (a->help)
		inform_help(&s->stages);
	else if (a->version)
		inform_version(&s->stages);
	else
		inform_plugin(&s->stages);
	return true;
}

static int open_listeners(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	const struct listen_options o = { .unix_path = a->unix_path, .vsock = a->vsock, .address = a->address,
					  .port = a->port, .family = a->family, .label = a->label };
	if (a->single)
		return 0;
	if (s->activated)
		return listen_adopt(&s->listeners, (unsigned)s->activated, e);
	return listen_open(&s->listeners, &o, e);
}

static int print_uri(struct serve *s, struct err *e)
{
	struct buf b = { .limit = SCRIPT_MAX };
	if (s->args.single || s->activated)
		return err_set(e, "--print-uri: the server does not open the socket, and cannot name it");
	int rc = uri_add(&b, &s->listeners, &s->keys, s->args.export) ? 0 : err_set(e, "--print-uri: out of memory");
	if (rc == 0 && (puts(buf_str(&b)) == EOF || fflush(stdout) == EOF))
		rc = err_set(e, "--print-uri: %s", strerror(errno));
	buf_free(&b);
	return rc;
}

static int start_command(struct serve *s, struct err *e)
{
	struct buf b = { .limit = SCRIPT_MAX };
	int rc = uri_add_variables(&b, &s->listeners, &s->keys, s->args.export) && buf_printf(&b, "%s", s->args.run)
	       ? run_fork(&s->run, buf_str(&b), s->mask, e) : err_set(e, "--run: the command is too long");
	buf_free(&b);
	return rc;
}

/* Into the background; our parent waits there until we are ready. */
static int go_behind(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	if (a->run || a->foreground || a->single || a->exit_with_parent || s->activated)
		return 0;
	return daemon_fork(&s->daemon, e);
}

/* The last things done with the starter's rights, and giving them up. */
static int settle(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	if (signals_catch(e) < 0)
		return -1;
	if (a->pidfile && daemon_write_pid(a->pidfile, e) < 0)
		return -1;
	s->wrote_pid = a->pidfile;
	daemon_raise_limits();
	if (a->swap && daemon_lock_memory(e) < 0)
		return -1;
	if (s->listeners.private_dir && a->has_user && chown(s->listeners.private_dir, a->user, (gid_t)-1) < 0)
		say_debug("chown %s: %s", s->listeners.private_dir, strerror(errno));
	if (daemon_become(a, e) < 0)
		return -1;
	if (a->whole_dumps)
		daemon_allow_dumps();
	return a->exit_with_parent ? daemon_follow_parent(s->parent, e) : 0;
}

/* stdin and stdout are the client's: nothing else may read or write there. */
static int serve_single(struct serve *s, struct err *e)
{
	int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (in < 0 || out < 0 || null < 0)
		return err_set(e, "-s: %s", strerror(errno));
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return server_single(s->server, in, out, e);
}

/* A plug-in ends the server: nbdkit_shutdown(3), from any thread, more than once. */
static struct server *shutdown_server;
static struct loop *shutdown_loop;
static struct task shutdown_task;
static atomic_flag shutdown_asked = ATOMIC_FLAG_INIT;

static void shut_down(struct task *t)
{
	(void)t;
	server_stop(shutdown_server);
}

static void ask_for_shutdown(void)
{
	if (!atomic_flag_test_and_set(&shutdown_asked))
		loop_post(shutdown_loop, &shutdown_task);
}

/* Where messages go while clients are served. */
static enum say_where messages_to(const struct serve *s)
{
	enum log_to to = s->args.log;
	if (to == LOG_DEFAULT)
		to = s->daemon.forked ? LOG_SYSLOG : LOG_STDERR;
	return to == LOG_SYSLOG ? SAY_SYSLOG : to == LOG_NULL ? SAY_NULL : SAY_STDERR;
}

static int confine(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	bool moved = s->daemon.forked && a->pidfile && *a->pidfile != '/'; /* the name means another file now */
	s->sandbox = (struct sandbox){
		.mode = a->sandbox, .stages = &s->stages, .readonly = a->readonly, .syslog = messages_to(s) == SAY_SYSLOG,
		.locks_memory = a->swap, .private_dir = s->listeners.private_dir, .pidfile = moved ? NULL : a->pidfile,
		.unix_path = s->listeners.unix_path, .child = s->run.pid,
	};
	return sandbox_enter(&s->sandbox, e);
}

static int start_server(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	const struct server_options o = { .stages = &s->stages, .loops = a->single ? 1 : loops_wanted(a->threads, &s->stages),
					  .busy_polls = a->busy_polls, .busy_poll = a->busy_poll,
					  .readonly = a->readonly, .oldstyle = a->oldstyle,
					  .no_structured = a->no_structured, .handshake_mask = a->handshake_mask,
					  .tls = s->keys.tls, .tls_required = s->keys.required,
					  .max_connections = a->max_connections, .max_per_peer = a->max_per_peer,
					  .timeout = a->timeout, .idle_timeout = a->idle_timeout,
					  .max_conn_bytes = a->max_conn_bytes, .max_bytes = a->max_bytes };
	bridge_stdio_safe = false; /* they may be closed */
	daemon_leave_directory(&s->daemon); /* before plug-ins do their last: after_fork */
	if (confine(s, e) < 0)
		return -1;
	/* nbdkit forks for --run, too, and its log says so */
	if (stages_forked(&s->stages, s->daemon.forked || a->run, e) < 0)
		return -1;
	if (!(s->server = server_new(&o, e)))
		return -1;
	if (a->single && serve_single(s, e) < 0)
		return -1;
	for (unsigned i = 0; i < s->listeners.count; i++) {
		int fd = s->listeners.fd[i];
		s->listeners.fd[i] = -1; /* server_listen() takes it */
		if (server_listen(s->server, fd, e) < 0)
			return -1;
	}
	s->signals.server = s->server;
	s->signals.run = &s->run;
	s->signals.listeners = &s->listeners;
	s->signals.background = s->daemon.forked;
	shutdown_loop = server_loop(s->server);
	shutdown_server = s->server;
	task_init(&shutdown_task, shut_down);
	bridge_shutdown = ask_for_shutdown;
	return signals_watch(&s->signals, e);
}

static int serve(struct serve *s, struct err *e)
{
	const struct args *a = &s->args;
	if (args_check(a, s->activated > 0, e) < 0 || go_behind(s, e) < 0 || keys_load(&s->keys, a, e) < 0
	    || config_stages(a, &s->stages, e) < 0
	    || config_params(a, &s->stages, e) < 0 || stages_start(&s->stages, e) < 0 || open_listeners(s, e) < 0)
		return -1;
	if (a->print_uri && print_uri(s, e) < 0)
		return -1;
	if ((a->run && start_command(s, e) < 0) || settle(s, e) < 0 || start_server(s, e) < 0 || run_go(&s->run, s->server, e) < 0)
		return -1;
	s->up = true;
	say_start(say_name(), messages_to(s), a->verbose);
	daemon_ready(&s->daemon, a->verbose || a->log == LOG_STDERR);
	if (sandbox_seal(&s->sandbox, e) < 0)
		return -1;
	server_run(s->server);
	return 0;
}

static int finish(struct serve *s, int rc)
{
	bridge_shutdown = NULL;
	signals_unwatch(&s->signals);
	listen_close(&s->listeners, !s->up);
	if (s->wrote_pid && !s->up)
		unlink(s->args.pidfile);
	int status = run_end(&s->run);
	server_free(s->server);
	keys_free(&s->keys);
	config_free(&s->stages);
	args_free(&s->args);
	return rc < 0 ? EXIT_FAILURE : status; /* 0 without --run */
}

int main(int argc, char **argv)
{
	struct serve s = { .daemon.ready_fd = -1, .run = RUN_NONE, .signals = SIGNALS_NONE, .parent = getppid() };
	struct err e = { 0 };
	int rc;

	open_standard_fds();
	s.mask = umask(022); /* what we make may be seen by all, as nbdkit's */
	say_start(program_name(argv[0]), SAY_STDERR, false);
	rc = args_parse(&s.args, argc, argv, &e);
	say_start(say_name(), SAY_STDERR, s.args.verbose);
	bridge_stdio_safe = !s.args.single;
	hidden_shown = s.args.whole_dumps;
	if (rc == 0)
		rc = script_expand(&s.args, &e);
	if (rc == 0 && (s.activated = listen_activated(&e)) < 0)
		rc = -1;
	if (rc == 0 && informed(&s, &rc, &e)) {
		if (fflush(stdout) == EOF && rc == 0)
			rc = err_set(&e, "cannot write to standard output: %s", strerror(errno));
	} else if (rc == 0) {
		say_debug("%s %s", say_name(), VERSION);
		rc = serve(&s, &e);
	}
	if (rc < 0)
		say_error("%s", e.msg);
	return finish(&s, rc);
}
