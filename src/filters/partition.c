/* SPDX-License-Identifier: BSD-2-Clause */
/* partition: serve one partition of the disk below.  Parameters are those of nbdkit-partition-filter(1).
 *
 * OPEN, on its way up, waits while the tables are read by child requests: the MBR and what may be a GPT header; then
 * the GPT's entry, or for a logical partition the chain of extended boot records.  The tables are anybody's bytes: every
 * number is checked against the size of the disk, and the chain has a bound.
 * The stage is constant after start. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/parse.h"
#include "base/say.h"
#include "core/split.h"
#include "filters/filters.h"
#include "filters/shift.h"

enum {
	SECTOR = 512,                /* bytes; what all tables count in */
	MBR_ENTRIES = 446,           /* where the four of 16 bytes are */
	MBR_MAGIC = 510,
	FIRST_LOGICAL = 5,
	LINKS_MAX = 256,             /* extended boot records looked at */
	GPT_ENTRY_MIN = 128,
	GPT_ENTRY_MAX = 4096,        /* bytes; the standard says 128 * 2^n */
};

struct partition {
	unsigned number;             /* 1 ... */
};

struct opened {
	uint64_t start;              /* bytes, in the disk below */
};

struct slot {
	struct split split;          /* first: see split.h */
	void (*got)(struct slot *, const uint8_t *); /* what to do with the bytes that were asked for */
	uint64_t from;               /* offset of those */
	uint64_t extended, ebr;      /* sectors: the extended partition, the link of its chain looked at */
	unsigned links;
	uint64_t start, size;        /* bytes: what was found */
};

static uint64_t disk_size(const struct slot *s)
{
	return s->split.layer->limits.size; /* still what the layer below offers */
}

static unsigned wanted(const struct slot *s)
{
	return ((const struct partition *)s->split.layer->stage->block)->number;
}

static void refuse(struct slot *s, const char *why)
{
	say_error("partition: partition %u: %s", wanted(s), why);
	s->split.err = EINVAL;
}

/* Ask for len bytes at off, in whole blocks of the disk below; got() sees those at off. */
static void ask(struct slot *s, uint64_t off, uint64_t len, void (*got)(struct slot *, const uint8_t *))
{
	uint64_t size = disk_size(s), block = MAX(s->split.layer->limits.min_block, (uint32_t)1);

	if (off > size || len > size - off) {
		refuse(s, "the partition table points past the end of the disk");
		return;
	}
	uint64_t start = off - off % block, end = MIN(size, (off + len + block - 1) / block * block);
	struct req *child = split_child(&s->split, OP_READ, start, end - start);
	if (!child)
		return;
	child->data = malloc(end - start);
	if (!child->data) {
		req_free(child);
		s->split.err = ENOMEM;
		return;
	}
	child->flags = REQ_PLACE;
	s->from = off;
	s->got = got;
	split_send(&s->split, child);
}

/* A place on the disk in sectors, as a table has it. */
static void found(struct slot *s, uint64_t first, uint64_t count)
{
	uint64_t sectors = disk_size(s) / SECTOR;

	if (first > sectors || count > sectors - first) {
		refuse(s, "it reaches past the end of the disk");
		return;
	}
	s->start = first * SECTOR;
	s->size = count * SECTOR;
}

/* --- MBR --- */

struct mbr_entry {
	uint8_t type;
	uint32_t first, count;      /* sectors */
};

static struct mbr_entry mbr_entry(const uint8_t *sector, unsigned i)
{
	const uint8_t *p = sector + MBR_ENTRIES + (size_t)i * 16;
	return (struct mbr_entry){ .type = p[4], .first = get_le32(p + 8), .count = get_le32(p + 12) };
}

static bool is_extended(const struct mbr_entry *e)
{
	return e->type == 0x05 || e->type == 0x0f || e->type == 0x85;
}

static bool has_magic(const uint8_t *sector)
{
	return sector[MBR_MAGIC] == 0x55 && sector[MBR_MAGIC + 1] == 0xaa;
}

static void take_mbr_entry(struct slot *s, const struct mbr_entry *e, uint64_t base)
{
	if (!e->type || !e->count || is_extended(e))
		refuse(s, "the MBR has none of that number");
	else
		found(s, base + e->first, e->count);
}

static void got_ebr(struct slot *s, const uint8_t *sector)
{
	struct mbr_entry here = mbr_entry(sector, 0), next = mbr_entry(sector, 1);

	if (!has_magic(sector)) {
		refuse(s, "an extended boot record without its magic number");
	} else if (s->links++ == wanted(s) - FIRST_LOGICAL) {
		take_mbr_entry(s, &here, s->ebr);
	} else if (!next.type || !next.count) {
		refuse(s, "the MBR has none of that number");
	} else if (s->links == LINKS_MAX) {
		refuse(s, "the chain of extended boot records does not end");
	} else {
		s->ebr = s->extended + next.first;
		ask(s, s->ebr * SECTOR, SECTOR, got_ebr);
	}
}

