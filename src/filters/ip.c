/* SPDX-License-Identifier: BSD-2-Clause */
/* ip: who may come in, by address, by the process behind a Unix socket, or by TLS identity.
 * Parameters and rules are those of nbdkit-ip-filter(1): a client that an allow rule matches is let in, else one that
 * a deny rule matches is not, else it is.  An address matches as bytes, never as text.  Rules about TLS cannot be judged
 * before the client has named itself: what depends on one is decided again when the exports are listed and when one is
 * opened.  The stage is constant after start. */
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include "base/parse.h"
#include "base/say.h"
#include "filters/filters.h"

enum kind { ANY, ANY_IPV4, ANY_IPV6, ANY_UNIX, ANY_VSOCK, IPV4, IPV6, PID, UID, GID, VSOCK_CID, VSOCK_PORT, SECURITY,
	    TLS_DN, TLS_ISSUER_DN, TLS_PSK_USER };

struct rule {
	enum kind kind;
	uint8_t addr[16];      /* IPV4: 4 bytes, IPV6: 16 */
	unsigned prefix;       /* bits of it that count */
	uint64_t number;       /* PID ... VSOCK_PORT */
	char *text;            /* SECURITY, TLS_PSK_USER: exactly; TLS_DN, TLS_ISSUER_DN: with wildcards.  Ours */
};

struct rules {
	struct rule *list;     /* count of them, ours */
	size_t count;
};

struct ip {
	struct rules allow, deny;
};

/* --- does it match? --- */

struct address {
	int family;            /* AF_UNSPEC: neither IPv4 nor IPv6 */
	uint8_t bytes[16];
};

