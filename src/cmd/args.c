/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/args.h"
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/parse.h"

struct flag {
	char brief;           /* -x, or 0 */
	const char *names[4]; /* --names, the first is the one to show */
	const char *arg;      /* for help, or NULL: takes none */
	const char *help;     /* NULL: not shown */
	size_t offset;        /* of a bool to set, or of a string, when there is no call */
	int (*call)(struct args *a, const char *value, struct err *e);
};

static int ipv4(struct args *a, const char *v, struct err *e)
{
	a->family = AF_INET;
	return 0;
}

static int ipv6(struct args *a, const char *v, struct err *e)
{
	a->family = AF_INET6;
	return 0;
}

/* NAME.FLAG=N, for the plug-in of that name. */
static int debug(struct args *a, const char *v, struct err *e)
{
	const char *dot = strchr(v, '.'), *eq = strchr(v, '=');
	const char *digits = eq ? eq + 1 + (eq[1] == '-') : NULL; /* any int: parse_u64() takes no sign */
	uint64_t n;
	if (!dot || !eq || dot == v || dot + 1 >= eq)
		return err_set(e, "-D (debug flag) must have the format NAME.FLAG=N: '%s'", v);
	if (parse_u64("-D", digits, 0, INT32_MAX, &n, e) < 0)
		return -1;
	struct debug_flag *more = realloc(a->flags, (a->flag_count + 1) * sizeof *more);
	if (!more)
		return err_set(e, "-D %s: out of memory", v);
	a->flags = more;
	a->flags[a->flag_count++] = (struct debug_flag){ .name = v, .name_len = (size_t)(dot - v),
							 .value = digits > eq + 1 ? -(int)n : (int)n };
	return 0;
}

static int filter(struct args *a, const char *v, struct err *e)
{
	const char **more = realloc(a->filters, (a->filter_count + 1) * sizeof *more);
	if (!more)
		return err_set(e, "--filter=%s: out of memory", v);
	a->filters = more;
	a->filters[a->filter_count++] = v;
	return 0;
}

static int group(struct args *a, const char *v, struct err *e)
{
	struct group *g = getgrnam(v);
	unsigned n = 0;
	if (!g && parse_unsigned("-g", v, 0, UINT32_MAX - 1, &n, e) < 0)
		return err_set(e, "-g: '%s' is neither the name nor the number of a group", v);
	a->group = g ? g->gr_gid : n;
	a->has_group = true;
	return 0;
}

static int user(struct args *a, const char *v, struct err *e)
{
	struct passwd *p = getpwnam(v);
	unsigned n = 0;
	if (!p && parse_unsigned("-u", v, 0, UINT32_MAX - 1, &n, e) < 0)
		return err_set(e, "-u: '%s' is neither the name nor the number of a user", v);
	if (!p)
		p = getpwuid(n);
	a->user = p ? p->pw_uid : n;
	a->user_group = p ? p->pw_gid : (gid_t)-1;
	free(a->user_name);
	a->user_name = p ? strdup(p->pw_name) : NULL;
	a->has_user = true;
	return p && !a->user_name ? err_set(e, "-u: out of memory") : 0;
}

static int log_to(struct args *a, const char *v, struct err *e)
{
	if (strcmp(v, "stderr") == 0)
		a->log = LOG_STDERR;
	else if (strcmp(v, "syslog") == 0)
		a->log = LOG_SYSLOG;
	else if (strcmp(v, "null") == 0)
		a->log = LOG_NULL;
	else
		return err_set(e, "--log must be \"stderr\", \"syslog\" or \"null\": '%s'", v);
	return 0;
}

static int mask(struct args *a, const char *v, struct err *e)
{
	unsigned n = 0;
	if (parse_unsigned("mask-handshake", v, 0, UINT32_MAX, &n, e) < 0)
		return -1;
	a->handshake_mask = (uint16_t)n;
	return 0;
}

static int newstyle(struct args *a, const char *v, struct err *e)
{
	a->oldstyle = false;
	return 0;
}

static int sandbox(struct args *a, const char *v, struct err *e)
{
	if (strcmp(v, "auto") == 0)
		a->sandbox = SANDBOX_AUTO;
	else if (strcmp(v, "on") == 0)
		a->sandbox = SANDBOX_ON;
	else if (strcmp(v, "off") == 0)
		a->sandbox = SANDBOX_OFF;
	else
		return err_set(e, "--sandbox must be \"auto\", \"on\" or \"off\": '%s'", v);
	return 0;
}

