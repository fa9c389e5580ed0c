/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include "base/say.h"
#include "filters/filters.h"
#include "unit/rig.h"

static struct rig t;
static const struct module *const ip_alone[] = { &mod_ip, NULL };

static bool options(const char *allow, const char *deny)
{
	say_start("test", SAY_NULL, false);
	return rig_start(&t, ip_alone) && (!allow || rig_option(&t, 0, "allow", allow)) && (!deny || rig_option(&t, 0, "deny", deny));
}

static struct peer from_ip(const char *text)
{
	struct peer p = { .pid = -1, .uid = -1, .gid = -1 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p.addr;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(1234);
		p.len = sizeof *v4;
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		p.len = sizeof *v6;
	}
	return p;
}

static struct peer from_unix(int64_t pid, int64_t uid, int64_t gid)
{
	struct peer p = { .addr.ss_family = AF_UNIX, .len = 2, .pid = pid, .uid = uid, .gid = gid };
	return p;
}

static struct peer from_vsock(unsigned cid, unsigned port)
{
	struct peer p = { .len = sizeof(struct sockaddr_vm), .pid = -1, .uid = -1, .gid = -1 };
	struct sockaddr_vm *vm = (struct sockaddr_vm *)&p.addr;
	vm->svm_family = AF_VSOCK;
	vm->svm_cid = cid;
	vm->svm_port = port;
	return p;
}

/* What becomes of op when p asks. */
static int ask(struct peer p, enum op op)
{
	t.client.peer = p;
	t.home = t.bottom = 0;
	rig_send(&t, op, 0, 0, 0, NULL);
	int err = t.home == 1 ? t.came[0].err : -1;
	return err || t.bottom == 1 ? err : -1; /* what is let in reaches the bottom */
}

/* Whether p comes in; both questions must agree, as no rule is about TLS. */
static int verdict(const char *allow, const char *deny, struct peer p)
{
	if (!options(allow, deny))
		return -1;
	rig_go(&t);
	int at_door = ask(p, OP_PRECONNECT), inside = ask(p, OP_OPEN);
	rig_stop(&t);
	return at_door == inside ? at_door : -1;
}

