/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/client.h"
#include <string.h>

enum { SENT_MAX = 1 << 20 }; /* bytes of payload that we really send; longer ones break off */

/* --- time --- */

/* Whatever is on its way: timers are due at once, threads have as long as they need. */
void client_wait(struct fuzz_client *c)
{
	for (;;) {
		c->rig.out_room = SIZE_MAX;
		conn_rig_turn(&c->rig);
		if (c->release)
			c->release();
		conn_rig_turn(&c->rig);
		struct conn *conn = c->rig.conn;
		if (!conn || (!conn->busy && stack_idle(conn->stack) && list_empty(&conn->replies) && !conn->eof))
			return;
		c->rig.loop.now += NS_PER_MS;
		loop_turn(&c->rig.loop, list_empty(&conn->settle.link) && timers_next(&c->rig.loop.timers) == UINT64_MAX);
	}
}

/* --- the handshake --- */

static void send_option(struct fuzz_client *c, uint32_t option, const void *data, uint32_t len)
{
	uint8_t head[NBD_OPTION_SIZE];
	put_be32(put_be32(put_be64(head, NBD_IHAVEOPT), option), len);
	conn_rig_send(&c->rig, head, sizeof head);
	conn_rig_send(&c->rig, data, len);
	client_wait(c);
}

/* The type of the next option reply; its data in *p, *len bytes. */
static uint32_t take_option_reply(struct fuzz_client *c, const uint8_t **p, uint32_t *len)
{
	const uint8_t *head = conn_rig_got(&c->rig, 20);
	if (!head)
		return 0;
	uint32_t type = get_be32(head + 12);
	*len = get_be32(head + 16);
	MUST(get_be64(head) == NBD_REP_MAGIC && *len < 1 << 20);
	*p = conn_rig_got(&c->rig, *len);
	MUST(*p);
	return type;
}

static bool acknowledged(struct fuzz_client *c)
{
	const uint8_t *p;
	uint32_t len, type;
	while ((type = take_option_reply(c, &p, &len)) != 0 && type != NBD_REP_ACK && type < NBD_REP_ERR(0))
		if (type == NBD_REP_INFO && len == 12 && get_be16(p) == NBD_INFO_EXPORT) {
			c->size = get_be64(p + 2);
			c->adv = get_be16(p + 10);
		}
	return type == NBD_REP_ACK;
}

bool client_enter(struct fuzz_client *c, enum reply_style style, bool meta)
{
	static const char set[] = "\0\0\0\0\0\0\0\1\0\0\0\17base:allocation";
	uint8_t flags[4];

	client_wait(c);
	if (!conn_rig_got(&c->rig, 18))
		return false;
	put_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	conn_rig_send(&c->rig, flags, 4);
	c->style = style;
	if (style != REPLY_SIMPLE) {
		send_option(c, style == REPLY_EXTENDED ? NBD_OPT_EXTENDED_HEADERS : NBD_OPT_STRUCTURED_REPLY, "", 0);
		bool ok = acknowledged(c);
		if (ok && meta) {
			send_option(c, NBD_OPT_SET_META_CONTEXT, set, sizeof set - 1);
			ok = acknowledged(c);
		}
		MUST(ok || c->may_leave);
		c->meta = meta;
	}
	send_option(c, NBD_OPT_GO, "\0\0\0\0\0\0", 6);
	if (acknowledged(c))
		return true;
	c->size = 0;
	return false;
}

/* --- what a request must come to --- */

static bool changes(uint16_t type)
{
	return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM || type == NBD_CMD_WRITE_ZEROES;
}

static uint16_t flags_allowed(const struct fuzz_client *c, uint16_t type)
{
	uint16_t ok = c->adv & NBD_FLAG_SEND_FUA ? NBD_CMD_FLAG_FUA : 0;
	if (type == NBD_CMD_READ && c->style != REPLY_SIMPLE)
		ok |= NBD_CMD_FLAG_DF;
	if (type == NBD_CMD_WRITE && c->style == REPLY_EXTENDED)
		ok |= NBD_CMD_FLAG_PAYLOAD_LEN;
	if (type == NBD_CMD_WRITE_ZEROES)
		ok |= NBD_CMD_FLAG_NO_HOLE | (c->adv & NBD_FLAG_SEND_FAST_ZERO ? NBD_CMD_FLAG_FAST_ZERO : 0);
	if (type == NBD_CMD_BLOCK_STATUS)
		ok |= NBD_CMD_FLAG_REQ_ONE;
	return ok;
}

