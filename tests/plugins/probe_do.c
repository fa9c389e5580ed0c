/* SPDX-License-Identifier: BSD-2-Clause */
/* Words that call functions of the server and note what came of it: WORD or WORD:ARGUMENT, joined by '+'.
 * In arguments %NN stands for a byte. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "probe.h"

/* Later than nbdkit 1.32: a server need not have them. */
#pragma weak nbdkit_debug_hexdiff
#pragma weak nbdkit_debug_hexdump
#pragma weak nbdkit_disconnect
#pragma weak nbdkit_name
#pragma weak nbdkit_parse_delay
#pragma weak nbdkit_parse_probability
#pragma weak nbdkit_peer_security_context
#pragma weak nbdkit_peer_tls_dn
#pragma weak nbdkit_peer_tls_issuer_dn
#pragma weak nbdkit_timestamp

static void noted(const char *what, const char *arg, long long rc, const char *result)
{
	note("  %s(%s) = %lld %s", what, arg, rc, rc < 0 || !result ? "" : result);
}

static void do_probability(const char *arg)
{
	double d = 99;
	int rc = nbdkit_parse_probability("what", arg, &d);
	note("  parse_probability(%s) = %d %g, without a place %d", arg, rc, d, nbdkit_parse_probability("what", arg, NULL));
}

static void do_delay(const char *arg)
{
	unsigned sec = 99, nsec = 99;
	int rc = nbdkit_parse_delay("what", arg, &sec, &nsec);
	note("  parse_delay(%s) = %d %u %u", arg, rc, sec, nsec);
}

static void do_hexdump(bool twice, const char *arg)
{
	static const char text[] = "0123456789abcdef\x01\x80~ XYZ and more of it";
	static const char other[] = "0123456789abcdef\x01\x80~ xYz and more of it";
	uint64_t start = strtoull(arg, NULL, 0);
	if (twice)
		nbdkit_debug_hexdiff(text, other, sizeof text - 1, "data: ", start);
	else
		nbdkit_debug_hexdump(text, sizeof text - 1, start ? "data: " : NULL, start);
}

static void do_parse(const char *word, const char *arg)
{
#define INTEGER(type, kind, format)                                                      \
	if (strcmp(word, "parse_" #kind) == 0) {                                         \
		type n = 99;                                                             \
		int rc = nbdkit_parse_##kind("what", arg, &n);                           \
		note("  parse_" #kind "(%s) = %d %" format, arg, rc, n);                 \
		rc = nbdkit_parse_##kind("what", arg, NULL);                             \
		note("  and without a place = %d", rc);                                  \
		return;                                                                  \
	}
	INTEGER(int, int, "d")
	INTEGER(unsigned, unsigned, "u")
	INTEGER(int8_t, int8_t, PRId8)
	INTEGER(uint8_t, uint8_t, PRIu8)
	INTEGER(int16_t, int16_t, PRId16)
	INTEGER(uint16_t, uint16_t, PRIu16)
	INTEGER(int32_t, int32_t, PRId32)
	INTEGER(uint32_t, uint32_t, PRIu32)
	INTEGER(int64_t, int64_t, PRId64)
	INTEGER(uint64_t, uint64_t, PRIu64)
	if (strcmp(word, "parse_size") == 0)
		noted(word, arg, nbdkit_parse_size(arg), NULL);
	else if (strcmp(word, "parse_bool") == 0)
		noted(word, arg, nbdkit_parse_bool(arg), NULL);
	else if (strcmp(word, "parse_probability") == 0)
		do_probability(arg);
	else if (strcmp(word, "parse_delay") == 0)
		do_delay(arg);
	else
		note("  unknown word %s", word);
}

static void do_peer_name(void)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof a, little = 1;
	int rc = nbdkit_peer_name((struct sockaddr *)&a, &len);
	if (rc < 0) {
		note("  peer_name = -1");
		return;
	}
	note("  peer_name = 0 family=%d %s", a.ss_family,
	     a.ss_family == AF_INET && ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) == INADDR_LOOPBACK ? "127.0.0.1" : "");
	rc = nbdkit_peer_name((struct sockaddr *)&a, &little);
	note("  and into one byte = %d, length %s", rc, little == len ? "the same" : "another");
}

static void do_intern(const char *arg)
{
	char copy[64];
	snprintf(copy, sizeof copy, "%s", arg);
	const char *a = nbdkit_strdup_intern(copy), *b = nbdkit_strndup_intern(copy, 3), *c = nbdkit_printf_intern("<%s %d>", copy, 7);
	const char *d = nbdkit_strndup_intern(copy, 1000);
	memset(copy, 'z', sizeof copy - 1);
	note("  intern %s %s %s %s", a, b, c, d);
}

static void do_password(const char *arg)
{
	char *password = (char *)1;
	int rc = nbdkit_read_password(arg, &password);
	size_t len = rc == 0 ? strlen(password) : 0;
	note("  read_password(%s) = %d %zu %.20s", arg, rc, len, rc == 0 ? password : "");
	if (rc == 0)
		free(password);
}

