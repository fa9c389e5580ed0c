/* SPDX-License-Identifier: BSD-2-Clause */
#include "server/guests.h"
#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "base/say.h"
#include "base/util.h"

void guests_init(struct guests *g, unsigned max, unsigned max_per_peer)
{
	*g = (struct guests){ .max = max, .max_per_peer = max_per_peer };
	pthread_mutex_init(&g->lock, NULL);
	if (getrandom(&g->seed, sizeof g->seed, GRND_NONBLOCK) != sizeof g->seed)
		g->seed = monotonic_ns();
}

void guests_free(struct guests *g)
{
	for (unsigned i = 0; i < GUEST_BUCKETS; i++)
		for (struct guest *p; (p = g->buckets[i]);) {
			g->buckets[i] = p->next;
			free(p);
		}
	pthread_mutex_destroy(&g->lock);
}

/* False: the peer has no name that could be counted.  An IPv4 client of an IPv6 socket has its IPv4 address. */
static bool name_peer(int fd, uint8_t key[17])
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof a;
	struct ucred who;

	memset(key, 0, 17);
	if (getpeername(fd, (struct sockaddr *)&a, &len) < 0)
		return false;
	key[0] = (uint8_t)a.ss_family;
	if (a.ss_family == AF_INET) {
		memcpy(key + 1, &((struct sockaddr_in *)&a)->sin_addr, 4);
	} else if (a.ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((struct sockaddr_in6 *)&a)->sin6_addr;
		bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
		key[0] = mapped ? AF_INET : AF_INET6;
		memcpy(key + 1, in6->s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
	} else if (a.ss_family == AF_VSOCK) {
		memcpy(key + 1, &((struct sockaddr_vm *)&a)->svm_cid, 4);
	} else if (a.ss_family == AF_UNIX) {
		len = sizeof who;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
			return false;
		memcpy(key + 1, &who.uid, sizeof who.uid);
	} else {
		return false;
	}
	return true;
}

static void describe(const uint8_t key[17], char *to, size_t room)
{
	char addr[INET6_ADDRSTRLEN] = "?";
	unsigned n;
	memcpy(&n, key + 1, sizeof n);
	if (key[0] == AF_UNIX || key[0] == AF_VSOCK)
		snprintf(to, room, "%s %u", key[0] == AF_UNIX ? "user" : "CID", n);
	else
		snprintf(to, room, "%s", inet_ntop(key[0], key + 1, addr, sizeof addr) ? addr : "?");
}

static struct guest **bucket_of(struct guests *g, const uint8_t key[17])
{
	uint64_t h = g->seed;
	for (int i = 0; i < 17; i++)
		h = (h ^ key[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return &g->buckets[h % GUEST_BUCKETS];
}

static struct guest *find(struct guests *g, const uint8_t key[17])
{
	struct guest **bucket = bucket_of(g, key), *p = *bucket;
	while (p && memcmp(p->key, key, 17) != 0)
		p = p->next;
	if (!p && (p = calloc(1, sizeof *p))) {
		memcpy(p->key, key, 17);
		p->next = *bucket;
		*bucket = p;
	}
	return p;
}

static void forget_if_gone(struct guests *g, struct guest *p)
{
	if (p->count)
		return;
	struct guest **at = bucket_of(g, p->key);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}

/* Whoever is refused may come again at once, and many of them. */
static bool worth_a_line(struct guests *g, unsigned *others)
{
	uint64_t now = monotonic_ns();
	if (g->told && now - g->told < NS_PER_S) {
		g->untold++;
		return false;
	}
	*others = g->untold;
	g->untold = 0;
	g->told = now;
	return true;
}

bool guests_enter(struct guests *g, int fd, struct guest **guest)
{
	uint8_t key[17];
	bool named = g->max_per_peer && name_peer(fd, key), tell = false;
	char peer[64], why[160] = "out of memory", more[64] = "";
	unsigned others = 0;
	struct guest *p = NULL;

	pthread_mutex_lock(&g->lock);
	bool enough = g->max && g->count >= g->max;
	if (!enough && named)
		p = find(g, key);
	bool ok = !enough && (p || !named) && !(p && p->count >= g->max_per_peer);
	if (ok) {
		g->count++;
		if (p)
			p->count++;
	} else {
		tell = worth_a_line(g, &others);
	}
	pthread_mutex_unlock(&g->lock);
	*guest = ok ? p : NULL;
	if (ok || !tell)
		return ok;
	if (p) {
		describe(key, peer, sizeof peer);
		snprintf(why, sizeof why, "%s has %u (--max-connections-per-peer)", peer, g->max_per_peer);
	} else if (enough) {
		snprintf(why, sizeof why, "there are %u (--max-connections)", g->max);
	}
	if (others)
		snprintf(more, sizeof more, "; %u more were refused before", others);
	say_error("connection refused: %s%s", why, more);
	return false;
}

void guests_leave(struct guests *g, struct guest *guest)
{
	pthread_mutex_lock(&g->lock);
	g->count--;
	if (guest) {
		guest->count--;
		forget_if_gone(g, guest);
	}
	pthread_mutex_unlock(&g->lock);
}