static bool offered(const struct fuzz_client *c, uint16_t type)
{
	switch (type) {
	case NBD_CMD_READ:
		return true;
	case NBD_CMD_WRITE:
		return !(c->adv & NBD_FLAG_READ_ONLY);
	case NBD_CMD_FLUSH:
		return c->adv & NBD_FLAG_SEND_FLUSH;
	case NBD_CMD_TRIM:
		return c->adv & NBD_FLAG_SEND_TRIM && !(c->adv & NBD_FLAG_READ_ONLY);
	case NBD_CMD_CACHE:
		return c->adv & NBD_FLAG_SEND_CACHE;
	case NBD_CMD_WRITE_ZEROES:
		return c->adv & NBD_FLAG_SEND_WRITE_ZEROES && !(c->adv & NBD_FLAG_READ_ONLY);
	case NBD_CMD_BLOCK_STATUS:
		return c->meta;
	default:
		return false;
	}
}

/* proto.md's rules, said once more. */
static enum client_expects judge(const struct fuzz_client *c, const struct client_asked *a)
{
	bool flush = a->type == NBD_CMD_FLUSH, data = a->type == NBD_CMD_READ || a->type == NBD_CMD_WRITE;

	if (!offered(c, a->type) || a->flags & ~flags_allowed(c, a->type))
		return MUST_FAIL;
	if (flush ? a->off || a->len : !a->len || a->off > c->size || a->len > c->size - a->off)
		return MUST_FAIL;
	if (data && a->len > NBD_MAX_PAYLOAD)
		return MUST_FAIL;
	if (c->fails & 1u << a->type)
		return MUST_FAIL;
	return c->faithful && !(a->flags & NBD_CMD_FLAG_FAST_ZERO) ? MUST_WORK : MAY_FAIL;
}

/* --- asking --- */

static uint8_t byte_of(uint8_t seed, uint64_t i)
{
	return seed ? (uint8_t)(seed + i * 31 + i / 256 * 17) : 0;
}

/* Zeroed bytes are known, trimmed ones and those whose change may not have happened are not. */
static void note_change(struct fuzz_client *c, const struct client_asked *a)
{
	for (uint64_t i = a->off; i < a->off + a->len && i < CLIENT_DISK; i++) {
		bool twice = c->wrote[i] == c->batch;
		c->wrote[i] = c->batch;
		c->unknown[i] = twice || a->type == NBD_CMD_TRIM || a->expects != MUST_WORK;
		c->model[i] = a->type == NBD_CMD_WRITE ? byte_of(a->seed, i - a->off) : 0;
	}
}

static uint64_t choose_offset(const struct fuzz_client *c, struct input *in)
{
	switch (input_pick(in, 8)) {
	case 0:
		return input_take(in, 8);
	case 1:
		return c->size - input_take(in, 1);
	case 2:
		return input_take(in, 1) * 4096;
	case 3:
		return input_take(in, 1) * 512;
	case 4:
		return 0;
	default:
		return c->size ? input_take(in, 3) % c->size : input_take(in, 3);
	}
}

static uint64_t choose_length(const struct fuzz_client *c, struct input *in, uint64_t off)
{
	switch (input_pick(in, 10)) {
	case 0:
		return c->style == REPLY_EXTENDED ? input_take(in, 8) : input_take(in, 4);
	case 1:
		return (c->size - off) & UINT32_MAX; /* to the end, if it is before that */
	case 2:
		return 0;
	case 3:
		return input_take(in, 2);
	case 4:
		return 32768 + input_take(in, 1); /* about as much as stays in a receive buffer */
	case 5:
	case 6:
		return (input_take(in, 1) & 15) * 512;
	default:
		return input_take(in, 1);
	}
}

