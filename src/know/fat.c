/* SPDX-License-Identifier: BSD-2-Clause */
/* FAT12, FAT16, FAT32: the boot sector, and what lies before the clusters. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "know/fat.h"

enum {
	B_SECTOR = 11, B_PER_CLUSTER = 13, B_RESERVED = 14, B_FATS = 16, B_ROOT_ENTRIES = 17, B_SECTORS16 = 19, B_MEDIA = 21,
	B_FAT_LEN16 = 22, B_SECTORS32 = 32,
	B16_STATE = 37, B16_SIGNATURE = 38, B16_SERIAL = 39,
	B_FAT_LEN32 = 36, B32_FLAGS = 40, B_ROOT = 44, B_INFO = 48, B_BACKUP = 50, B32_STATE = 65, B32_SIGNATURE = 66, B32_SERIAL = 67,
	STATE_DIRTY = 1,
	BACKUP_USUAL = 6,
};

/* The parameters of the boot sector, in bytes. */
struct layout {
	uint32_t sector, reserved, fats;
	uint64_t fat_len, root_len, total;
	uint32_t info, backup; /* sectors, 0: none */
};

static bool parse(const uint8_t *s, struct fat *f, struct layout *l)
{
	uint32_t sector = get_le16(s + B_SECTOR), per = s[B_PER_CLUSTER];
	uint32_t sectors = get_le16(s + B_SECTORS16), len = get_le16(s + B_FAT_LEN16);

	if ((s[0] != 0xeb && s[0] != 0xe9) || get_le16(s + 510) != 0xaa55 || (s[B_MEDIA] < 0xf8 && s[B_MEDIA] != 0xf0))
		return false;
	if (sector < 512 || sector > 4096 || sector & (sector - 1) || !per || per & (per - 1) || !get_le16(s + B_RESERVED) ||
		!s[B_FATS] || s[B_FATS] > 4)
		return false;
	bool wide = !len;
	if (!sectors)
		sectors = get_le32(s + B_SECTORS32);
	if (wide)
		len = get_le32(s + B_FAT_LEN32);
	*l = (struct layout){ .sector = sector, .reserved = get_le16(s + B_RESERVED) * sector, .fats = s[B_FATS],
		.fat_len = (uint64_t)len * sector, .total = (uint64_t)sectors * sector,
		.root_len = ((uint64_t)get_le16(s + B_ROOT_ENTRIES) * 32 + sector - 1) / sector * sector };
	f->root = l->reserved + l->fats * l->fat_len;
	f->root_len = l->root_len;
	f->heap = f->root + l->root_len;
	f->cluster = sector * per;
	f->table = l->reserved;
	if (!len || f->heap >= l->total || (l->total - f->heap) / f->cluster > 0x0ffffff5 || wide != !l->root_len)
		return false;
	f->clusters = (uint32_t)((l->total - f->heap) / f->cluster);
	f->bits = wide ? 32 : f->clusters < 4085 ? 12 : 16; /* the number of clusters decides, not what is written anywhere */
	if (wide) {
		l->info = get_le16(s + B_INFO) == 0xffff ? 0 : get_le16(s + B_INFO);
		l->backup = get_le16(s + B_BACKUP) == 0xffff ? 0 : get_le16(s + B_BACKUP);
		/* One FAT may be in use, and that is not always the first. */
		if (get_le16(s + B32_FLAGS) & 0x80 && (get_le16(s + B32_FLAGS) & 15) < l->fats)
			f->table += (get_le16(s + B32_FLAGS) & 15) * l->fat_len;
	}
	uint64_t needed = ((uint64_t)f->clusters + 2) * f->bits / 8;
	return needed <= l->fat_len + 8;
}

static bool find_boot(struct fat *f, struct layout *l, uint8_t s[512])
{
	if (know_read(f->b, f->volume, 0, 512, s) != 0)
		return false;
	if (parse(s, f, l))
		return true;
	for (uint64_t at = BACKUP_USUAL * 512; at <= BACKUP_USUAL * 4096 && at + 512 <= know_volume(f->b, f->volume)->len; at *= 2)
		if (know_read(f->b, f->volume, at, 512, s) == 0 && parse(s, f, l) && f->bits == 32 &&
			(uint64_t)l->backup * l->sector == at) {
			know_note(f->b, f->volume, "the boot sector is not one of FAT: its backup is");
			return true;
		}
	return false;
}

static void add_info(const struct fat *f, uint64_t at, const struct layout *l, unsigned flags)
{
	const uint8_t *p = at < l->reserved ? know_peek(f->b, f->volume, at, 512) : NULL;

	if (p && (memcmp(p, "RRaA", 4) != 0 || memcmp(p + 484, "rrAa", 4) != 0))
		flags |= KNOW_BAD;
	if (p)
		know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_FAT_INFO, at, l->sector, 0, flags);
}

static void add_reserved(const struct fat *f, const struct layout *l)
{
	know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_BOOT, 0, l->reserved, 0, 0); /* a loader may need more than a sector */
	if (l->info)
		add_info(f, (uint64_t)l->info * l->sector, l, 0);
	if (!l->backup || (uint64_t)l->backup * l->sector >= l->reserved)
		return;
	know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_BOOT, (uint64_t)l->backup * l->sector, l->sector, 0, KNOW_COPY);
	if (l->info)
		add_info(f, ((uint64_t)l->backup + l->info) * l->sector, l, KNOW_COPY);
}

static void in_use(struct fat *f, uint32_t c, bool bad)
{
	fat_set(f->taken, c);
	if (!bad)
		return;
	fat_set(f->reached, c);
	know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_UNKNOWN, fat_at(f, c), f->cluster, 0, KNOW_BAD);
}

