/* SPDX-License-Identifier: BSD-2-Clause */
/* NTFS as far as its own files: boot sectors, $MFT and its like, and by $Bitmap what is free.  What people's files have is not told apart.
 * Sources: the documentation of the Linux-NTFS project, and what mkntfs(8) makes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/build.h"

enum {
	B_SECTOR = 11, B_PER_CLUSTER = 13, B_SECTORS = 40, B_MFT = 48, B_RECORD = 64, B_SERIAL = 72, BOOT_BYTES = 8192,
	R_USA = 4, R_USA_COUNT = 6, R_ATTRS = 20, R_FLAGS = 22, R_MIN = 48, RECORD_MAX = 64 << 10, IN_USE = 1,
	A_LEN = 4, A_NON_RESIDENT = 8, A_NAME_LEN = 9, A_VALUE_LEN = 16, A_VALUE = 20, A_RUNS = 32, A_SIZE = 48, A_MIN = 24, A_NON_MIN = 64,
	T_VOLUME_NAME = 0x60, T_VOLUME_INFO = 0x70, T_DATA = 0x80, T_INDEX = 0xa0, T_END = -1,
	FILES = 12, MFT = 0, LOG = 2, VOLUME = 3, ROOT = 5, BITMAP = 6, BOOT = 7,
	RUNS_MAX = 1 << 16, PIECE = 64 << 10,
};

struct run {
	uint64_t at, len;            /* clusters */
};

struct ntfs {
	struct know_build *b;
	unsigned volume;
	uint32_t sector, cluster, record; /* bytes */
	uint64_t clusters;
	uint64_t mft;                /* cluster */
	uint8_t *bytes;              /* a record, ours */
	struct run *run;             /* runs: of the file that was read last, ours */
	size_t runs;
};

/* --- records --- */

/* The last two bytes of each 512 stand elsewhere in the record, and a number that changes with each write in their place.  False: torn. */
static bool restore(uint8_t *p, uint32_t n)
{
	uint32_t usa = get_le16(p + R_USA), count = get_le16(p + R_USA_COUNT);

	if (usa < R_MIN - 6 || count != n / 512 + 1 || usa + 2 * count > 510)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		uint8_t *end = p + (size_t)i * 512 - 2;
		if (memcmp(end, p + usa, 2) != 0)
			return false;
		memcpy(end, p + usa + 2 * i, 2);
	}
	return true;
}

static bool read_record(struct ntfs *f, uint64_t at)
{
	return know_read(f->b, f->volume, at, f->record, f->bytes) == 0 && memcmp(f->bytes, "FILE", 4) == 0 &&
		restore(f->bytes, f->record) && get_le16(f->bytes + R_FLAGS) & IN_USE;
}

/* The attribute of that type without a name (an index has one); NULL: there is none.  *len: how much of it there is. */
static const uint8_t *find(const struct ntfs *f, uint32_t type, uint32_t *len)
{
	for (uint32_t at = get_le16(f->bytes + R_ATTRS); at >= R_MIN - 8 && at + A_MIN <= f->record; at += *len) {
		const uint8_t *a = f->bytes + at;
		*len = get_le32(a + A_LEN);
		if (get_le32(a) == (uint32_t)T_END || *len < A_MIN || *len > f->record - at)
			break;
		if (get_le32(a) == type && (!a[A_NAME_LEN] || type == T_INDEX))
			return a;
	}
	return NULL;
}

/* The value that an attribute has in the record itself. */
static const uint8_t *value(const uint8_t *a, uint32_t len, uint32_t *n)
{
	uint32_t at = a ? get_le16(a + A_VALUE) : 0;

	*n = a ? get_le32(a + A_VALUE_LEN) : 0;
	return a && !a[A_NON_RESIDENT] && at >= A_MIN && at <= len && *n <= len - at ? a + at : NULL;
}

static uint64_t number(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

/* Runs: each a byte with two counts of bytes, a length, and how far it is from the one before. */
static void get_runs(struct ntfs *f, const uint8_t *a, uint32_t len)
{
	uint32_t at = get_le16(a + A_RUNS);
	uint64_t cluster = 0;

	f->runs = 0;
	while (at >= A_NON_MIN && at < len && a[at] && f->runs < RUNS_MAX) {
		unsigned n = a[at] & 15, k = a[at] >> 4;
		if (!n || n > 8 || k > 8 || n + k >= len - at)
			return;
		uint64_t run = number(a + at + 1, n), far = number(a + at + 1 + n, k);
		if (k && k < 8 && a[at + n + k] & 0x80)
			far |= UINT64_MAX << 8 * k;
		at += 1 + n + k;
		cluster += far;
		if (k && cluster < f->clusters && run <= f->clusters - cluster && run)
			f->run[f->runs++] = (struct run){ cluster, run };
	}
}

/* --- telling --- */

static void add_file(struct ntfs *f, unsigned i, uint64_t size)
{
	static const char *const names[FILES] = { "$MFT", "$MFTMirr", "$LogFile", "$Volume", "$AttrDef", "/", "$Bitmap", "$Boot",
		"$BadClus", "$Secure", "$UpCase", "$Extend" };
	const struct know_file file = { .inode = i, .size = size, .parent = KNOW_NO_FILE, .volume = (uint16_t)f->volume,
		.type = i == ROOT ? KNOW_DIR : KNOW_SYSTEM };
	struct know_region r = { .kind = i == ROOT ? KNOW_DIRECTORY : i == LOG ? KNOW_LOG : i == BOOT ? KNOW_BOOT : KNOW_SYSTEM_FILE,
		.home = KNOW_NOWHERE, .file = i == BOOT ? KNOW_NO_FILE : know_add_file(f->b, &file, names[i], strlen(names[i])) };

	for (size_t k = 0; k < f->runs; k++) {
		r.off = f->run[k].at * f->cluster;
		r.len = f->run[k].len * f->cluster;
		know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &r);
	}
}