static void do_path(const char *word, const char *arg)
{
	char *p = strcmp(word, "realpath") == 0 ? nbdkit_realpath(arg) : nbdkit_absolute_path(arg);
	note("  %s(%s) = %s", word, arg, p ? p : "NULL");
	free(p);
}

static void do_nanosleep(const char *arg)
{
	char *end;
	unsigned sec = (unsigned)strtoul(arg, &end, 0), nsec = *end ? (unsigned)strtoul(end + 1, NULL, 0) : 0;
	errno = 0;
	note("  nanosleep(%s) begins", arg);
	int rc = nbdkit_nanosleep(sec, nsec);
	note("  nanosleep(%s) = %d", arg, rc);
}

static const char *kept; /* an interned string */

static void do_word(const char *word, const char *arg)
{
	if (strcmp(word, "export_name") == 0) {
		const char *s = nbdkit_export_name();
		note("  export_name = %s", s ? s : "NULL");
	} else if (strcmp(word, "is_tls") == 0) {
		note("  is_tls = %d", nbdkit_is_tls());
	} else if (strcmp(word, "peer_name") == 0) {
		do_peer_name();
	} else if (strcmp(word, "peer_ids") == 0) {
		int64_t pid = nbdkit_peer_pid(), uid = nbdkit_peer_uid(), gid = nbdkit_peer_gid();
		note("  peer pid %s uid %s gid %s", pid < 0 ? "-1" : pid > 1 ? "known" : "odd",
		     uid < 0 ? "-1" : uid == getuid() ? "ours" : "odd", gid < 0 ? "-1" : gid == getgid() ? "ours" : "odd");
	} else if (strcmp(word, "stdio_safe") == 0) {
		note("  stdio_safe = %d", nbdkit_stdio_safe());
	} else if (strcmp(word, "shutdown") == 0) {
		nbdkit_shutdown();
	} else if (strcmp(word, "nanosleep") == 0) {
		do_nanosleep(arg);
	} else if (strcmp(word, "error") == 0) {
		errno = 42;
		nbdkit_error("%s", arg);
		note("  error leaves errno %d", errno);
	} else if (strcmp(word, "errno") == 0) {
		errno = atoi(arg);
		nbdkit_error("errno says %m");
	} else if (strcmp(word, "debug") == 0) {
		errno = 42;
		nbdkit_debug("%s", arg);
		note("  debug leaves errno %d", errno);
	} else if (strcmp(word, "intern") == 0) {
		do_intern(arg);
	} else if (strcmp(word, "keep") == 0) {
		kept = nbdkit_strdup_intern(arg);
	} else if (strcmp(word, "recall") == 0) {
		note("  recall %s", kept);
	} else if (strcmp(word, "read_password") == 0) {
		do_password(arg);
	} else if (strcmp(word, "realpath") == 0 || strcmp(word, "absolute_path") == 0) {
		do_path(word, arg);
	} else if (strcmp(word, "label") == 0) {
		char *label = nbdkit_peer_security_context(), *dn = nbdkit_peer_tls_dn(), *issuer = nbdkit_peer_tls_issuer_dn();
		note("  label %s dn <%s> issuer <%s>", label ? label : "NULL", dn ? dn : "NULL", issuer ? issuer : "NULL");
		free(label);
		free(dn);
		free(issuer);
	} else if (strcmp(word, "names") == 0) {
		note("  name %s timestamp %zu", nbdkit_name() ? nbdkit_name() : "NULL", strlen(nbdkit_timestamp()));
	} else if (strcmp(word, "hexdump") == 0 || strcmp(word, "hexdiff") == 0) {
		do_hexdump(strcmp(word, "hexdiff") == 0, arg);
	} else if (strcmp(word, "disconnect") == 0) {
		nbdkit_disconnect(atoi(arg));
	} else if (strcmp(word, "exit") == 0) {
		exit(atoi(arg));
	} else if (strcmp(word, "crash") == 0) {
		abort();
	} else {
		do_parse(word, arg);
	}
}

/* %NN in place. */
static void decode(char *s)
{
	char *to = s;
	for (; *s; s++) {
		unsigned n;
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]) && sscanf(s + 1, "%2x", &n) == 1) {
			*to++ = (char)n;
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

void do_words(const char *words)
{
	char *all = strdup(words), *save = NULL;
	for (char *w = strtok_r(all, "+", &save); w; w = strtok_r(NULL, "+", &save)) {
		char *arg = strchr(w, ':');
		if (arg)
			*arg++ = '\0';
		if (arg)
			decode(arg);
		do_word(w, arg ? arg : "");
	}
	free(all);
}

void do_in(const struct handle *h, const char *callback)
{
	char key[64];
	snprintf(key, sizeof key, "do.%s", callback);
	const char *words = setting(h, key);
	if (words)
		do_words(words);
}
