/* SPDX-License-Identifier: BSD-2-Clause */
/* MD, Linux's software RAID: superblocks 0.90 and 1.x, as the kernel's include/uapi/linux/raid/md_p.h lays them out.  What a mirror holds
 * is a volume; of other levels a disk has only pieces. */
#include <inttypes.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/label.h"

#define MAGIC 0xa92b4efcu

enum {
	SUPER = 4096,              /* bytes kept for a superblock */
	V1_HEAD = 256,             /* then two bytes for each disk */
	V1_DISKS_MAX = (SUPER - V1_HEAD) / 2,
	HAS_BITMAP = 1,            /* in feature_map */
	BITMAP_HEAD = 256,
};

static const char *level_name(int32_t level)
{
	static const struct {
		int32_t level;
		const char *name;
	} names[] = { { -4, "md-multipath" }, { -1, "md-linear" }, { 0, "md-raid0" }, { 1, "md-raid1" }, { 4, "md-raid4" },
		      { 5, "md-raid5" }, { 6, "md-raid6" }, { 10, "md-raid10" } };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].level == level)
			return names[i].name;
	return "md";
}

/* The sum of both kinds: 32-bit words, the carries added at the end; the place of the sum itself counts as 0. */
static uint32_t sum(const uint8_t *p, size_t n, size_t place)
{
	uint64_t all = 0;
	for (size_t i = 0; i + 4 <= n; i += 4)
		all += i == place ? 0 : get_le32(p + i);
	if (n & 2)
		all += p[n - 2] | (uint32_t)p[n - 1] << 8;
	return (uint32_t)all + (uint32_t)(all >> 32);
}

/* What the array keeps on this disk: its content where that is whole, or a piece.  role: the disk's place in the array. */
static void add_data(struct know_build *b, unsigned volume, int32_t level, uint64_t off, uint64_t len, uint32_t role, uint32_t disks)
{
	const struct know_volume *v = know_volume(b, volume);

	if (off >= v->len)
		return;
	if (len > v->len - off) {
		know_note(b, volume, "the array's part is %" PRIu64 " bytes longer than there is room", len - (v->len - off));
		len = v->len - off;
	}
	if (role < disks && (level == 1 || disks == 1)) {
		int at = know_add_volume(b, volume, off, len, 0);
		if (at >= 0)
			memcpy(know_volume_set(b, (unsigned)at)->name, v->name, sizeof v->name);
	} else {
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_MEMBER, off, len, role, 0);
	}
}

/* The write-intent bitmap at off; its own head tells its size. */
static void add_bitmap(struct know_build *b, unsigned volume, uint64_t off, uint64_t most)
{
	const uint8_t *p = know_peek(b, volume, off, BITMAP_HEAD);

	if (!p || memcmp(p, "bitm", 4) != 0) {
		know_note(b, volume, "no write-intent bitmap at byte %" PRIu64, off);
		return;
	}
	uint64_t sectors = get_le64(p + 40);
	uint32_t chunk = get_le32(p + 52) / 512;
	uint64_t bytes = chunk ? BITMAP_HEAD + (sectors / chunk + 8) / 8 : BITMAP_HEAD;
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, off, MIN(bytes, most), KNOW_LABEL_WRITE_BITMAP, 0);
}

/* Sectors from the superblock, forwards or backwards; false: not on this disk. */
static bool beside(uint64_t super, int32_t sectors, uint64_t *off)
{
	int64_t at = (int64_t)super + (int64_t)sectors * 512;
	*off = (uint64_t)at;
	return at >= 0;
}