static void send_payload(struct fuzz_client *c, const struct client_asked *a)
{
	uint8_t piece[4096];
	uint64_t n;
	for (uint64_t i = 0; i < a->len && i < SENT_MAX; i += n) {
		n = MIN(a->len - i, sizeof piece);
		for (uint64_t k = 0; k < n; k++)
			piece[k] = byte_of(a->seed, i + k);
		conn_rig_send(&c->rig, piece, n);
	}
	if (a->len > SENT_MAX) {
		c->left = true;
		conn_rig_end(&c->rig);
	}
}

static void ask(struct fuzz_client *c, struct input *in)
{
	uint8_t head[NBD_EXTENDED_REQUEST_SIZE], *p;
	struct client_asked *a = &c->asked[c->count];
	uint8_t what = (uint8_t)input_take(in, 1);
	bool wide = c->style == REPLY_EXTENDED;
	uint32_t magic = wide ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC;

	*a = (struct client_asked){ .type = what & 15, .seed = (uint8_t)(what >> 4) };
	if (a->type >= 8) /* the usual ones more often */
		a->type = what == 0xff ? (uint16_t)input_take(in, 2) : a->type & 1 ? NBD_CMD_WRITE : NBD_CMD_READ;
	if (a->type == NBD_CMD_DISC && what >> 4)
		a->type = NBD_CMD_BLOCK_STATUS;
	a->flags = (uint16_t)input_take(in, 1);
	if (a->flags == 0xff)
		a->flags = (uint16_t)input_take(in, 2);
	else if (a->flags & 0x80) /* what this command may have */
		a->flags &= flags_allowed(c, a->type);
	else
		a->flags = a->flags & 0x40 ? a->flags & 0x3f : 0;
	if (a->type != NBD_CMD_FLUSH || what >> 4) {
		a->off = choose_offset(c, in);
		a->len = choose_length(c, in, a->off);
	}
	if (!wide)
		a->len &= UINT32_MAX;
	if (a->type == NBD_CMD_READ && a->len <= NBD_MAX_PAYLOAD)
		a->len %= SENT_MAX + 1; /* that many are as good as more */
	else if (c->longest && a->len > c->longest && a->type != NBD_CMD_BLOCK_STATUS && a->len <= c->size)
		a->len %= c->longest;
	a->cookie = ++c->requests * 0x9e3779b97f4a7c15u; /* each another one */
	if (what == 0xfe && input_pick(in, 4) == 0)
		magic ^= 1u << input_pick(in, 32);
	p = put_be64(put_be64(put_be16(put_be16(put_be32(head, magic), a->flags), a->type), a->cookie), a->off);
	p = wide ? put_be64(p, a->len) : put_be32(p, (uint32_t)a->len);
	conn_rig_send(&c->rig, head, (size_t)(p - head));
	if (magic != (wide ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC) || a->type == NBD_CMD_DISC) {
		c->left = true;
		c->goodbye = a->type == NBD_CMD_DISC && magic == (wide ? NBD_EXTENDED_REQUEST_MAGIC : NBD_REQUEST_MAGIC);
		return; /* no answer is due */
	}
	a->expects = judge(c, a);
	c->count++;
	if (a->type == NBD_CMD_WRITE || (wide && a->flags & NBD_CMD_FLAG_PAYLOAD_LEN))
		send_payload(c, a);
	if (c->left)
		a->expects = a->expects == MUST_WORK ? MAY_FAIL : a->expects; /* broken off in the middle */
	else if (changes(a->type) && a->expects != MUST_FAIL)
		note_change(c, a);
}

/* --- the answers --- */

static struct client_asked *find(struct fuzz_client *c, uint64_t cookie)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->asked[i].cookie == cookie && !c->asked[i].answered)
			return &c->asked[i];
	return NULL;
}

static bool compared(const struct fuzz_client *c, uint64_t i)
{
	return c->faithful && !c->unknown[i] && c->wrote[i] != c->batch;
}

static void check_data(const struct fuzz_client *c, uint64_t off, uint64_t len, const uint8_t *data)
{
	for (uint64_t i = 0; i < len && off + i < CLIENT_DISK; i++)
		MUST(!compared(c, off + i) || c->model[off + i] == (data ? data[i] : 0));
}

