/* SPDX-License-Identifier: BSD-2-Clause */
#include "fuzz/disk.h"
#include <errno.h>
#include <string.h>
#include "fuzz/input.h"

struct disk disk;
uint8_t disk_pattern[DISK_MAX];

static bool is_zero(uint64_t off, uint64_t len)
{
	for (uint64_t i = off; i < off + len && i < disk.size; i++)
		if (disk.bytes[i])
			return false;
	return true;
}

/* Runs of whole grains, a hole where all is zero. */
static void tell(struct extents *x, uint64_t off, uint64_t len)
{
	for (uint64_t end = off + len, n; off < end; off += n) {
		n = off >= disk.size ? end - off : MIN(end, (off / DISK_GRAIN + 1) * DISK_GRAIN) - off;
		if (!extents_add(x, n, is_zero(off, n) ? EXTENT_HOLE | EXTENT_ZERO : 0))
			break;
	}
}

static void copy(uint8_t *to, uint64_t off, uint64_t len)
{
	uint64_t have = off < disk.size ? MIN(len, disk.size - off) : 0;
	if (have)
		memcpy(to, disk.bytes + off, have);
	memset(to + have, 0, len - have);
}

static void read_disk(struct req *r)
{
	if (r->holes) {
		tell(r->holes, r->off, r->len);
		if (r->holes->at != r->holes->end)
			r->holes = NULL;
	}
	if (!r->holes && !(r->flags & REQ_PLACE) && r->off + r->len <= disk.size && r->off % 2) {
		r->data = disk.bytes + r->off; /* lent */
		return;
	}
	copy(r->data, r->off, r->len);
	uint64_t off = r->off;
	for (size_t i = 0; r->holes && i < r->holes->count; off += r->holes->list[i++].len)
		if (r->holes->list[i].flags) /* "need not be stored" */
			memset((uint8_t *)r->data + (off - r->off), 0xa5, r->holes->list[i].len);
}

static void carry_out(struct req *r)
{
	uint64_t all = disk.size + disk.beyond;
	uint64_t have = r->off < disk.size ? MIN(r->len, disk.size - r->off) : 0; /* bytes of the array */

	if (r->op == OP_FLUSH)
		return;
	MUST(r->len && r->off <= all && r->len <= all - r->off);
	MUST(!disk.min || (r->off % disk.min == 0 && (r->len % disk.min == 0 || r->off + r->len == all)));
	MUST(!disk.constant || (r->op != OP_WRITE && r->op != OP_ZERO && r->op != OP_TRIM));
	switch (r->op) {
	case OP_READ:
		read_disk(r);
		break;
	case OP_WRITE:
		if (have)
			memcpy(disk.bytes + r->off, r->data, have);
		break;
	case OP_TRIM:
	case OP_ZERO:
		if (have)
			memset(disk.bytes + r->off, 0, have);
		break;
	case OP_EXTENTS:
		tell(r->data, r->off, r->len);
		break;
	default:
		break;
	}
}

static void cancel(struct layer *l, struct req *r)
{
	for (unsigned i = 0; i < disk.held_count; i++)
		if (disk.held[i] == r) {
			disk.held[i] = disk.held[--disk.held_count];
			break;
		}
	req_up(l, r, ESHUTDOWN);
}

static void submit(struct layer *l, struct req *r)
{
	int err = 0;
	if (r->op == OP_OPEN)
		l->limits = (struct limits){
			.size = disk.size + disk.beyond, .min_block = disk.min, .pref_block = disk.min ? 4096 : 0,
			.max_block = disk.min ? UINT32_MAX : 0, .can_write = true, .can_flush = true, .can_trim = true,
			.can_extents = true, .can_fast_zero = true, .zero = NATIVE, .fua = NATIVE, .cache = NATIVE,
		};
	if ((r->op == OP_LIST || r->op == OP_DEFAULT) && exports_add(r->data, "", NULL) < 0)
		err = ENOMEM;
	if (disk.hold && r->op >= OP_READ && disk.held_count < DISK_HELD) {
		disk.holder = l;
		disk.held[disk.held_count++] = r;
		req_park(l, r, cancel);
		return;
	}
	if (r->op >= OP_READ)
		carry_out(r);
	req_up(l, r, err);
}

const struct module mod_fuzz_disk = { .name = "disk", .submit = submit };

bool disk_release(void)
{
	bool any = disk.held_count;
	while (disk.held_count) {
		struct req *r = disk.held[--disk.held_count];
		req_unpark(r);
		carry_out(r);
		req_up(disk.holder, r, 0);
	}
	return any;
}

void disk_reset(void)
{
	for (unsigned i = 0; i < DISK_MAX && !disk_pattern[DISK_MAX - 1]; i++)
		disk_pattern[i] = i / 3000 % 3 ? (uint8_t)(i * 7 + i / 251) | 1 : 0;
	memcpy(disk.bytes, disk_pattern, DISK_MAX);
	disk.size = DISK_MAX;
	disk.beyond = 0;
	disk.min = 0;
	disk.constant = disk.hold = false;
	disk.held_count = 0;
}
