/* SPDX-License-Identifier: BSD-2-Clause */
/* args: the command line of the server, as one struct.
 * The table of options is what the parser, --help, --long-options and --short-options read; a test
 * compares the manual page with it.  Strings are borrowed from argv; words and filters are arrays of
 * ours, freed by args_free().  Main thread only (getopt keeps state of its own). */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/say.h"
#include "bridge/debug_flag.h"

enum tls_mode { TLS_DEFAULT, TLS_OFF, TLS_ON, TLS_REQUIRE }; /* default: on when there are keys */
enum log_to { LOG_DEFAULT, LOG_STDERR, LOG_SYSLOG, LOG_NULL };

/* How the process confines itself: cmd/sandbox.h. */
enum sandbox_mode {
	SANDBOX_AUTO, /* built-in modules are confined, as far as this kernel can */
	SANDBOX_ON,   /* it is an error when it cannot; loaded modules are kept from what no disk needs */
	SANDBOX_OFF,
};

struct args {
	bool help, version, dump_config, dump_plugin, long_options, short_options; /* tell something and exit */
	int family;               /* AF_UNSPEC, AF_INET, AF_INET6 */
	bool vsock;
	const char *address;      /* -i, or NULL: all interfaces */
	const char *port;         /* -p, or NULL: the default one */
	const char *unix_path;    /* -U as given, "-" for a private one, or NULL */
	const char *label;        /* --selinux-label, or NULL */
	bool single, foreground, exit_with_parent, swap, print_uri;
	bool readonly, oldstyle, no_structured, verbose;
	const char *pidfile, *run, *export;   /* or NULL; export: "" */
	bool has_user, has_group;
	char *user_name;          /* ours; NULL: not given, or a number that nobody has */
	uid_t user;
	gid_t user_group;         /* the user's own group; -1 when not known */
	gid_t group;
	enum log_to log;
	enum sandbox_mode sandbox;
	bool whole_dumps;         /* cores have the data of disks and requests */
	unsigned threads;         /* loops; 0: two for each core */
	bool busy_polls;          /* --busy-poll was given */
	uint64_t busy_poll;       /* ns */
	uint16_t handshake_mask;
	unsigned max_connections, max_per_peer; /* 0: any number */
	uint64_t timeout, idle_timeout;         /* ns; 0: any time */
	uint64_t max_bytes, max_conn_bytes;     /* 0: any number */
	enum tls_mode tls;
	const char *tls_certificates, *tls_psk; /* or NULL */
	bool tls_verify_peer;
	struct debug_flag *flags; /* -D, count of them, ours */
	unsigned flag_count;
	const char **filters;     /* count of them, outermost first, ours */
	unsigned filter_count;
	char **words;             /* plug-in and parameters: the end of argv; word_count may be 0 */
	unsigned word_count;
	char **script_words;      /* NULL, or words, ours with the first two (script.h) */
};

/* 0, or -1 with e set; a is to be freed in both cases. */
int args_parse(struct args *a, int argc, char **argv, struct err *e);
/* What cannot be used together; activated: with LISTEN_FDS. */
int args_check(const struct args *a, bool activated, struct err *e);
void args_free(struct args *a);
/* The options for a person; the bare names of them for shell completion. */
void args_print_help(void);
void args_print_names(bool longs);
