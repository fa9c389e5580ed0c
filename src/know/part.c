/* SPDX-License-Identifier: BSD-2-Clause */
/* Partition tables: MBR with logical partitions (as IBM's and Microsoft's FDISK made them); gpt.c has GPT.  Sectors of an MBR are taken to
 * be 512 bytes. */
#include "know/part.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"

enum {
	SECTOR = 512,
	CODE = 440,                /* bytes of boot code; then the disk's id and the table */
	TABLE = 446,
	LOGICAL_MAX = 256,
	EMBEDDED_MAX = 1 << 20,    /* bytes behind the MBR that a boot loader is looked for in */
	OVERLAPS_MAX = 8,
};

struct entry {
	uint8_t type;
	uint64_t start, len;       /* sectors */
};

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static struct entry entry_of(const uint8_t *sector, unsigned i)
{
	const uint8_t *p = sector + TABLE + 16 * (size_t)i;
	return (struct entry){ .type = p[4], .start = get_le32(p + 8), .len = get_le32(p + 12) };
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return !n || (!*p && memcmp(p, p + 1, n - 1) == 0);
}

/* A boot sector of FAT, exFAT or NTFS ends like an MBR. */
static bool is_boot_sector(const uint8_t *s)
{
	unsigned bytes = s[11] | s[12] << 8, cluster = s[13];
	bool jump = s[0] == 0xe9 || s[0] == 0xeb;

	if (memcmp(s + 3, "NTFS    ", 8) == 0 || memcmp(s + 3, "EXFAT   ", 8) == 0)
		return true;
	return jump && bytes >= 512 && bytes <= 4096 && !(bytes & (bytes - 1)) && cluster && !(cluster & (cluster - 1)) &&
		(s[14] || s[15]) && s[16] >= 1 && s[16] <= 4 && (s[21] == 0xf0 || s[21] >= 0xf8);
}

/* protective: it says that a GPT follows. */
static bool is_mbr(const uint8_t *s, bool *protective)
{
	bool any = false;

	*protective = false;
	if (s[510] != 0x55 || s[511] != 0xaa || is_boot_sector(s))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		struct entry e = entry_of(s, i);
		if (s[TABLE + 16 * i] & 0x7f)
			return false;
		any |= e.type && e.len;
		*protective |= e.type == 0xee;
	}
	/* an empty table has an id, and no boot code of a file system that borrows its place */
	return any || (get_le32(s + CODE) && all_zero(s, CODE) && all_zero(s + TABLE, 64));
}

int part_add(struct know_build *b, unsigned volume, unsigned number, uint64_t off, uint64_t len, uint64_t table)
{
	const struct know_volume *v = know_volume(b, volume);

	if (off < table) {
		know_note(b, volume, "partition %u begins at byte %" PRIu64 ", in the partition table itself: it is left out", number, off);
		return -1;
	}
	if (off >= v->len) {
		know_note(b, volume, "partition %u begins at byte %" PRIu64 ", beyond the end at %" PRIu64, number, off, v->len);
		return -1;
	}
	if (len > v->len - off) {
		know_note(b, volume, "partition %u is %" PRIu64 " bytes longer than there is room", number, len - (v->len - off));
		len = v->len - off;
	}
	return know_add_volume(b, volume, off, len, number);
}

void part_note_overlaps(struct know_build *b, unsigned volume)
{
	unsigned noted = 0;

	for (unsigned i = volume + 1; i < know_volumes(b) && noted < OVERLAPS_MAX; i++)
		for (unsigned k = volume + 1; k < i && noted < OVERLAPS_MAX; k++) {
			const struct know_volume *x = know_volume(b, k), *y = know_volume(b, i);
			if (x->parent != volume || y->parent != volume || x->off >= y->off + y->len || y->off >= x->off + x->len)
				continue;
			know_note(b, volume, "partitions %u and %u overlap", x->partition, y->partition);
			noted++;
		}
}

/* --- logical partitions --- */

