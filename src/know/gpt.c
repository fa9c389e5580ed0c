/* SPDX-License-Identifier: BSD-2-Clause */
/* GPT: UEFI specification 2.10, chapter 5.  Two headers and two arrays of entries, each with a CRC; what is used is the first header, or
 * the second when the first is damaged, or the better one when both are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/crc32.h"
#include "know/part.h"

enum {
	HEADER_MIN = 92,
	ENTRY_MIN = 128,
	ENTRIES_BYTES = 4 << 20,   /* at most in an array */
};

struct header {
	bool there;                /* the signature is; the rest is read then */
	bool good;                 /* its CRC is right, and it lies where it says */
	bool entries_good;
	uint64_t at;               /* bytes of the volume */
	uint64_t other;            /* sectors: the other header */
	uint64_t entries_at;       /* bytes */
	uint64_t first, last;      /* sectors: of partitions */
	uint32_t count, size;      /* of entries; bytes of each */
	uint32_t entries_crc;
	uint8_t id[16];
	uint8_t *entries;          /* count * size bytes, ours; NULL: cannot be read */
};

static void read_header(struct know_build *b, unsigned volume, uint64_t at, uint32_t sector, struct header *h)
{
	uint8_t p[4096];
	uint32_t size;

	*h = (struct header){ .at = at };
	if (know_read(b, volume, at, sector, p) || memcmp(p, "EFI PART", 8) != 0)
		return;
	h->there = true;
	size = get_le32(p + 12);
	uint32_t crc = get_le32(p + 16);
	memset(p + 16, 0, 4);
	h->good = size >= HEADER_MIN && size <= sector && crc32_gpt(p, size) == crc && get_le64(p + 24) == at / sector;
	h->other = get_le64(p + 32);
	h->first = get_le64(p + 40);
	h->last = get_le64(p + 48);
	memcpy(h->id, p + 56, 16);
	h->count = get_le32(p + 80);
	h->size = get_le32(p + 84);
	h->entries_crc = get_le32(p + 88);
	if (__builtin_mul_overflow(get_le64(p + 72), (uint64_t)sector, &h->entries_at))
		h->entries_at = UINT64_MAX;
	uint64_t bytes = (uint64_t)h->count * h->size;
	if (h->size < ENTRY_MIN || h->size % ENTRY_MIN || !bytes || bytes > ENTRIES_BYTES || !(h->entries = malloc((size_t)bytes)))
		return;
	if (know_read(b, volume, h->entries_at, (size_t)bytes, h->entries)) {
		free(h->entries);
		h->entries = NULL;
		return;
	}
	h->entries_good = crc32_gpt(h->entries, (size_t)bytes) == h->entries_crc;
}

/* Header and entries as regions. */
static void add_header(struct know_build *b, unsigned volume, const struct header *h, uint32_t sector, unsigned copy)
{
	uint64_t bytes = ((uint64_t)h->count * h->size + sector - 1) / sector * sector;

	if (!h->there)
		return;
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_GPT_HEADER, h->at, sector, 0, copy | (h->good ? 0 : KNOW_BAD));
	if (h->entries)
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_GPT_ENTRIES, h->entries_at, bytes, 0,
			       copy | (h->entries_good ? 0 : KNOW_BAD));
	if (!h->good)
		know_note(b, volume, "the %s GPT header, at byte %" PRIu64 ", is damaged: its checksum or its place is wrong",
			  copy ? "second" : "first", h->at);
	if (h->good && !h->entries_good)
		know_note(b, volume, "the %s GPT entries, at byte %" PRIu64 ", are damaged", copy ? "second" : "first", h->entries_at);
}

static void add_partitions(struct know_build *b, unsigned volume, const struct header *h, uint32_t sector)
{
	/* 21686148-6449-6e6f-744e-656564454649 */
	static const uint8_t bios_boot[16] = { 'H', 'a', 'h', '!', 'I', 'd', 'o', 'n', 't', 'N', 'e', 'e', 'd', 'E', 'F', 'I' };
	struct know_volume *v = know_volume_set(b, volume);
	static const uint8_t none[16];

	v->format = "gpt";
	v->block = sector;
	know_uuid(v->id, h->id, true);
	know_fill(b, volume, KNOW_GAP);
	for (uint32_t i = 0; h->entries && i < h->count && !know_stopped(b); i++) {
		const uint8_t *p = h->entries + (size_t)i * h->size;
		uint64_t first = get_le64(p + 32), last = get_le64(p + 40), off, len;
		if (memcmp(p, none, sizeof none) == 0)
			continue;
		if (last < first || __builtin_mul_overflow(first, (uint64_t)sector, &off) ||
		    __builtin_mul_overflow(last - first + 1, (uint64_t)sector, &len) || last - first == UINT64_MAX) {
			know_note(b, volume, "partition %" PRIu32 " ends before it begins", i + 1);
			continue;
		}
		int at = part_add(b, volume, i + 1, off, len, 2 * (uint64_t)sector);
		if (at < 0)
			continue;
		struct know_volume *n = know_volume_set(b, (unsigned)at);
		know_text(n->name, sizeof n->name, p + 56, 72, true);
		know_uuid(n->id, p + 16, true);
		if (memcmp(p, bios_boot, sizeof bios_boot) == 0) {
			n->format = "bios-boot";
			know_fill(b, (unsigned)at, KNOW_BOOT);
		}
	}
	part_note_overlaps(b, volume);
}

/* How much a header is to be believed. */
static int worth(const struct header *h)
{
	return !h->there || !h->entries ? 0 : 1 + 2 * h->good + 4 * (h->good && h->entries_good);
}

static bool look(struct know_build *b, unsigned volume, uint32_t sector, bool at_end)
{
	uint64_t sectors = know_volume(b, volume)->len / sector;
	struct header first, second = { 0 };

	if (sectors < 3)
		return false;
	read_header(b, volume, sector, sector, &first);
	uint64_t other = first.good && first.other > 1 && first.other < sectors ? first.other : sectors - 1;
	if (first.there || at_end)
		read_header(b, volume, other * sector, sector, &second);
	if (first.good && !second.there && other != sectors - 1) {
		other = sectors - 1;
		read_header(b, volume, other * sector, sector, &second);
	}
	const struct header *h = worth(&second) > worth(&first) ? &second : &first;
	bool is = h->good || (at_end && worth(h)); /* of a damaged one alone only an MBR or the last hope makes a table */
	if (is) {
		add_partitions(b, volume, h, sector);
		add_header(b, volume, &first, sector, 0);
		add_header(b, volume, &second, sector, KNOW_COPY);
		if (h == &second)
			know_note(b, volume, "the first GPT header or its entries cannot be used: the second ones are");
		else if (first.good && first.other >= sectors)
			know_note(b, volume,
				  "the second GPT header should be at byte %" PRIu64 ", beyond the end: the disk is cut off or not whole",
				  first.other > UINT64_MAX / sector ? UINT64_MAX : first.other * sector);
		else if (!second.there)
			know_note(b, volume, "the second GPT header is missing");
		else if (other != sectors - 1)
			know_note(b, volume, "the second GPT header is not at the end: the disk has grown");
	}
	free(first.entries);
	free(second.entries);
	return is;
}

bool gpt_look(struct know_build *b, unsigned volume, bool at_end)
{
	return look(b, volume, 512, at_end) || look(b, volume, 4096, at_end);
}
