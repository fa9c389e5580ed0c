/* SPDX-License-Identifier: BSD-2-Clause */
/* Directory entries of FAT12, FAT16 and FAT32, with long names. */
#include <ctype.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/fat.h"

enum {
	E_ATTR = 11, E_CASE = 12, E_SUM = 13, E_CLUSTER_HI = 20, E_CLUSTER = 26, E_SIZE = 28, E_LEN = 32,
	ATTR_LABEL = 0x08, ATTR_DIR = 0x10, ATTR_LONG = 0x0f,
	GONE = 0xe5,
	UNITS = 13, UNITS_MAX = 260,
};

char *fat_utf8(char *to, size_t room, const uint8_t *utf16, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count && n + 5 <= room; i++) {
		uint32_t u = get_le16(utf16 + 2 * i), low;
		if (!u)
			break;
		if (u >> 10 == 0xd800 >> 10 && i + 1 < count && (low = get_le16(utf16 + 2 * i + 2)) >> 10 == 0xdc00 >> 10) {
			u = 0x10000 + ((u & 0x3ff) << 10 | (low & 0x3ff));
			i++;
		}
		if (u < 0x80) {
			to[n++] = (char)u;
		} else if (u < 0x800) {
			to[n++] = (char)(0xc0 | u >> 6);
		} else {
			if (u < 0x10000) {
				to[n++] = (char)(0xe0 | u >> 12);
			} else {
				to[n++] = (char)(0xf0 | u >> 18);
				to[n++] = (char)(0x80 | (u >> 12 & 0x3f));
			}
			to[n++] = (char)(0x80 | (u >> 6 & 0x3f));
		}
		if (u >= 0x80)
			to[n++] = (char)(0x80 | (u & 0x3f));
	}
	to[n] = 0;
	return to;
}

void fat_label(struct fat *f, const uint8_t *text, size_t len, bool utf16)
{
	struct know_volume *v = know_volume_set(f->b, f->volume);

	while (len && !utf16 && text[len - 1] == ' ')
		len--;
	know_text(v->name, sizeof v->name, text, len, utf16);
}

/* The last piece of a long name comes first. */
static void long_piece(struct fat_names *names, const uint8_t *e)
{
	bool gone = e[0] == GONE;
	uint8_t *to;

	if ((!gone && e[0] & 0x40) || gone != names->gone || e[E_SUM] != names->sum)
		names->units = 0;
	names->gone = gone;
	names->sum = e[E_SUM];
	if (names->units + UNITS > UNITS_MAX)
		return;
	names->units += UNITS;
	to = names->utf16 + 2 * (UNITS_MAX - names->units);
	memcpy(to, e + 1, 10);
	memcpy(to + 10, e + 14, 12);
	memcpy(to + 22, e + 28, 4);
}

static uint8_t short_sum(const uint8_t *e)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum & 1) << 7 | sum >> 1) + e[i];
	return sum;
}

/* "NAME    TXT": Windows keeps in two bits that a part of it is all in small letters. */
static void short_name(char *to, const uint8_t *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 11; i++) {
		unsigned c = i ? e[i] : e[0] == GONE ? '?' : e[0] == 5 ? GONE : e[0];
		unsigned part = i < 8 ? 0 : 8;
		bool rest = false;
		for (unsigned j = i; j < (part ? 11 : 8); j++)
			rest |= e[j] != ' ';
		if (!rest)
			continue;
		if (i == 8)
			to[n++] = '.';
		to[n++] = (char)(c < 0x80 && e[E_CASE] & (part ? 0x10 : 0x08) ? tolower((int)c) : (int)c);
	}
	to[n] = 0;
}

static bool plausible(const struct fat *f, const uint8_t *e, uint32_t cluster)
{
	if (e[E_ATTR] & 0xc0 || (cluster && !fat_is_cluster(f, cluster)))
		return false;
	for (unsigned i = 0; i < 11; i++)
		if (e[i] < ' ' && (i || e[i] != 5))
			return false;
	return e[0] != ' ';
}

static void one_file(struct fat *f, const struct fat_dir *d, const struct fat_names *names, const uint8_t *e)
{
	uint32_t first = get_le16(e + E_CLUSTER) | (f->bits == 32 ? (uint32_t)get_le16(e + E_CLUSTER_HI) << 16 : 0);
	bool gone = e[0] == GONE, dir = e[E_ATTR] & ATTR_DIR;
	struct know_file file = { .parent = d->file, .volume = (uint16_t)f->volume, .type = dir ? KNOW_DIR : KNOW_REGULAR,
		.size = dir ? 0 : get_le32(e + E_SIZE), .flags = gone ? KNOW_DELETED : 0 };
	struct fat_chain chain = { .first = first, .len = file.size, .valid = UINT64_MAX, .kind = KNOW_FILE_DATA };
	char name[4 * UNITS_MAX + 8];

	if (!plausible(f, e, first)) {
		if (!gone)
			fat_complain(f, "a directory holds an entry that makes no sense");
		return;
	}
	if (names->units && names->gone == gone && (gone || names->sum == short_sum(e)))
		fat_utf8(name, sizeof name, names->utf16 + 2 * (UNITS_MAX - names->units), names->units);
	else
		short_name(name, e);
	fat_entry(f, &file, name, &chain);
}

bool fat_entries(struct fat *f, const struct fat_dir *d, struct fat_names *names, const uint8_t *p, size_t n)
{
	for (const uint8_t *e = p; e < p + n; e += E_LEN) {
		if (!e[0])
			return false;
		if ((e[E_ATTR] & 0x3f) == ATTR_LONG) {
			long_piece(names, e);
			continue;
		}
		bool dots = e[0] == '.' && (e[1] == ' ' || (e[1] == '.' && e[2] == ' '));
		if (e[E_ATTR] & ATTR_LABEL) {
			if (e[0] != GONE && d->root)
				fat_label(f, e, 11, false);
		} else if (!dots) {
			one_file(f, d, names, e);
		}
		names->units = 0;
	}
	return true;
}