TEST(addresses_match_as_the_rules_say)
{
	static const struct {
		const char *rule, *addr;
		bool matches;
	} rows[] = {
		{ "any", "10.1.2.3", true }, { "ALL", "2001:db8::1", true },
		{ "anyipv4", "10.1.2.3", true }, { "allipv4", "2001:db8::1", false },
		{ "anyipv6", "10.1.2.3", false }, { "AllIPv6", "2001:db8::1", true },
		{ "anyunix", "10.1.2.3", false }, { "anyvsock", "2001:db8::1", false },
		/* exactly, not by what the text begins with (CVE-2013-6410) */
		{ "10.1.2.3", "10.1.2.3", true }, { "10.1.2.3", "10.1.2.30", false }, { "10.1.2.30", "10.1.2.3", false },
		{ "10.1.2.3", "110.1.2.3", false }, { "1.2.3.4", "21.2.3.4", false }, { "10.1.2.3/32", "10.1.2.2", false },
		/* every kind of prefix */
		{ "10.1.2.3/31", "10.1.2.2", true }, { "10.1.2.3/31", "10.1.2.4", false }, { "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false }, { "10.0.0.0/9", "10.127.255.255", true }, { "10.0.0.0/9", "10.128.0.0", false },
		{ "192.168.2.0/23", "192.168.3.9", true }, { "192.168.2.0/23", "192.168.4.0", false },
		{ "0.0.0.0/0", "255.255.255.255", true }, { "0.0.0.0/0", "::1", false }, { "0.0.0.0/1", "128.0.0.0", false },
		{ "::1", "::1", true }, { "::1", "::2", false }, { "2001:db8::1/128", "2001:db8::1", true },
		{ "2001:db8::/32", "2001:db8:ffff::1", true }, { "2001:db8::/32", "2001:db9::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true }, { "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:0DB8:0:0::1", "2001:db8::1", true }, { "::/0", "::1", true }, { "::/0", "10.1.2.3", false },
		{ "::/127", "::1", true }, { "::/127", "::2", false },
		/* IPv4 clients of an IPv6 socket are IPv4 clients, and a rule may write them so */
		{ "10.1.2.3", "::ffff:10.1.2.3", true }, { "10.0.0.0/8", "::ffff:10.1.2.3", true },
		{ "10.1.2.4", "::ffff:10.1.2.3", false },
		{ "anyipv4", "::ffff:10.1.2.3", true }, { "anyipv6", "::ffff:10.1.2.3", false }, { "::/0", "::ffff:10.1.2.3", false },
		{ "::ffff:10.1.2.3", "10.1.2.3", true }, { "::ffff:10.0.0.0/104", "10.9.9.9", true },
		{ "::ffff:10.0.0.0/104", "11.1.1.1", false },
		{ "::ffff:0.0.0.0/96", "10.1.2.3", true }, { "10.1.2.3", "::10.1.2.3", false },
		/* numbers of processes are for Unix sockets */
		{ "uid:0", "10.1.2.3", false }, { "pid:1", "10.1.2.3", false }, { "vsock-cid:2", "10.1.2.3", false },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer p = from_ip(rows[i].addr);
		int denied = verdict(NULL, rows[i].rule, p), allowed = verdict(rows[i].rule, "all", p);
		if (denied != (rows[i].matches ? EPERM : 0) || allowed != (rows[i].matches ? 0 : EPERM))
			test_failed(__FILE__, __LINE__, "rule %s, client %s: deny=%d allow=%d", rows[i].rule, rows[i].addr,
				    denied, allowed);
	}
}

TEST(unix_and_vsock_clients_match_by_number)
{
	struct peer p = from_unix(77, 1000, 0), nobody = from_unix(-1, -1, -1), unknown = { .pid = -1, .uid = -1, .gid = -1 };
	static const struct {
		const char *rule;
		bool matches;
	} rows[] = {
		{ "anyunix", true }, { "allunix", true }, { "pid:77", true }, { "pid:7", false },
		{ "pid:777", false }, { "uid:1000", true },
		{ "uid:0x3e8", true }, { "uid:0", false }, { "gid:0", true }, { "gid:1000", false },
		{ "anyipv4", false }, { "0.0.0.0/0", false },
		{ "::/0", false }, { "anyvsock", false }, { "vsock-cid:0", false }, { "pid:1,uid:1,UID:1000", true },
	};
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (verdict(rows[i].rule, "any", p) != (rows[i].matches ? 0 : EPERM))
			test_failed(__FILE__, __LINE__, "rule %s: wrong", rows[i].rule);
	CHECK_EQ_U(verdict("uid:4294967295,gid:4294967295", "any", nobody), EPERM); /* -1 is no number */
	CHECK_EQ_U(verdict("anyunix", "any", nobody), 0);
	CHECK_EQ_U(verdict("anyunix,anyipv4,anyipv6,anyvsock", "any", unknown), EPERM);
	CHECK_EQ_U(verdict(NULL, "anyunix,anyipv4,anyipv6,anyvsock", unknown), 0);
	struct peer guest = from_vsock(3, 0xfffffff0);
	CHECK_EQ_U(verdict("vsock-cid:3", "any", guest), 0);
	CHECK_EQ_U(verdict("vsock-cid:2", "any", guest), EPERM);
	CHECK_EQ_U(verdict("vsock-port:4294967280", "any", guest), 0);
	CHECK_EQ_U(verdict(NULL, "anyvsock", guest), EPERM);
	p.label = "system_u:object_r:a_t:s0";
	CHECK_EQ_U(verdict("security:system_u:object_r:a_t:s0", "any", p), 0);
	CHECK_EQ_U(verdict("security:system_u:object_r:a_t", "any", p), EPERM);
}

TEST(allow_comes_before_deny_in_whatever_order_they_are_given)
{
	struct peer p = from_ip("10.1.2.3");
	CHECK_EQ_U(verdict(NULL, NULL, p), 0);
	CHECK_EQ_U(verdict("1.1.1.1", NULL, p), 0); /* an allow list alone forbids nothing */
	CHECK_EQ_U(verdict("10.1.2.3", "10.1.2.3", p), 0);
	CHECK_EQ_U(verdict("1.1.1.1,10.0.0.0/8,", "all", p), 0);
	CHECK_EQ_U(verdict("", "all", p), EPERM);
	CHECK(options(NULL, "all"));
	CHECK(rig_option(&t, 0, "allow", "1.1.1.1"));
	CHECK(rig_option(&t, 0, "allow", "10.1.2.3")); /* behind the other */
	rig_go(&t);
	CHECK_EQ_U(ask(p, OP_PRECONNECT), 0);
	CHECK_EQ_U(ask(from_ip("1.1.1.1"), OP_PRECONNECT), 0);
	rig_stop(&t);
}

TEST(tls_identity_is_judged_when_it_is_known)
{
	char dn[] = "CN=client.example.com,O=BigCo,C=US", issuer[] = "CN=BigCo", psk[] = "alice";
	struct peer plain = from_ip("10.1.2.3"), tls = plain, key = plain;
	static const struct {
		const char *allow, *deny;
		int door, plain, tls, psk; /* at the door, and inside for each of the three */
	} rows[] = {
		{ "dn:CN=client.example.com,O=BigCo,C=US", "all", 0, EPERM, 0, EPERM },
		{ "dn:CN=*.example.com,O=BigCo,*", "all", 0, EPERM, 0, EPERM },
		{ "dn:CN=client.example.com", "all", 0, EPERM, EPERM, EPERM }, /* all of it, or wildcards */
		{ "10.0.0.0/8,DN:CN=no", "all", 0, 0, 0, 0 },
		{ "issuer-dn:CN=BigCo", "all", 0, EPERM, 0, EPERM },
		{ "issuer-dn:CN=Big", "all", 0, EPERM, EPERM, EPERM },
		{ "psk-user:alice", "all", 0, EPERM, EPERM, 0 },
		{ "psk-user:al*", "all", 0, EPERM, EPERM, EPERM },
		{ "psk-user:bob,psk-user:alice", "all", 0, EPERM, EPERM, 0 },
		{ NULL, "dn:*,O=BigCo,*", 0, 0, EPERM, 0 },
		{ NULL, "10.1.2.3,dn:CN=no", EPERM, EPERM, EPERM, EPERM }, /* no need to wait */
	};
	tls.tls_dn = dn;
	tls.tls_issuer_dn = issuer;
	key.tls_psk_user = psk;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		static const enum op inside[] = { OP_OPEN, OP_LIST, OP_DEFAULT };
		CHECK(options(rows[i].allow, rows[i].deny));
		rig_go(&t);
		CHECK_EQ_U(ask(plain, OP_PRECONNECT), rows[i].door);
		for (unsigned k = 0; k < ARRAY_LEN(inside); k++) {
			CHECK_EQ_U(ask(plain, inside[k]), rows[i].plain);
			CHECK_EQ_U(ask(tls, inside[k]), rows[i].tls);
			CHECK_EQ_U(ask(key, inside[k]), rows[i].psk);
		}
		rig_stop(&t);
	}
}

TEST(what_is_no_rule_is_refused)
{
	static const char *const bad[] = {
		"10.1.2", "10.1.2.3.4", "10.1.2.256", "10.1.2.3/33", "10.1.2.3/", "10.1.2.3/-1", "10.1.2.3/8x", "10.1.2.3/0x", "::1/129",
		":::1", "fe80::1%lo", "[::1]", "localhost", "ipv4", " any", "any ", ",any", "any,,any", ",", "pid:", "pid:0", "pid:-1",
		"pid:1x", "uid:root", "uid:-1", "uid:4294967296", "gid:", "vsock-cid:4294967296", "vsock-port:-1", "security:", "dn:",
		"issuer-dn:", "psk-user:", "/8", "10.1.2.3/8/8", "uid:18446744073709551616", "any:", "::ffff:1.2.3.4/129",
	};
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(rig_start(&t, ip_alone));
		if (rig_option(&t, 0, i % 2 ? "allow" : "deny", bad[i]))
			test_failed(__FILE__, __LINE__, "\"%s\" was taken for a rule", bad[i]);
		rig_stop(&t);
	}
}
