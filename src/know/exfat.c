/* SPDX-License-Identifier: BSD-2-Clause */
/* exFAT: boot regions, and where FAT and clusters are. */
#include <inttypes.h>
#include <stdio.h>
#include "base/bytes.h"
#include "know/fat.h"

enum {
	B_LENGTH = 72, B_FAT = 80, B_FAT_LEN = 84, B_HEAP = 88, B_CLUSTERS = 92, B_ROOT = 96, B_SERIAL = 100, B_FLAGS = 106,
	B_SECTOR_SHIFT = 108, B_CLUSTER_SHIFT = 109, B_FATS = 110,
	FLAG_SECOND = 1, FLAG_DIRTY = 2,
	REGION = 12, /* sectors of a boot region; the last one is the checksum of the others */
};

static bool is_boot(const uint8_t *s)
{
	return memcmp(s + 3, "EXFAT   ", 8) == 0 && get_le16(s + 510) == 0xaa55 && s[B_SECTOR_SHIFT] >= 9 && s[B_SECTOR_SHIFT] <= 12 &&
		s[B_SECTOR_SHIFT] + s[B_CLUSTER_SHIFT] <= 25 && get_le32(s + B_FAT) && get_le32(s + B_FAT_LEN) && get_le32(s + B_HEAP) &&
		get_le32(s + B_CLUSTERS) && get_le32(s + B_CLUSTERS) < 0xfffffff6;
}

/* What changes at each mount is not in the sum. */
static bool sum_is_right(struct know_build *b, unsigned volume, uint64_t at, uint32_t sector)
{
	uint8_t bytes[4096];
	uint32_t sum = 0;

	for (uint32_t s = 0; s < REGION - 1; s++) {
		if (know_read(b, volume, at + (uint64_t)s * sector, sector, bytes) != 0)
			return false;
		for (uint32_t i = 0; i < sector; i++)
			if (s || (i != 106 && i != 107 && i != 112))
				sum = (sum << 31 | sum >> 1) + bytes[i];
	}
	return know_read(b, volume, at + (REGION - 1ull) * sector, 4, bytes) == 0 && get_le32(bytes) == sum;
}

static void add_region(struct know_build *b, unsigned volume, uint64_t at, uint32_t sector, unsigned flags)
{
	bool right = sum_is_right(b, volume, at, sector);

	if (!right)
		know_note(b, volume, "the %sboot region has a wrong checksum", flags & KNOW_COPY ? "second " : "");
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_BOOT, at, (uint64_t)REGION * sector, 0, flags | (right ? 0 : KNOW_BAD));
}

static void add_fats(const struct fat *f, const uint8_t *s, uint64_t fat, uint64_t fat_len, uint32_t sector)
{
	unsigned fats = s[B_FATS] == 2 ? 2 : 1;

	know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_BOOT, 0, fat, 0, 0); /* up to the FAT: reserved */
	add_region(f->b, f->volume, 0, sector, 0);
	add_region(f->b, f->volume, (uint64_t)REGION * sector, sector, KNOW_COPY);
	for (unsigned i = 0; i < fats; i++)
		know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_FAT, fat + i * fat_len, fat_len, i + 1, i ? KNOW_COPY : 0);
	if (f->heap > fat + fats * fat_len) /* aligned to what flash memory likes */
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_FREE, fat + fats * fat_len, f->heap - fat - fats * fat_len, 0, 0);
}

bool know_exfat(struct know_build *b, unsigned volume)
{
	struct know_volume *v = know_volume_set(b, volume);
	struct fat f = { .b = b, .volume = volume, .bits = 64 };
	struct fat_dir root = { .root = true };
	uint8_t s[512];

	if (know_read(b, volume, 0, sizeof s, s) != 0)
		return false;
	if (!is_boot(s)) { /* the second one is behind the first, whose sectors may be of any size */
		uint64_t at = 512 * REGION;
		while (at <= 4096 * REGION &&
			(know_read(b, volume, at, sizeof s, s) != 0 || !is_boot(s) || at >> s[B_SECTOR_SHIFT] != REGION))
			at *= 2;
		if (at > 4096 * REGION)
			return false;
		know_note(b, volume, "the boot sector is not one of exFAT: the second one is");
	}
	uint32_t sector = 1u << s[B_SECTOR_SHIFT];
	uint64_t fat = (uint64_t)get_le32(s + B_FAT) * sector, fat_len = (uint64_t)get_le32(s + B_FAT_LEN) * sector;
	f.cluster = sector << s[B_CLUSTER_SHIFT];
	f.clusters = get_le32(s + B_CLUSTERS);
	f.heap = (uint64_t)get_le32(s + B_HEAP) * sector;
	f.table = fat + (s[B_FLAGS] & FLAG_SECOND && s[B_FATS] == 2 ? fat_len : 0);
	v->format = "exfat";
	v->block = f.cluster;
	v->dirty = s[B_FLAGS] & FLAG_DIRTY;
	snprintf(v->id, sizeof v->id, "%04" PRIX32 "-%04" PRIX32, get_le32(s + B_SERIAL) >> 16, get_le32(s + B_SERIAL) & 0xffff);
	f.end = MIN(get_le64(s + B_LENGTH), UINT64_MAX / sector) * sector;
	if (f.end > v->len) {
		know_note(b, volume, "the file system is larger than its volume of %" PRIu64 " bytes", v->len);
		f.end = v->len;
	}
	add_fats(&f, s, fat, fat_len, sector);
	if (f.heap < f.end && (f.end - f.heap) / f.cluster < f.clusters)
		f.clusters = (uint32_t)((f.end - f.heap) / f.cluster);
	if (f.heap < f.end && fat_begin(&f)) {
		struct know_file file = { .parent = KNOW_NO_FILE, .volume = (uint16_t)volume, .type = KNOW_DIR };
		root.file = know_add_file(b, &file, "/", 1);
		root.first = get_le32(s + B_ROOT);
		if (fat_is_cluster(&f, root.first)) {
			fat_walk(&f, &root);
			fat_rest(&f);
		} else {
			know_note(b, volume, "the root directory's cluster %" PRIu32 " is none", root.first);
		}
	}
	fat_end(&f);
	return true;
}