static int core_dumps(struct args *a, const char *v, struct err *e)
{
	a->whole_dumps = strcmp(v, "whole") == 0;
	return a->whole_dumps || strcmp(v, "lean") == 0 ? 0 : err_set(e, "--core-dumps must be \"lean\" or \"whole\": '%s'", v);
}

static int threads(struct args *a, const char *v, struct err *e)
{
	return parse_unsigned("threads", v, 0, UINT32_MAX, &a->threads, e);
}

static int max_connections(struct args *a, const char *v, struct err *e)
{
	return parse_unsigned("max-connections", v, 0, UINT32_MAX, &a->max_connections, e);
}

static int max_per_peer(struct args *a, const char *v, struct err *e)
{
	return parse_unsigned("max-connections-per-peer", v, 0, UINT32_MAX, &a->max_per_peer, e);
}

static int max_bytes(struct args *a, const char *v, struct err *e)
{
	return parse_size("max-bytes", v, &a->max_bytes, e);
}

static int max_conn_bytes(struct args *a, const char *v, struct err *e)
{
	return parse_size("max-bytes-per-connection", v, &a->max_conn_bytes, e);
}

static int timeout(struct args *a, const char *v, struct err *e)
{
	return parse_duration("timeout", v, &a->timeout, e);
}

static int idle_timeout(struct args *a, const char *v, struct err *e)
{
	return parse_duration("idle-timeout", v, &a->idle_timeout, e);
}

/* A quarter of the machine's memory: clients that read slowly shall not take more of it. */
static uint64_t default_max_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGE_SIZE) / 4;
}

static int busy_poll(struct args *a, const char *v, struct err *e)
{
	if (parse_duration("busy-poll", v, &a->busy_poll, e) < 0)
		return -1;
	if (a->busy_poll > NS_PER_S)
		return err_set(e, "busy-poll: one second at most, not \"%s\"", v);
	a->busy_polls = true;
	return 0;
}

static int tls(struct args *a, const char *v, struct err *e)
{
	bool on = true;
	if (strcmp(v, "require") == 0) {
		a->tls = TLS_REQUIRE;
		return 0;
	}
	if (parse_bool("tls", v, &on, e) < 0)
		return -1;
	a->tls = on ? TLS_ON : TLS_OFF;
	return 0;
}

#define AT(field) .offset = offsetof(struct args, field)

