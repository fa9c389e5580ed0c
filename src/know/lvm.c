/* SPDX-License-Identifier: BSD-2-Clause */
/* A physical volume of LVM2: a label in one of the first four sectors, behind it a list of areas; in an area for metadata a header, and in
 * the rest, used as a ring, the text of the volume group.  The layout is that of LVM2's lib/format_text/layout.h. */
#include "know/lvm.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/crc32.h"
#include "know/label.h"

#define CRC_BEGIN 0xf597a6cfu

enum {
	SECTOR = 512,
	LABEL_SECTORS = 4,         /* where the label may be */
	AREAS_MAX = 8,
	TEXT_MAX = 8 << 20,        /* bytes */
	IGNORED = 1,               /* flag of a text */
};

struct area {
	uint64_t off, len;         /* bytes of the volume */
};

/* Areas up to an empty one; the place behind them, or NULL. */
static const uint8_t *get_areas(const uint8_t *p, const uint8_t *end, struct area *a, unsigned *n)
{
	for (*n = 0; end - p >= 16 && get_le64(p); p += 16)
		if (*n < AREAS_MAX)
			a[(*n)++] = (struct area){ get_le64(p), get_le64(p + 8) };
	return end - p >= 16 ? p + 16 : NULL;
}

/* The text at a place of the ring; malloc'd, n bytes.  NULL: there is none. */
static char *get_text(struct know_build *b, unsigned volume, const struct area *a, uint64_t at, uint64_t n)
{
	if (at < SECTOR || at >= a->len || !n || n > TEXT_MAX || n > a->len - SECTOR)
		return NULL;
	char *text = malloc((size_t)n);
	uint64_t first = MIN(n, a->len - at);
	if (text && (know_read(b, volume, a->off + at, (size_t)first, text) ||
		     (first < n && know_read(b, volume, a->off + SECTOR, (size_t)(n - first), text + first)))) {
		free(text);
		text = NULL;
	}
	return text;
}

/* The volume group that an area tells of.  False: it tells of none; of several areas the next one is tried. */
static bool look_at_area(struct know_build *b, unsigned volume, const struct area *a, const char *id)
{
	static const char magic[16] = { ' ', 'L', 'V', 'M', '2', ' ', 'x', '[', '5', 'A', '%', 'r', '0', 'N', '*', '>' };
	uint8_t p[SECTOR];
	bool done = false;

	if (know_read(b, volume, a->off, SECTOR, p))
		return false;
	bool good = memcmp(p + 4, magic, sizeof magic) == 0 && crc32_update(CRC_BEGIN, p + 4, SECTOR - 4) == get_le32(p);
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, a->off, a->len, KNOW_LABEL_METADATA, good ? 0 : KNOW_BAD);
	if (!good) {
		know_note(b, volume, "the header of the metadata area at byte %" PRIu64 " is damaged", a->off);
		return false;
	}
	uint64_t at = get_le64(p + 40), n = get_le64(p + 48);
	char *text = get_le32(p + 60) & IGNORED ? NULL : get_text(b, volume, a, at, n);
	if (text && crc32_update(CRC_BEGIN, text, (size_t)n) != get_le32(p + 56))
		know_note(b, volume, "the checksum of the metadata at byte %" PRIu64 " is wrong", a->off + at);
	else if (text)
		done = lvm_text(b, volume, text, (size_t)n, id);
	free(text);
	return done;
}

static bool look_at_label(struct know_build *b, unsigned volume, unsigned sector)
{
	uint64_t at = (uint64_t)sector * SECTOR;
	struct know_volume *v = know_volume_set(b, volume);
	struct area data[AREAS_MAX], meta[AREAS_MAX];
	unsigned n_data, n_meta = 0;
	uint8_t p[SECTOR];
	char id[32];

	if (know_read(b, volume, at, SECTOR, p) || memcmp(p, "LABELONE", 8) != 0 || memcmp(p + 24, "LVM2 001", 8) != 0)
		return false;
	bool good = get_le64(p + 8) == sector && crc32_update(CRC_BEGIN, p + 20, SECTOR - 20) == get_le32(p + 16);
	uint32_t header = get_le32(p + 20);
	know_add_plain(b, volume, KNOW_LAYER_PLAIN, KNOW_LABEL, at, SECTOR, KNOW_LABEL_ITSELF, good ? 0 : KNOW_BAD);
	v->format = "lvm2";
	if (!good)
		know_note(b, volume, "the LVM2 label at byte %" PRIu64 " is damaged", at);
	if (header < 32 || header > SECTOR - 40)
		return true;
	memcpy(id, p + header, sizeof id);
	for (unsigned i = 0, k = 0; i < 32; i++) { /* as LVM2 writes it: 6-4-4-4-4-4-6 */
		if (i >= 6 && i < 32 && (i - 6) % 4 == 0 && i <= 26)
			v->id[k++] = '-';
		v->id[k++] = id[i] > ' ' && id[i] < 0x7f ? id[i] : '?';
		v->id[k] = '\0';
	}
	const uint8_t *next = get_areas(p + header + 40, p + SECTOR, data, &n_data);
	if (next)
		get_areas(next, p + SECTOR, meta, &n_meta);
	for (unsigned i = 0; i < n_data; i++)
		know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_FREE, data[i].off, data[i].len ? data[i].len : UINT64_MAX, 0, 0);
	if (n_data && !data[0].len) /* what is before it was left out of the count of extents */
		know_add_plain(b, volume, KNOW_LAYER_FREE, KNOW_LABEL, 0, data[0].off, KNOW_LABEL_RESERVED, 0);
	bool told = false;
	for (unsigned i = 0; i < n_meta; i++) /* all, for their regions; the volumes of one */
		told = look_at_area(b, volume, &meta[i], told ? NULL : id) || told;
	if (n_meta && !told)
		know_note(b, volume, "no metadata tells of this physical volume");
	return true;
}

bool label_lvm(struct know_build *b, unsigned volume)
{
	for (unsigned sector = 0; sector < LABEL_SECTORS; sector++)
		if (look_at_label(b, volume, sector))
			return true;
	return false;
}
