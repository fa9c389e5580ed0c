/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/conn_rig.h"
#include <errno.h>
#include <stdlib.h>

static struct conn_rig *rig_of(struct transport *tr)
{
	return container_of(tr, struct conn, t)->owner;
}

static ssize_t mem_recv(struct transport *tr, struct iovec *iov, int n)
{
	struct conn_rig *t = rig_of(tr);
	size_t left = t->in.len - t->in_at, sum = 0;
	if (!left && t->in_ended)
		return 0;
	if (!left) {
		errno = EAGAIN;
		return -1;
	}
	if (t->piece)
		left = MIN(left, t->piece);
	for (int i = 0; i < n && left; i++) {
		size_t k = MIN(left, iov[i].iov_len);
		memcpy(iov[i].iov_base, t->in.p + t->in_at, k);
		t->in_at += k;
		left -= k;
		sum += k;
	}
	return (ssize_t)sum;
}

static ssize_t mem_send(struct transport *tr, struct iovec *iov, int n)
{
	struct conn_rig *t = rig_of(tr);
	size_t sum = 0;
	for (int i = 0; i < n && t->out_room; i++) {
		size_t k = MIN(t->out_room, iov[i].iov_len);
		buf_add(&t->out, iov[i].iov_base, k);
		t->out_room -= k;
		sum += k;
	}
	if (sum)
		return (ssize_t)sum;
	errno = EAGAIN;
	return -1;
}

static void mem_want(struct transport *tr, bool in, bool out)
{
	struct conn_rig *t = rig_of(tr);
	t->want_in = in;
	t->want_out = out;
}

static void mem_close(struct transport *tr)
{
	struct conn_rig *t = rig_of(tr);
	t->want_in = t->want_out = false;
}

static const struct transport_ops mem_ops = { mem_recv, mem_send, mem_want, mem_close };

static void gone(struct conn *c)
{
	struct conn_rig *t = c->owner;
	t->conn = NULL;
}

bool conn_rig_prepare(struct conn_rig *t, const struct module *const *mods, const char *const *options)
{
	struct err e;
	int rc = 0;
	memset(t, 0, sizeof *t);
	if (loop_start(&t->loop, &e) < 0)
		return false;
	t->loop.clock_by_hand = true;
	t->out_room = SIZE_MAX;
	buf_init(&t->in, 512 << 20);
	buf_init(&t->out, 512 << 20);
	t->stages.at = t->at;
	for (; *mods; mods++)
		t->at[t->stages.count++] = (struct stage){ .mod = *mods, .block = calloc(1, (*mods)->stage_size + 1), .all = &t->stages };
	for (; options && *options; options += 2)
		for (unsigned i = 0; i < t->stages.count; i++)
			if (stage_option(&t->at[i], options[0], options[1], &rc, &e))
				break;
	if (rc < 0 || stages_start(&t->stages, &e) < 0 || stages_forked(&t->stages, false, &e) < 0)
		return false;
	t->config = (struct conn_config){ .stages = &t->stages, .handshake_mask = 0xffff, .max_bytes = MIB(64) };
	return true;
}

bool conn_rig_connect(struct conn_rig *t)
{
	t->conn = conn_new(&t->config, &t->loop, &t->memory, 1);
	if (!t->conn)
		return false;
	t->conn->t.ops = &mem_ops;
	t->conn->t.loop = &t->loop;
	t->conn->owner = t;
	t->conn->freed = gone;
	conn_start(t->conn);
	conn_rig_turn(t);
	return true;
}

bool conn_rig_start(struct conn_rig *t, const struct module *const *mods, const char *const *options)
{
	return conn_rig_prepare(t, mods, options) && conn_rig_connect(t);
}

bool conn_rig_start_as(struct conn_rig *t, const struct module *const *mods, const char *const *options, const struct conn_config *config)
{
	if (!conn_rig_prepare(t, mods, options))
		return false;
	struct conn_config ours = t->config;
	t->config = *config;
	t->config.stages = ours.stages;
	t->config.max_bytes = ours.max_bytes;
	return conn_rig_connect(t);
}

void conn_rig_option(struct conn_rig *t, uint32_t option, const void *data, uint32_t len)
{
	uint8_t head[16];
	put_be32(put_be32(put_be64(head, NBD_IHAVEOPT), option), len);
	conn_rig_send(t, head, sizeof head);
	conn_rig_send(t, data, len);
}

void conn_rig_request(struct conn_rig *t, uint16_t flags, uint16_t type, uint64_t cookie, uint64_t off, uint32_t len)
{
	uint8_t head[28];
	put_be32(put_be64(put_be64(put_be16(put_be16(put_be32(head, NBD_REQUEST_MAGIC), flags), type), cookie), off), len);
	conn_rig_send(t, head, sizeof head);
}

bool conn_rig_enter(struct conn_rig *t)
{
	uint8_t flags[4];
	if (!conn_rig_got(t, 18))
		return false;
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	conn_rig_send(t, flags, 4);
	conn_rig_option(t, NBD_OPT_EXPORT_NAME, "", 0);
	conn_rig_turn(t);
	return conn_rig_got(t, 10);
}

void conn_rig_send(struct conn_rig *t, const void *p, size_t n)
{
	buf_add(&t->in, p, n);
}

void conn_rig_end(struct conn_rig *t)
{
	t->in_ended = true;
}

void conn_rig_turn(struct conn_rig *t)
{
	for (int still = 0; still < 3; still++) {
		size_t in = t->in_at, out = t->out.len;
		unsigned what = 0;
		if (t->conn && t->want_in && (t->in_at < t->in.len || t->in_ended))
			what |= TRANSPORT_IN;
		if (t->conn && t->want_out && t->out_room)
			what |= TRANSPORT_OUT;
		if (what)
			t->conn->t.ready(&t->conn->t, what);
		loop_turn(&t->loop, false);
		if (t->in_at != in || t->out.len != out)
			still = -1;
	}
}

size_t conn_rig_left(const struct conn_rig *t)
{
	return t->out.len - t->out_at;
}

const uint8_t *conn_rig_got(struct conn_rig *t, size_t n)
{
	if (conn_rig_left(t) < n)
		return NULL;
	t->out_at += n;
	return (const uint8_t *)t->out.p + t->out_at - n;
}

void conn_rig_stop(struct conn_rig *t)
{
	if (t->conn) {
		conn_shutdown(t->conn);
		for (int i = 0; i < 100 && t->conn; i++) {
			t->loop.now += NS_PER_S;
			conn_rig_turn(t);
		}
	}
	stages_stop(&t->stages);
	conn_memory_free(&t->memory);
	buf_free(&t->in);
	buf_free(&t->out);
	loop_free(&t->loop);
}