/* Alphabetical by the long name. */
static const struct flag flags[] = {
	{ 0, { "busy-poll" }, "TIME", "look out so long for more before sleeping; 0: never (default: while it pays)", .call = busy_poll },
	{ 0, { "core-dumps" }, "HOW", "lean: without the data of disks and requests (the default); or whole", .call = core_dumps },
	{ 'D', { "debug" }, "NAME.FLAG=N", "set a debug flag of a plug-in", .call = debug },
	{ 0, { "dump-config" }, NULL, "print how this program was built, and exit", AT(dump_config) },
	{ 0, { "dump-plugin" }, NULL, "print what is known of the plug-in, and exit", AT(dump_plugin) },
	{ 0, { "exit-with-parent" }, NULL, "end when the parent process ends; implies -f", AT(exit_with_parent) },
	{ 'e', { "exportname", "export", "export-name" }, "NAME", "the export that --run's $uri names", AT(export) },
	{ 0, { "filter" }, "FILTER", "put a filter in front of the plug-in; the first one is outermost", .call = filter },
	{ 'f', { "foreground", "no-fork" }, NULL, "do not go into the background", AT(foreground) },
	{ 'g', { "group" }, "GROUP", "change group (name or number) when ready", .call = group },
	{ 0, { "help" }, NULL, "print this and what plug-in and filters take, and exit", AT(help) },
	{ 0, { "idle-timeout" }, "TIME", "disconnect a client that does nothing for so long (default: 0, never)", .call = idle_timeout },
	{ 'i', { "ipaddr", "ip-addr" }, "ADDRESS", "listen on this address only", AT(address) },
	{ '4', { "ipv4-only" }, NULL, "listen on IPv4 addresses only", .call = ipv4 },
	{ '6', { "ipv6-only" }, NULL, "listen on IPv6 addresses only", .call = ipv6 },
	{ 0, { "log" }, "WHERE", "errors go to stderr, syslog or null", .call = log_to },
	{ 0, { "long-options" }, NULL, NULL, AT(long_options) },
	{ 0, { "mask-handshake" }, "MASK", "offer no other handshake flags than these", .call = mask },
	{ 0, { "max-bytes" }, "SIZE", "data in flight of all clients, then the busy ones wait (a quarter of memory)", .call = max_bytes },
	{ 0, { "max-bytes-per-connection" }, "SIZE", "data in flight of a client, then it waits (64M)", .call = max_conn_bytes },
	{ 0, { "max-connections" }, "N", "refuse further connections; 0: any number (the default)", .call = max_connections },
	{ 0, { "max-connections-per-peer" }, "N", "the same for each address or user", .call = max_per_peer },
	{ 'n', { "newstyle", "new-style" }, NULL, "newstyle handshake (the default)", .call = newstyle },
	{ 0, { "no-sr" }, NULL, "do not offer structured replies", AT(no_structured) },
	{ 'o', { "oldstyle", "old-style" }, NULL, "oldstyle handshake", AT(oldstyle) },
	{ 'P', { "pidfile", "pid-file" }, "FILE", "write the process number to FILE when ready", AT(pidfile) },
	{ 'p', { "port" }, "PORT", "listen on this port (10809); 0: any free one", AT(port) },
	{ 0, { "print-uri" }, NULL, "print where the server can be reached", AT(print_uri) },
	{ 'r', { "readonly", "read-only" }, NULL, "clients may not write", AT(readonly) },
	{ 0, { "run" }, "COMMAND", "run a shell command that uses the server, and end with it; implies -f", AT(run) },
	{ 0, { "sandbox" }, "HOW", "auto: take from the process what built-in modules do not need; on: or fail; off", .call = sandbox },
	{ 0, { "selinux-label" }, "LABEL", "label of the listening socket", AT(label) },
	{ 0, { "short-options" }, NULL, NULL, AT(short_options) },
	{ 's', { "single", "stdin" }, NULL, "serve one client on stdin and stdout; implies -f", AT(single) },
	{ 0, { "swap" }, NULL, "lock all memory: the disk is swap of this machine", AT(swap) },
	{ 't', { "threads" }, "N", "threads that serve all clients at most; 0: two per core (the default)", .call = threads },
	{ 0, { "timeout" }, "TIME", "that a client may take for the handshake; 0: any (default: 30 s)", .call = timeout },
	{ 0, { "tls" }, "MODE", "TLS: off, on (clients may) or require (clients must); default: on when there are keys", .call = tls },
	{ 0, { "tls-certificates" }, "DIR", "where ca-cert.pem, server-cert.pem and server-key.pem are", AT(tls_certificates) },
	{ 0, { "tls-psk" }, "FILE", "users and their pre-shared keys; then certificates do not count", AT(tls_psk) },
	{ 0, { "tls-verify-peer" }, NULL, "only clients with a certificate of that CA", AT(tls_verify_peer) },
	{ 'U', { "unix" }, "SOCKET", "listen on a Unix socket; -: a private one, for --run", AT(unix_path) },
	{ 'u', { "user" }, "USER", "change user (name or number) when ready", .call = user },
	{ 'v', { "verbose" }, NULL, "tell on stderr what happens, each request included", AT(verbose) },
	{ 'V', { "version" }, NULL, "print version numbers, and exit", AT(version) },
	{ 0, { "vsock" }, NULL, "listen on AF_VSOCK instead of TCP", AT(vsock) },
};

enum { LONG_FIRST = 256, LONG_MAX = 4 * ARRAY_LEN(flags) + 1 };

/* getopt's view of the table: a long name returns LONG_FIRST + its flag's index. */
static void fill_getopt(char *briefs, struct option *longs)
{
	*briefs++ = ':'; /* a missing argument is told apart, and nothing is printed */
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (flags[i].brief) {
			*briefs++ = flags[i].brief;
			if (flags[i].arg)
				*briefs++ = ':';
		}
		for (size_t n = 0; n < ARRAY_LEN(flags[i].names) && flags[i].names[n]; n++)
			*longs++ = (struct option){ flags[i].names[n], flags[i].arg ? required_argument : no_argument,
						    NULL, LONG_FIRST + (int)i };
	}
	*briefs = '\0';
	*longs = (struct option){ 0 };
}