static void finished(struct client_asked *a, uint32_t err)
{
	MUST(!err || a->expects != MUST_WORK);
	MUST(err || a->expects != MUST_FAIL);
	/* EPERM EIO ENOMEM EINVAL ENOSPC ENOTSUP ESHUTDOWN; EOVERFLOW only for DF */
	MUST(err == 0 || err == 1 || err == 5 || err == 12 || err == 22 || err == 28 || err == 95 || err == 108);
	MUST(err != 95 || a->flags & NBD_CMD_FLAG_FAST_ZERO);
	a->answered = true;
}

static bool simple_reply(struct fuzz_client *c)
{
	const uint8_t *head = conn_rig_got(&c->rig, NBD_SIMPLE_REPLY_SIZE);
	if (!head)
		return false;
	MUST(get_be32(head) == NBD_SIMPLE_REPLY_MAGIC);
	struct client_asked *a = find(c, get_be64(head + 8));
	uint32_t err = get_be32(head + 4);
	MUST(a);
	if (!err && a->type == NBD_CMD_READ) {
		const uint8_t *data = conn_rig_got(&c->rig, a->len);
		MUST(data);
		check_data(c, a->off, a->len, data);
	}
	finished(a, err);
	return true;
}

static uint64_t take_number(const uint8_t **p, const uint8_t *end, unsigned n)
{
	MUST(end - *p >= n);
	uint64_t v = n == 2 ? get_be16(*p) : n == 4 ? get_be32(*p) : get_be64(*p);
	*p += n;
	return v;
}

static void check_status(struct fuzz_client *c, const struct client_asked *a, const uint8_t *p, const uint8_t *end)
{
	bool wide = c->style == REPLY_EXTENDED;
	unsigned each = wide ? 8 : 4;
	uint64_t sum = 0, n = 0;

	MUST(take_number(&p, end, 4) == META_ALLOCATION_ID);
	uint64_t count = wide ? take_number(&p, end, 4) : (uint64_t)(end - p) / 8;
	for (; p < end; n++) {
		uint64_t len = take_number(&p, end, each), flags = take_number(&p, end, each);
		MUST(len && !(flags & ~3u));
		MUST(len <= a->len - sum);
		if (flags & 2)
			check_data(c, a->off + sum, len, NULL);
		sum += len;
	}
	MUST(n == count && n > 0 && (n == 1 || !(a->flags & NBD_CMD_FLAG_REQ_ONE)));
}

/* The chunk's payload is [p, end); its error, or 0. */
static uint32_t check_chunk(struct fuzz_client *c, struct client_asked *a, uint16_t type, const uint8_t *p, const uint8_t *end)
{
	uint64_t off, len;
	uint32_t err = 0;

	switch (type) {
	case NBD_REPLY_TYPE_NONE:
		MUST(p == end);
		break;
	case NBD_REPLY_TYPE_OFFSET_DATA:
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		MUST(a->type == NBD_CMD_READ);
		off = take_number(&p, end, 8);
		len = type == NBD_REPLY_TYPE_OFFSET_HOLE ? take_number(&p, end, 4) : (uint64_t)(end - p);
		MUST(off == a->at && len > 0 && len <= a->off + a->len - a->at);
		check_data(c, off, len, type == NBD_REPLY_TYPE_OFFSET_HOLE ? NULL : p);
		MUST(!(a->flags & NBD_CMD_FLAG_DF) || (len == a->len && type == NBD_REPLY_TYPE_OFFSET_DATA));
		a->at += len;
		break;
	case NBD_REPLY_TYPE_BLOCK_STATUS:
	case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
		MUST(a->type == NBD_CMD_BLOCK_STATUS && !a->begun);
		MUST((type == NBD_REPLY_TYPE_BLOCK_STATUS_EXT) == (c->style == REPLY_EXTENDED));
		check_status(c, a, p, end);
		break;
	case NBD_REPLY_TYPE_ERROR:
	case NBD_REPLY_TYPE_ERROR_OFFSET:
		err = (uint32_t)take_number(&p, end, 4);
		len = take_number(&p, end, 2);
		MUST(err && (uint64_t)(end - p) == len + (type == NBD_REPLY_TYPE_ERROR ? 0 : 8));
		if (type == NBD_REPLY_TYPE_ERROR_OFFSET)
			MUST(get_be64(p + len) >= a->off && get_be64(p + len) - a->off < a->len);
		break;
	default:
		MUST(!"a type of chunk that we know");
	}
	a->begun = true;
	return err;
}

