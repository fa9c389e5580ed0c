/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit/strict.h"
#include <errno.h>
#include <stdlib.h>

struct strict strict;

static bool fits(const struct req *r)
{
	uint32_t max = r->op == OP_READ || r->op == OP_WRITE ? strict.max : strict.maxlen;
	return r->len && r->off <= strict.size && r->len <= strict.size - r->off && (!max || r->len <= max) &&
	       (!strict.min || (r->off % strict.min == 0 && r->len % strict.min == 0));
}

static int carry_out(struct req *r)
{
	if (r->op == OP_READ) {
		memcpy(r->data, strict.bytes + r->off, r->len);
	} else if (r->op == OP_WRITE) {
		memcpy(strict.bytes + r->off, r->data, r->len);
	} else if (r->op == OP_ZERO || r->op == OP_TRIM) {
		memset(strict.bytes + r->off, 0, r->len);
	} else if (r->op == OP_EXTENTS) { /* each 4 KiB something else */
		for (uint64_t at = r->off, n; at < r->off + r->len; at += n) {
			n = MIN(r->off + r->len, (at / 4096 + 1) * 4096) - at;
			if (!extents_add(r->data, n, at / 4096 % 2 ? EXTENT_HOLE | EXTENT_ZERO : 0))
				break;
		}
	}
	if (r->op == OP_WRITE || r->op == OP_ZERO || r->op == OP_TRIM) {
		strict.least = MIN(strict.least, r->off);
		strict.most = MAX(strict.most, r->off + r->len);
	}
	return 0;
}

static void answer(struct req *r)
{
	int err = strict.err[r->op];
	if (!err && r->op >= OP_READ && r->op != OP_FLUSH) {
		err = fits(r) ? carry_out(r) : EINVAL;
		strict.wrong += err != 0;
	}
	req_up(strict.layer, r, err);
}

static void cancel(struct layer *l, struct req *r)
{
	(void)l;
	for (unsigned i = 0; i < strict.held_count; i++)
		if (strict.held[i] == r)
			strict.held[i] = strict.held[--strict.held_count];
	req_up(strict.layer, r, ESHUTDOWN);
}

static void submit(struct layer *l, struct req *r)
{
	strict.layer = l;
	strict.count[r->op]++;
	if (r->op == OP_OPEN)
		l->limits = (struct limits){
			.size = strict.size, .min_block = strict.tells ? strict.min : 0, .pref_block = strict.tells ? 4096 : 0,
			.max_block = strict.tells ? strict.max : 0, .can_write = true, .can_flush = true, .can_trim = true,
			.can_extents = true, .can_fast_zero = true, .zero = NATIVE, .fua = NATIVE, .cache = NATIVE,
		};
	if (!strict.hold || r->op < OP_READ) {
		answer(r);
	} else {
		req_park(l, r, cancel);
		strict.held[strict.held_count++] = r;
	}
}

const struct module strict_bottom = { .name = "strict", .submit = submit };

void strict_reset(void)
{
	memset(&strict, 0, sizeof strict);
	strict.size = STRICT_SIZE;
	strict.least = UINT64_MAX;
	for (unsigned i = 0; i < STRICT_SIZE; i++)
		strict.bytes[i] = (uint8_t)(i * 7 + i / 251);
}

void strict_release(unsigned i)
{
	struct req *r = strict.held[i];
	strict.held[i] = strict.held[--strict.held_count];
	req_unpark(r);
	answer(r);
}

void strict_release_all(void)
{
	while (strict.held_count)
		strict_release((unsigned)rand() % strict.held_count);
}