static const struct flag *flag_of(int c)
{
	if (c >= LONG_FIRST)
		return &flags[c - LONG_FIRST];
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].brief == c)
			return &flags[i];
	return NULL;
}

static int apply(struct args *a, const struct flag *f, const char *value, struct err *e)
{
	if (f->call)
		return f->call(a, value, e);
	void *field = (char *)a + f->offset;
	if (f->arg)
		*(const char **)field = value;
	else
		*(bool *)field = true;
	return 0;
}

static int not_understood(int c, const char *word, struct err *e)
{
	const struct flag *f = optopt ? flag_of(optopt) : NULL;
	if (c == ':')
		return err_set(e, "option '%s' requires an argument", word);
	if (f && !f->arg)
		return err_set(e, "option '%s' takes no argument", word);
	if (optopt)
		return err_set(e, "unrecognized option '-%c': --help lists them", optopt);
	return err_set(e, "unrecognized or ambiguous option '%s': --help lists them", word);
}

int args_parse(struct args *a, int argc, char **argv, struct err *e)
{
	char briefs[2 * ARRAY_LEN(flags) + 2];
	struct option longs[LONG_MAX];
	int c;

	*a = (struct args){ .export = "", .handshake_mask = UINT16_MAX, .user_group = (gid_t)-1, .timeout = 30 * NS_PER_S,
			    .max_bytes = default_max_bytes(), .max_conn_bytes = 64 << 20 };
	fill_getopt(briefs, longs);
	opterr = 0;
	optind = 0; /* start anew, whoever parsed before */
	while ((c = getopt_long(argc, argv, briefs, longs, NULL)) != -1) {
		if (c == '?' || c == ':')
			return not_understood(c, argv[optind - 1], e);
		if (apply(a, flag_of(c), optarg, e) < 0)
			return -1;
	}
	a->words = argv + optind;
	a->word_count = (unsigned)(argc - optind);
	return 0;
}

void args_free(struct args *a)
{
	free(a->filters);
	free(a->flags);
	if (a->script_words) {
		free(a->script_words[0]);
		free(a->script_words[1]);
		free(a->script_words);
	}
	free(a->user_name);
	a->user_name = NULL;
	a->script_words = NULL;
	a->filters = NULL;
	a->flags = NULL;
	a->flag_count = 0;
	a->filter_count = 0;
}

struct clash {
	bool this;
	const char *this_name;
	bool that;
	const char *that_name;
};

int args_check(const struct args *a, bool activated, struct err *e)
{
	const struct clash clashes[] = {
		{ activated, "socket activation", a->unix_path, "-U" },
		{ activated, "socket activation", a->port, "-p" },
		{ activated, "socket activation", a->address, "-i" },
		{ activated, "socket activation", a->run, "--run" },
		{ activated, "socket activation", a->single, "-s" },
		{ activated, "socket activation", a->vsock, "--vsock" },
		{ a->unix_path, "-U", a->port, "-p" },
		{ a->unix_path, "-U", a->vsock, "--vsock" },
		{ a->single, "-s", a->port, "-p" },
		{ a->single, "-s", a->unix_path, "-U" },
		{ a->single, "-s", a->vsock, "--vsock" },
		{ a->single, "-s", a->run, "--run" },
		{ a->single, "-s", a->dump_plugin, "--dump-plugin" },
		{ a->oldstyle, "-o", a->tls == TLS_REQUIRE, "--tls=require" },
	};
	for (size_t i = 0; i < ARRAY_LEN(clashes); i++)
		if (clashes[i].this && clashes[i].that)
			return err_set(e, "%s and %s cannot be used together", clashes[i].this_name, clashes[i].that_name);
	if (a->pidfile && !*a->pidfile)
		return err_set(e, "-P: empty file name");
	return 0;
}

void args_print_help(void)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];
		char left[80];
		int n = 0;
		if (!f->help)
			continue;
		n = snprintf(left, sizeof left, f->brief ? "-%c, " : "    ", f->brief);
		snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", f->names[0], f->arg ? "=" : "", f->arg ? f->arg : "");
		printf("  %-30s %s\n", left, f->help);
	}
}

void args_print_names(bool longs)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		const struct flag *f = &flags[i];
		if (!f->help)
			continue;
		if (!longs && f->brief)
			printf("-%c\n", f->brief);
		for (size_t n = 0; longs && n < ARRAY_LEN(f->names) && f->names[n]; n++)
			printf("--%s\n", f->names[n]);
	}
}