static bool chunk(struct fuzz_client *c)
{
	bool wide = c->style == REPLY_EXTENDED;
	const uint8_t *head = conn_rig_got(&c->rig, wide ? NBD_EXTENDED_REPLY_SIZE : NBD_STRUCTURED_REPLY_SIZE);
	if (!head)
		return false;
	MUST(get_be32(head) == (wide ? NBD_EXTENDED_REPLY_MAGIC : NBD_STRUCTURED_REPLY_MAGIC));
	uint16_t flags = get_be16(head + 4), type = get_be16(head + 6);
	struct client_asked *a = find(c, get_be64(head + 8));
	uint64_t len = wide ? get_be64(head + 24) : get_be32(head + 16);
	MUST(a && !(flags & ~NBD_REPLY_FLAG_DONE));
	MUST(!wide || get_be64(head + 16) == a->off);
	if (!a->begun)
		a->at = a->off;
	MUST(len <= NBD_MAX_PAYLOAD + 8);
	const uint8_t *p = conn_rig_got(&c->rig, len);
	MUST(p);
	uint32_t err = check_chunk(c, a, type, p, p + len);
	if (flags & NBD_REPLY_FLAG_DONE) {
		MUST(err || a->type != NBD_CMD_READ || a->at == a->off + a->len);
		MUST(err || a->type != NBD_CMD_BLOCK_STATUS || type != NBD_REPLY_TYPE_NONE);
		finished(a, err);
	}
	return true;
}

/* All that has come; all_of_them: and nothing may be missing. */
static void take_replies(struct fuzz_client *c, bool all_of_them)
{
	while (c->style == REPLY_SIMPLE ? simple_reply(c) : chunk(c))
		;
	MUST(conn_rig_left(&c->rig) == 0);
	for (unsigned i = 0; i < c->count; i++)
		MUST(c->asked[i].answered || !all_of_them);
	c->count = 0;
	if (++c->batch == 0) {
		memset(c->wrote, 0, sizeof c->wrote);
		c->batch = 1;
	}
	c->rig.out.len = c->rig.out_at = 0;
}

void client_requests(struct fuzz_client *c, struct input *in)
{
	c->batch = 1;
	c->rig.in.len = c->rig.in_at = 0;
	c->rig.out.len = c->rig.out_at = 0;
	while (input_more(in) && !c->left) {
		unsigned many = 1 + input_pick(in, 20) % CLIENT_ASKED;
		for (unsigned i = 0; i < many && input_more(in) && !c->left; i++)
			ask(c, in);
		if (many % 3 == 2) { /* a client that is slow to read */
			c->rig.out_room = many * 7;
			conn_rig_turn(&c->rig);
		}
		if (c->left || (many == 20 && !input_more(in)))
			break; /* and the end, in the middle of it */
		client_wait(c);
		MUST(c->rig.conn || c->may_leave);
		c->left = !c->rig.conn;
		take_replies(c, !c->left);
		c->rig.in.len = c->rig.in_at = 0;
	}
}

void client_end(struct fuzz_client *c, unsigned how)
{
	struct conn_rig *t = &c->rig;
	bool done = c->goodbye && !c->may_leave && how % 3 != 1; /* all that was asked before a goodbye is done and answered */
	for (unsigned i = 0; i < c->count && !done; i++)
		if (c->asked[i].expects == MUST_WORK)
			c->asked[i].expects = MAY_FAIL;
	if (t->conn && how % 3 == 0)
		conn_rig_end(t);
	else if (t->conn && how % 3 == 1) {
		if (conn_refuse(t->conn))
			conn_rig_turn(t);
		if (t->conn)
			conn_shutdown(t->conn);
	}
	if (t->conn && (c->left || how % 3 != 2)) {
		client_wait(c);
		MUST(!t->conn);
	}
	if (t->conn) {
		client_wait(c); /* nobody waits below: conn_rig_stop() does not wait for threads */
		conn_shutdown(t->conn);
		client_wait(c);
		MUST(!t->conn);
	}
	if (c->batch)
		take_replies(c, done);
	MUST(t->loop.connections == 0 && timers_next(&t->loop.timers) == UINT64_MAX);
	conn_rig_stop(t);
}