static void got_mbr(struct slot *s, const uint8_t *sector)
{
	struct mbr_entry e;

	if (wanted(s) < FIRST_LOGICAL) {
		e = mbr_entry(sector, wanted(s) - 1);
		take_mbr_entry(s, &e, 0);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		e = mbr_entry(sector, i);
		if (is_extended(&e) && e.count) {
			s->extended = s->ebr = e.first;
			ask(s, s->ebr * SECTOR, SECTOR, got_ebr);
			return;
		}
	}
	refuse(s, "the MBR has none of that number");
}

/* --- GPT --- */

static void got_gpt_entry(struct slot *s, const uint8_t *entry)
{
	static const uint8_t unused[16];
	uint64_t first = get_le64(entry + 32), last = get_le64(entry + 40);

	if (memcmp(entry, unused, sizeof unused) == 0)
		refuse(s, "the GPT has none of that number");
	else if (last < first || last == UINT64_MAX)
		refuse(s, "the GPT says that it ends before it begins");
	else
		found(s, first, last - first + 1);
}

static void got_gpt(struct slot *s, const uint8_t *header)
{
	uint64_t table = get_le64(header + 72);
	uint32_t count = get_le32(header + 80), each = get_le32(header + 84);

	if (wanted(s) > count)
		refuse(s, "the GPT has none of that number");
	else if (each < GPT_ENTRY_MIN || each > GPT_ENTRY_MAX)
		refuse(s, "the GPT has entries of an impossible size");
	else if (table > disk_size(s) / SECTOR)
		refuse(s, "the partition table points past the end of the disk");
	else
		ask(s, table * SECTOR + (uint64_t)(wanted(s) - 1) * each, GPT_ENTRY_MIN, got_gpt_entry);
}

/* --- which of the two, when the disk is opened --- */

static void got_start(struct slot *s, const uint8_t *sectors)
{
	if (disk_size(s) >= (uint64_t)2 * SECTOR && memcmp(sectors + SECTOR, "EFI PART", 8) == 0)
		got_gpt(s, sectors + SECTOR);
	else if (has_magic(sectors))
		got_mbr(s, sectors);
	else
		refuse(s, "the disk has neither MBR nor GPT");
}

static bool begin(struct split *split)
{
	struct slot *s = container_of(split, struct slot, split);
	if (disk_size(s) < SECTOR)
		refuse(s, "the disk is too small for a partition table");
	else
		ask(s, 0, MIN(disk_size(s), (uint64_t)2 * SECTOR), got_start);
	return false;
}

static void came(struct split *split, struct req *child)
{
	struct slot *s = container_of(split, struct slot, split);
	if (!split->err)
		s->got(s, (const uint8_t *)child->data + (s->from - child->off));
	free(child->data);
}

static void ended(struct split *split)
{
	struct slot *s = container_of(split, struct slot, split);
	struct layer *l = split->layer;
	struct opened *o = l->data;

	if (split->err) {
		open_refuse(l, split->parent, split->err);
		return;
	}
	o->start = s->start;
	l->limits.size = s->size;
	req_up(l, split->parent, 0);
}

static void submit(struct layer *l, struct req *r)
{
	const struct opened *o = l->data;
	shift_down(r, o->start);
	req_down(l, r);
}

static void done(struct layer *l, struct req *r)
{
	const struct opened *o = l->data;
	struct slot *s = slot_of(l, r);

	if (split_came(l, r))
		return;
	if (r->op == OP_OPEN && !r->err) {
		*s = (struct slot){ .split = { .layer = l, .parent = r, .window = 1, .next = begin, .came = came, .ended = ended } };
		split_start(&s->split);
		return;
	}
	shift_up(r, o->start);
	req_up(l, r, r->err);
}

/* --- parameters --- */

static int set_number(void *block, const char *key, const char *value, struct err *e)
{
	return parse_unsigned(key, value, 1, UINT32_MAX, &((struct partition *)block)->number, e);
}

static int start(struct stage *st, struct err *e)
{
	const struct partition *p = st->block;
	return p->number ? 0 : err_set(e, "you must supply the partition parameter on the command line");
}

static const struct option options[] = {
	OPT_CALL("partition", set_number, "N", "number of the partition to serve, from 1 on (required)"),
	{ 0 }
};

const struct module mod_partition = {
	.name = "partition",
	.longname = "serve one partition of the disk below",
	.filter = true,
	.stage_size = sizeof(struct partition),
	.layer_size = sizeof(struct opened),
	.slot_size = sizeof(struct slot),
	.options = options,
	.start = start,
	.submit = submit,
	.done = done,
};