/* An IPv4 client that came by an IPv6 socket is an IPv4 client. */
static struct address address_of(const struct peer *p)
{
	struct address a = { .family = AF_UNSPEC };
	if (p->len >= sizeof(struct sockaddr_in) && p->addr.ss_family == AF_INET) {
		a.family = AF_INET;
		memcpy(a.bytes, &((const struct sockaddr_in *)&p->addr)->sin_addr, 4);
	} else if (p->len >= sizeof(struct sockaddr_in6) && p->addr.ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&p->addr)->sin6_addr;
		bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
		a.family = mapped ? AF_INET : AF_INET6;
		memcpy(a.bytes, in6->s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
	}
	return a;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

static bool is_unix(const struct peer *p)
{
	return p->len && p->addr.ss_family == AF_UNIX;
}

static const struct sockaddr_vm *vsock_of(const struct peer *p)
{
	return p->len >= sizeof(struct sockaddr_vm) && p->addr.ss_family == AF_VSOCK ? (const struct sockaddr_vm *)&p->addr : NULL;
}

static bool is_number(const struct peer *p, int64_t n, const struct rule *r)
{
	return is_unix(p) && n >= 0 && (uint64_t)n == r->number;
}

static bool matches(const struct rule *r, const struct peer *p)
{
	struct address a = address_of(p);
	const struct sockaddr_vm *vm = vsock_of(p);

	switch (r->kind) {
	case ANY:
		return true;
	case ANY_IPV4:
		return a.family == AF_INET;
	case ANY_IPV6:
		return a.family == AF_INET6;
	case ANY_UNIX:
		return is_unix(p);
	case ANY_VSOCK:
		return vm;
	case IPV4:
		return a.family == AF_INET && same_bits(a.bytes, r->addr, r->prefix);
	case IPV6:
		return a.family == AF_INET6 && same_bits(a.bytes, r->addr, r->prefix);
	case PID:
		return is_number(p, p->pid, r);
	case UID:
		return is_number(p, p->uid, r);
	case GID:
		return is_number(p, p->gid, r);
	case VSOCK_CID:
		return vm && vm->svm_cid == r->number;
	case VSOCK_PORT:
		return vm && vm->svm_port == r->number;
	case SECURITY:
		return p->label && strcmp(p->label, r->text) == 0;
	case TLS_DN:
		return p->tls_dn && fnmatch(r->text, p->tls_dn, 0) == 0;
	case TLS_ISSUER_DN:
		return p->tls_issuer_dn && fnmatch(r->text, p->tls_issuer_dn, 0) == 0;
	case TLS_PSK_USER:
		return p->tls_psk_user && strcmp(p->tls_psk_user, r->text) == 0;
	}
	return false;
}

enum verdict { NO, YES, LATER };

/* YES: one of them matches.  LATER: one may, when it is known who the client is; known: it is now. */
static enum verdict any_matches(const struct rules *rs, const struct peer *p, bool known)
{
	enum verdict v = NO;
	for (size_t i = 0; i < rs->count; i++) {
		if (rs->list[i].kind >= TLS_DN && !known)
			v = LATER;
		else if (matches(&rs->list[i], p))
			return YES;
	}
	return v;
}

static bool may_enter(const struct ip *ip, const struct peer *p, bool known)
{
	return any_matches(&ip->allow, p, known) != NO || any_matches(&ip->deny, p, known) != YES;
}

/* --- on the way --- */

/* Where the client comes from, for a person. */
static const char *peer_name(const struct peer *p, char *to, size_t room)
{
	struct address a = address_of(p);
	char addr[INET6_ADDRSTRLEN];
	const struct sockaddr_vm *vm = vsock_of(p);

	if (a.family != AF_UNSPEC)
		snprintf(to, room, "%s", inet_ntop(a.family, a.bytes, addr, sizeof addr) ? addr : "?");
	else if (vm)
		snprintf(to, room, "vsock CID %u", vm->svm_cid);
	else if (is_unix(p) && p->uid >= 0)
		snprintf(to, room, "a Unix socket (pid %" PRId64 ", uid %" PRId64 ", gid %" PRId64 ")", p->pid, p->uid, p->gid);
	else
		snprintf(to, room, "an unknown place");
	return to;
}

/* Who TLS says it is: a stranger's words, so made fit for one line. */
static const char *tls_name(const struct peer *p, char *to, size_t room)
{
	const char *name = p->tls_dn ? p->tls_dn : p->tls_psk_user;
	*to = '\0';
	if (name)
		snprintf(to, room, ", TLS client \"%s\",", name);
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return to;
}

static void submit(struct layer *l, struct req *r)
{
	const struct ip *ip = l->stage->block;
	const struct peer *p = &l->client->peer;
	bool door = r->op == OP_PRECONNECT, inside = r->op == OP_LIST || r->op == OP_DEFAULT || r->op == OP_OPEN;
	char who[160], identity[256];

	if ((!door && !inside) || may_enter(ip, p, inside)) {
		req_down(l, r);
		return;
	}
	say_error("connection=%" PRIu64 " from %s%s is not permitted by the rules of the ip filter", l->client->id,
		  peer_name(p, who, sizeof who), tls_name(p, identity, sizeof identity));
	req_up(l, r, EPERM);
}

/* --- parameters --- */

static const struct {
	const char *word;
	enum kind kind;
} words[] = {
	{ "all", ANY }, { "any", ANY }, { "allipv4", ANY_IPV4 }, { "anyipv4", ANY_IPV4 }, { "allipv6", ANY_IPV6 },
	{ "anyipv6", ANY_IPV6 }, { "allunix", ANY_UNIX }, { "anyunix", ANY_UNIX }, { "allvsock", ANY_VSOCK },
	{ "anyvsock", ANY_VSOCK },
};

static const struct {
	const char *prefix;
	enum kind kind;
	uint64_t min, max;     /* of the number behind it */
} prefixes[] = {
	{ "pid:", PID, 1, INT32_MAX }, { "uid:", UID, 0, UINT32_MAX }, { "gid:", GID, 0, UINT32_MAX },
	{ "vsock-cid:", VSOCK_CID, 0, UINT32_MAX }, { "vsock-port:", VSOCK_PORT, 0, UINT32_MAX },
	{ "security:", SECURITY, 0, 0 }, { "dn:", TLS_DN, 0, 0 }, { "issuer-dn:", TLS_ISSUER_DN, 0, 0 },
	{ "psk-user:", TLS_PSK_USER, 0, 0 },
};

/* ADDRESS or ADDRESS/BITS.  word may be changed.  1: it is one, 0: it is not; -1: a wrong number of bits. */
static int parse_address(const char *key, char *word, struct rule *r, struct err *e)
{
	char *slash = strchr(word, '/');
	unsigned most;

	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, word, r->addr) == 1) {
		r->kind = IPV4;
		most = 32;
	} else if (inet_pton(AF_INET6, word, r->addr) == 1) {
		r->kind = IPV6;
		most = 128;
	} else {
		return 0;
	}
	r->prefix = most;
	if (slash && parse_unsigned(key, slash + 1, 0, most, &r->prefix, e) < 0)
		return -1;
	if (r->kind == IPV6 && r->prefix >= 96 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)r->addr)) {
		r->kind = IPV4;
		r->prefix -= 96;
		memmove(r->addr, r->addr + 12, 4);
	}
	return 1;
}