/* Which clusters are in use: the whole FAT, from its start to its end. */
static void load(struct fat *f, uint8_t *buf)
{
	unsigned step = f->bits / 8, per = FAT_CHUNK / step;
	uint32_t end = f->clusters + 2;

	f->loaded = true;
	for (uint32_t c = 2; f->bits == 12 && c < end; c++) {
		uint32_t next = fat_next(f, c);
		if (next)
			in_use(f, c, next == 0xff7);
	}
	for (uint32_t at = 0; f->bits != 12 && at < end && !know_stopped(f->b); at += per) {
		uint32_t n = MIN(per, end - at);
		if (know_read(f->b, f->volume, f->table + (uint64_t)at * step, (size_t)n * step, buf) != 0) {
			f->loaded = false;
			return;
		}
		for (uint32_t i = at ? 0 : 2; i < n; i++) {
			uint32_t next = step == 2 ? get_le16(buf + 2 * i) : get_le32(buf + 4 * i) & 0x0fffffff;
			if (next)
				in_use(f, at + i, next == (step == 2 ? 0xfff7 : 0x0ffffff7));
		}
	}
}

/* The other copies are written after the first one, and are not always. */
static void add_fats(const struct fat *f, const struct layout *l, uint8_t *buf)
{
	for (unsigned i = 0; i < l->fats; i++) {
		uint64_t at = l->reserved + i * l->fat_len;
		bool same = true;
		for (uint64_t done = 0; same && at != f->table && done < l->fat_len && !know_stopped(f->b); done += FAT_CHUNK / 2) {
			size_t n = (size_t)MIN(l->fat_len - done, (uint64_t)FAT_CHUNK / 2);
			same = know_read(f->b, f->volume, f->table + done, n, buf) == 0 &&
				know_read(f->b, f->volume, at + done, n, buf + FAT_CHUNK / 2) == 0 &&
				memcmp(buf, buf + FAT_CHUNK / 2, n) == 0;
		}
		if (!same)
			know_note(f->b, f->volume, "FAT %u is not the same as FAT %u", i + 1,
				(unsigned)((f->table - l->reserved) / l->fat_len) + 1);
		know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_FAT, at, l->fat_len, i + 1,
			(at != f->table ? KNOW_COPY : 0) | (same ? 0 : KNOW_BAD));
	}
}

/* Entry 1 has a bit that is cleared while the file system is in use; Linux keeps one in the boot sector. */
static bool is_dirty(struct fat *f, const uint8_t *s)
{
	uint32_t one = fat_next(f, 1);

	if (f->bits == 12)
		return s[B16_STATE] & STATE_DIRTY;
	return f->bits == 16 ? s[B16_STATE] & STATE_DIRTY || !(one & 0x8000) : s[B32_STATE] & STATE_DIRTY || !(one & 0x08000000);
}

static void describe(struct fat *f, const uint8_t *s)
{
	struct know_volume *v = know_volume_set(f->b, f->volume);
	unsigned signature = f->bits == 32 ? B32_SIGNATURE : B16_SIGNATURE, serial = f->bits == 32 ? B32_SERIAL : B16_SERIAL;

	v->format = f->bits == 12 ? "fat12" : f->bits == 16 ? "fat16" : "fat32";
	v->block = f->cluster;
	v->dirty = is_dirty(f, s);
	if (s[signature] == 0x28 || s[signature] == 0x29)
		snprintf(v->id, sizeof v->id, "%04" PRIX16 "-%04" PRIX16, get_le16(s + serial + 2), get_le16(s + serial));
	if (s[signature] == 0x29 && memcmp(s + serial + 4, "NO NAME    ", 11) != 0)
		fat_label(f, s + serial + 4, 11, false); /* the root directory may know better */
}

static void look_inside(struct fat *f, const struct layout *l, const uint8_t *s, uint8_t *buf)
{
	struct know_file file = { .parent = KNOW_NO_FILE, .size = f->root_len, .volume = (uint16_t)f->volume, .type = KNOW_DIR };
	struct fat_dir root = { .first = f->bits == 32 ? get_le32(s + B_ROOT) : 0, .root = true };

	add_fats(f, l, buf);
	if (!fat_begin(f))
		return;
	load(f, buf);
	root.file = know_add_file(f->b, &file, "/", 1);
	if (f->bits == 32 && !fat_is_cluster(f, root.first)) {
		know_note(f->b, f->volume, "cluster %" PRIu32 ", which the root directory should begin with, is none", root.first);
	} else {
		struct know_region r = { .off = f->root, .len = f->root_len, .file = root.file, .kind = KNOW_DIRECTORY };
		know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &r);
		fat_walk(f, &root);
	}
	fat_rest(f);
}

bool know_fat(struct know_build *b, unsigned volume)
{
	struct fat f = { .b = b, .volume = volume };
	struct layout l;
	uint8_t s[512], *buf;

	if (know_exfat(b, volume))
		return true;
	if (!find_boot(&f, &l, s))
		return false;
	describe(&f, s);
	f.end = l.total;
	if (l.total > know_volume(b, volume)->len) {
		know_note(b, volume, "the file system has %" PRIu64 " bytes, and there are %" PRIu64, l.total, know_volume(b, volume)->len);
		f.end = know_volume(b, volume)->len;
		f.clusters = f.end > f.heap ? (uint32_t)((f.end - f.heap) / f.cluster) : 0;
	}
	add_reserved(&f, &l);
	if (f.clusters && (buf = malloc(FAT_CHUNK))) {
		look_inside(&f, &l, s, buf);
		free(buf);
	}
	fat_end(&f);
	return true;
}