static void add_free(struct ntfs *f, uint64_t from, uint64_t to)
{
	if (to > from)
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_FREE, from * f->cluster, (to - from) * f->cluster, 0, 0);
}

/* $Bitmap, whose runs were read: a bit for each cluster. */
static void free_space(struct ntfs *f)
{
	uint8_t *p = malloc(PIECE);
	uint64_t c = 0, from = 0;
	bool free_now = false;

	for (size_t k = 0; p && k < f->runs; k++)
		for (uint64_t at = 0, n, len = f->run[k].len * f->cluster; at < len && c < f->clusters && !know_stopped(f->b); at += n) {
			n = MIN(len - at, (uint64_t)PIECE);
			if (know_read(f->b, f->volume, f->run[k].at * f->cluster + at, (size_t)n, p))
				memset(p, 0xff, (size_t)n);
			for (uint64_t i = 0; i < 8 * n && c < f->clusters; i++, c++) {
				bool is_free = !(p[i / 8] >> i % 8 & 1);
				if (is_free && !free_now)
					from = c;
				if (!is_free && free_now)
					add_free(f, from, c);
				free_now = is_free;
			}
		}
	if (free_now)
		add_free(f, from, c);
	free(p);
}

static void look_at_volume(struct ntfs *f)
{
	struct know_volume *v = know_volume_set(f->b, f->volume);
	uint32_t len, n;
	const uint8_t *a = find(f, T_VOLUME_NAME, &len), *p = value(a, len, &n);

	if (p)
		know_text(v->name, sizeof v->name, p, n, true);
	a = find(f, T_VOLUME_INFO, &len);
	p = value(a, len, &n);
	v->dirty = p && n >= 12 && get_le16(p + 10) & 1;
}

static void look_at_file(struct ntfs *f, unsigned i)
{
	uint32_t len;
	const uint8_t *a = find(f, i == ROOT ? T_INDEX : T_DATA, &len);

	if (i == VOLUME)
		look_at_volume(f);
	if (!a || !a[A_NON_RESIDENT] || len < A_NON_MIN)
		return;
	get_runs(f, a, len);
	add_file(f, i, get_le64(a + A_SIZE));
	if (i == BITMAP)
		free_space(f);
}

/* --- all --- */

static bool parse_boot(struct ntfs *f, const uint8_t *p)
{
	unsigned per = p[B_PER_CLUSTER], record = p[B_RECORD];
	uint64_t bytes = know_volume(f->b, f->volume)->len;

	f->sector = get_le16(p + B_SECTOR);
	if (memcmp(p + 3, "NTFS    ", 8) != 0 || f->sector < 256 || f->sector > 4096 || f->sector & (f->sector - 1))
		return false;
	uint64_t cluster = per > 0x80 ? 1ull << MIN(256 - per, 31u) : per; /* sectors */
	if (!cluster || cluster & (cluster - 1) || cluster * f->sector > MIB(2))
		return false;
	f->cluster = (uint32_t)cluster * f->sector;
	f->record = record > 0x80 ? 1u << MIN(256 - record, 31u) : record * f->cluster;
	f->clusters = MIN(get_le64(p + B_SECTORS), bytes / f->sector) / cluster;
	f->mft = get_le64(p + B_MFT);
	return f->record >= 512 && f->record <= RECORD_MAX && !(f->record & (f->record - 1)) && f->mft < f->clusters;
}

static void look(struct ntfs *f)
{
	unsigned torn = 0;

	for (unsigned i = 0; i < FILES && f->bytes && f->run && !know_stopped(f->b); i++)
		if (read_record(f, f->mft * f->cluster + (uint64_t)i * f->record)) /* the first of them lie in one piece */
			look_at_file(f, i);
		else
			torn++;
	if (torn)
		know_note(f->b, f->volume, "%u of the first %d records of $MFT cannot be used", torn, FILES);
}

bool know_ntfs(struct know_build *b, unsigned volume)
{
	struct know_volume *v = know_volume_set(b, volume);
	struct ntfs f = { .b = b, .volume = volume };
	uint8_t p[512], q[512];

	if (v->len < BOOT_BYTES || know_read(b, volume, 0, sizeof p, p) || !parse_boot(&f, p))
		return false;
	uint64_t second = MIN(get_le64(p + B_SECTORS), UINT64_MAX / 4096) * f.sector; /* behind the last sector that is counted */
	v->format = "ntfs";
	v->block = f.cluster;
	snprintf(v->id, sizeof v->id, "%016" PRIX64, get_le64(p + B_SERIAL));
	if (second < v->len && know_read(b, volume, second, sizeof q, q) == 0)
		know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_BOOT, second, f.sector, 0,
			KNOW_COPY | (memcmp(p, q, sizeof p) == 0 ? 0 : KNOW_BAD));
	know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_BOOT, 0, BOOT_BYTES, 0, 0);
	f.bytes = malloc(f.record);
	f.run = calloc(RUNS_MAX, sizeof *f.run);
	look(&f);
	free(f.bytes);
	free(f.run);
	return true;
}