/* One rule, in memory that may be changed; rest is the whole end of the list. */
static int parse_rule(const char *key, char *word, const char *rest, struct rule *r, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(word, words[i].word) == 0) {
			r->kind = words[i].kind;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix);
		if (strncasecmp(word, prefixes[i].prefix, n) != 0)
			continue;
		r->kind = prefixes[i].kind;
		if (prefixes[i].max)
			return parse_u64(key, word + n, prefixes[i].min, prefixes[i].max, &r->number, e);
		const char *text = r->kind == TLS_DN || r->kind == TLS_ISSUER_DN ? rest + n : word + n;
		if (!*text)
			return err_set(e, "%s: nothing behind \"%s\"", key, prefixes[i].prefix);
		r->text = strdup(text);
		return r->text ? 0 : err_set(e, "out of memory");
	}
	int is = parse_address(key, word, r, e);
	return is > 0 ? 0 : is < 0 ? -1 : err_set(e, "%s: cannot understand the rule \"%s\"", key, rest);
}

/* A list of rules behind those that are there.  A distinguished name has commas of its own: it ends the list. */
static int add_rules(struct rules *rs, const char *key, const char *value, struct err *e)
{
	while (*value) {
		size_t n = strcspn(value, ",");
		struct rule *more = reallocarray(rs->list, rs->count + 1, sizeof *more), *r;
		char *word = strndup(value, n);
		int rc = -1;

		if (more)
			rs->list = more;
		if (!more || !word) {
			err_set(e, "out of memory");
		} else if (!n) {
			err_set(e, "%s: an empty rule in \"%s\"", key, value);
		} else {
			r = &rs->list[rs->count++];
			*r = (struct rule){ 0 };
			rc = parse_rule(key, word, value, r, e);
			if (r->kind == TLS_DN || r->kind == TLS_ISSUER_DN)
				n = strlen(value);
		}
		free(word);
		if (rc < 0)
			return -1;
		value += n + (value[n] == ',');
	}
	return 0;
}

static int set_allow(void *block, const char *key, const char *value, struct err *e)
{
	return add_rules(&((struct ip *)block)->allow, key, value, e);
}

static int set_deny(void *block, const char *key, const char *value, struct err *e)
{
	return add_rules(&((struct ip *)block)->deny, key, value, e);
}

static void forget(struct rules *rs)
{
	for (size_t i = 0; i < rs->count; i++)
		free(rs->list[i].text);
	free(rs->list);
	*rs = (struct rules){ 0 };
}

static void stop(struct stage *s)
{
	struct ip *ip = s->block;
	forget(&ip->allow);
	forget(&ip->deny);
}

static const struct option options[] = {
	OPT_CALL("allow", set_allow, "RULE[,...]", "clients that may come in: any, an address, address/bits, uid:N ..."),
	OPT_CALL("deny", set_deny, "RULE[,...]", "clients that may not, unless an allow rule matches"),
	{ 0 }
};

const struct module mod_ip = {
	.name = "ip",
	.longname = "let clients in by address, user or TLS identity",
	.filter = true,
	.watches = true,
	.stage_size = sizeof(struct ip),
	.options = options,
	.submit = submit,
	.stop = stop,
};