static bool look_at_v1(struct know_build *b, unsigned volume, uint64_t at)
{
	uint8_t p[SUPER];
	uint64_t off;

	if (know_read(b, volume, at, SUPER, p) || get_le32(p) != MAGIC || get_le32(p + 4) != 1 || get_le64(p + 144) != at / 512)
		return false;
	uint32_t disks = get_le32(p + 220), features = get_le32(p + 8), number = get_le32(p + 160), role = UINT32_MAX;
	if (disks > V1_DISKS_MAX)
		return false;
	bool good = sum(p, V1_HEAD + 2 * (size_t)disks, 216) == get_le32(p + 216);
	struct know_volume *v = know_volume_set(b, volume);
	int32_t level = (int32_t)get_le32(p + 72);
	uint64_t size = get_le64(p + 80), data = get_le64(p + 128), data_size = get_le64(p + 136);

	v->format = level_name(level);
	v->dirty = get_le64(p + 208) != UINT64_MAX;
	know_text(v->name, sizeof v->name, p + 32, 32, false);
	know_uuid(v->id, p + 16, false);
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, at, SUPER, KNOW_LABEL_ITSELF, good ? 0 : KNOW_BAD);
	if (!good)
		know_note(b, volume, "the checksum of the MD superblock at byte %" PRIu64 " is wrong", at);
	if (features & HAS_BITMAP && beside(at, (int32_t)get_le32(p + 96), &off))
		add_bitmap(b, volume, off, off < data * 512 ? data * 512 - off : UINT64_MAX);
	if (get_le32(p + 188) && beside(at, (int32_t)get_le32(p + 188), &off))
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, off, (uint64_t)(p[186] | p[187] << 8) * 512, KNOW_LABEL_BAD_BLOCKS,
			       0);
	if (number < disks)
		role = p[V1_HEAD + 2 * (size_t)number] | (uint32_t)p[V1_HEAD + 2 * (size_t)number + 1] << 8;
	size = size && size < data_size ? size : data_size;
	know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_LABEL, 0, v->len, KNOW_LABEL_RESERVED, 0);
	if (data < UINT64_MAX / 512 && size < UINT64_MAX / 512)
		add_data(b, volume, level, data * 512, size * 512, role, get_le32(p + 92));
	return true;
}

bool know_md(struct know_build *b, unsigned volume)
{
	uint64_t sectors = know_volume(b, volume)->len / 512;

	return look_at_v1(b, volume, 0) || look_at_v1(b, volume, 4096) ||
		(sectors > 24 && look_at_v1(b, volume, ((sectors - 16) & ~7ull) * 512));
}

bool label_md_090(struct know_build *b, unsigned volume)
{
	uint64_t len = know_volume(b, volume)->len & ~(uint64_t)0xffff, at = len - 0x10000;
	uint8_t p[SUPER];

	if (len < 0x20000 || know_read(b, volume, at, SUPER, p) || get_le32(p) != MAGIC || get_le32(p + 4) != 0 || get_le32(p + 8) != 90)
		return false;
	bool good = sum(p, SUPER, 152) == get_le32(p + 152);
	struct know_volume *v = know_volume_set(b, volume);
	int32_t level = (int32_t)get_le32(p + 28);
	uint8_t id[16];

	v->format = level_name(level);
	v->dirty = !(get_le32(p + 132) & 1);
	for (unsigned i = 0; i < 4; i++) /* words, not bytes */
		put_be32(id + 4 * (size_t)i, get_le32(p + (i ? 48 + 4 * (size_t)i : 20)));
	know_uuid(v->id, id, false);
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, at, SUPER, KNOW_LABEL_ITSELF, good ? 0 : KNOW_BAD);
	if (!good)
		know_note(b, volume, "the checksum of the MD superblock at byte %" PRIu64 " is wrong", at);
	if (get_le32(p + 132) & 0x100)
		add_bitmap(b, volume, at + SUPER, 0x10000 - SUPER);
	know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_LABEL, 0, v->len, KNOW_LABEL_RESERVED, 0);
	add_data(b, volume, level, 0, MIN((uint64_t)get_le32(p + 32) * 1024, at), get_le32(p + 3968 + 12), get_le32(p + 40));
	return true;
}