/* The chain of EBRs in an extended partition, which is a volume of its own.  number: what its first partition gets.  The next one. */
static unsigned add_logical(struct know_build *b, unsigned extended, unsigned number)
{
	uint64_t seen[LOGICAL_MAX], at = 0; /* bytes of the extended partition */
	uint8_t s[SECTOR];

	for (unsigned n = 0; n < LOGICAL_MAX; n++) {
		for (unsigned before = 0; before < n; before++)
			if (seen[before] == at) {
				know_note(b, extended, "the chain of logical partitions comes back to byte %" PRIu64 ": cut there", at);
				return number;
			}
		if (know_read(b, extended, at, SECTOR, s) || s[510] != 0x55 || s[511] != 0xaa) {
			know_note(b, extended, "the table of logical partition %u is damaged or missing, at byte %" PRIu64, number, at);
			return number;
		}
		struct entry e = entry_of(s, 0), next = entry_of(s, 1);
		seen[n] = at;
		know_add_plain(b, extended, KNOW_LAYER_PLAIN, KNOW_EBR, at, SECTOR, number, 0);
		if (e.type && e.len && !is_extended(e.type))
			part_add(b, extended, number++, at + e.start * SECTOR, e.len * SECTOR, at + SECTOR);
		if (!is_extended(next.type) || !next.start)
			return number;
		at = next.start * SECTOR;
	}
	know_note(b, extended, "more than %d logical partitions: the others are left out", LOGICAL_MAX);
	return number;
}

/* A boot loader between the MBR and the first partition, as GRUB's. */
static void look_for_loader(struct know_build *b, unsigned volume, uint64_t end)
{
	const uint8_t *p;

	if (end > EMBEDDED_MAX)
		end = EMBEDDED_MAX;
	if (end <= SECTOR || !(p = know_peek(b, volume, SECTOR, (size_t)(end - SECTOR))) || all_zero(p, SECTOR))
		return;
	size_t n = (size_t)(end - SECTOR);
	while (n > SECTOR && all_zero(p + n - SECTOR, SECTOR))
		n -= SECTOR;
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_BOOT, SECTOR, n, 0, 0);
}

static void add_partitions(struct know_build *b, unsigned volume, const uint8_t *s)
{
	struct know_volume *v = know_volume_set(b, volume);
	uint64_t first = v->len;
	unsigned logical = 5;

	v->format = "dos";
	v->block = SECTOR;
	snprintf(v->id, sizeof v->id, "%08" PRIx32, get_le32(s + CODE));
	know_fill(b, volume, KNOW_GAP);
	for (unsigned i = 0; i < 4; i++) {
		struct entry e = entry_of(s, i);
		if (!e.type || !e.len)
			continue;
		int at = part_add(b, volume, i + 1, e.start * SECTOR, e.len * SECTOR, SECTOR);
		first = MIN(first, e.start * SECTOR);
		if (at < 0 || !is_extended(e.type))
			continue;
		know_volume_set(b, (unsigned)at)->format = "extended"; /* and so nobody else looks at it */
		know_fill(b, (unsigned)at, KNOW_GAP);
		logical = add_logical(b, (unsigned)at, logical);
		part_note_overlaps(b, (unsigned)at);
	}
	look_for_loader(b, volume, first);
	part_note_overlaps(b, volume);
}

bool know_part(struct know_build *b, unsigned volume)
{
	uint8_t s[SECTOR];
	bool protective, mbr;

	if (know_read(b, volume, 0, SECTOR, s) || is_boot_sector(s))
		return false;
	mbr = is_mbr(s, &protective);
	/* with other partitions than the one that protects it, a GPT is an old one */
	bool gpt = (!mbr || protective) && gpt_look(b, volume, protective);
	if (!gpt && !mbr)
		return false;
	if (!gpt && protective) {
		know_note(b, volume, "the MBR says that there is a GPT, and none is found");
		know_volume_set(b, volume)->format = "gpt";
		know_fill(b, volume, KNOW_GAP);
	} else if (!gpt) {
		add_partitions(b, volume, s);
	}
	if (mbr) {
		bool code = !all_zero(s, CODE);
		if (code)
			know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_BOOT, 0, CODE, 0, 0);
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_MBR, code ? CODE : 0, code ? SECTOR - CODE : SECTOR, protective, 0);
	}
	return true;
}

bool know_part_lost(struct know_build *b, unsigned volume)
{
	return gpt_look(b, volume, true);
}
