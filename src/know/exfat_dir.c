/* SPDX-License-Identifier: BSD-2-Clause */
/* Directory entries of exFAT: sets of a file entry, a stream entry and pieces of the name; and what the root directory has besides. */
#include "base/bytes.h"
#include "base/util.h"
#include "know/fat.h"

enum {
	T_BITMAP = 0x81, T_UPCASE = 0x82, T_LABEL = 0x83, T_FILE = 0x85, T_STREAM = 0xc0, T_NAME = 0xc1, T_IN_USE = 0x80,
	E_LEN = 32, E_CLUSTER = 20, E_SIZE = 24,
	E_COUNT = 1, E_SUM = 2, E_ATTR = 4,                     /* of a file entry */
	E_FLAGS = 1, E_NAME_LEN = 3, E_VALID = 8,               /* of a stream entry */
	ATTR_DIR = 0x10, FLAG_UNCHAINED = 2,
	UNITS = 15, UNITS_MAX = 255,
};

/* The set's sum is made while its entries were in use. */
static uint16_t add_sum(uint16_t sum, const uint8_t *e, bool first)
{
	for (unsigned i = 0; i < E_LEN; i++)
		if (!first || (i != E_SUM && i != E_SUM + 1))
			sum = (uint16_t)((sum & 1) << 15 | sum >> 1) + (i ? e[i] : e[i] | T_IN_USE);
	return sum;
}

static void end_of_set(struct fat *f, const struct fat_dir *d, const struct fat_names *names)
{
	const uint8_t *s = names->stream;
	bool dir = names->file[E_ATTR] & ATTR_DIR;
	struct know_file file = { .parent = d->file, .size = get_le64(s + E_SIZE), .volume = (uint16_t)f->volume,
		.type = dir ? KNOW_DIR : KNOW_REGULAR, .flags = names->gone ? KNOW_DELETED : 0 };
	struct fat_chain chain = { .first = get_le32(s + E_CLUSTER), .len = file.size, .valid = dir ? UINT64_MAX : get_le64(s + E_VALID),
		.kind = KNOW_FILE_DATA, .unchained = s[E_FLAGS] & FLAG_UNCHAINED };
	unsigned units = s[E_NAME_LEN] < names->units ? s[E_NAME_LEN] : names->units;
	char name[4 * UNITS_MAX + 8];

	if (!s[0] || names->set_sum != get_le16(names->file + E_SUM)) {
		if (!names->gone)
			fat_complain(f, "the entries of a file are incomplete or have a wrong checksum");
		return;
	}
	fat_entry(f, &file, fat_utf8(name, sizeof name, names->utf16, units), &chain);
}

/* The list of clusters in use is a file, and its bits are numbered as ours. */
static void load_bitmap(struct fat *f, const struct fat_chain *chain, uint32_t clusters)
{
	uint64_t left = f->clusters / 8 + (f->clusters % 8 != 0), done = 0;
	uint32_t c = chain->first;

	for (uint32_t i = 0; i < clusters && left && !know_stopped(f->b); i++) {
		size_t n = (size_t)MIN(left, (uint64_t)f->cluster);
		if (i)
			c = fat_follow(f, chain, c);
		if (!fat_is_cluster(f, c) || know_read(f->b, f->volume, fat_at(f, c), n, f->taken + done) != 0)
			return;
		done += n;
		left -= n;
	}
	f->loaded = !left;
}

static void system_file(struct fat *f, const struct fat_dir *d, const uint8_t *e)
{
	struct know_file file = { .parent = d->file, .size = get_le64(e + E_SIZE), .volume = (uint16_t)f->volume, .type = KNOW_SYSTEM };
	const char *name = e[0] == T_BITMAP ? "(allocation bitmap)" : "(up-case table)";
	struct fat_chain chain = { .first = get_le32(e + E_CLUSTER), .len = file.size, .valid = UINT64_MAX, .kind = KNOW_SYSTEM_FILE,
		.file = know_add_file(f->b, &file, name, strlen(name)) };
	uint32_t n = fat_claim(f, &chain);

	if (e[0] == T_BITMAP && !(e[1] & 1) && !f->loaded) /* the other one is TexFAT's */
		load_bitmap(f, &chain, n);
}

static void secondary(struct fat_names *names, const uint8_t *e)
{
	unsigned type = e[0] | T_IN_USE, n;

	names->wanted--;
	names->set_sum = add_sum(names->set_sum, e, false);
	if (type == T_STREAM)
		memcpy(names->stream, e, E_LEN);
	if (type != T_NAME || names->units >= UNITS_MAX)
		return;
	n = MIN(UNITS_MAX - names->units, (unsigned)UNITS);
	memcpy(names->utf16 + 2 * names->units, e + 2, 2 * n);
	names->units += n;
}

bool exfat_entries(struct fat *f, const struct fat_dir *d, struct fat_names *names, const uint8_t *p, size_t n)
{
	for (const uint8_t *e = p; e < p + n; e += E_LEN) {
		unsigned type = e[0] | T_IN_USE;
		if (!e[0])
			return false;
		if (names->wanted && type & 0x40 && !(e[0] & T_IN_USE) == names->gone) {
			secondary(names, e);
			if (!names->wanted)
				end_of_set(f, d, names);
			continue;
		}
		if (names->wanted && !names->gone)
			fat_complain(f, "the entries of a file are incomplete");
		*names = (struct fat_names){ .gone = !(e[0] & T_IN_USE) };
		if (type == T_FILE) {
			memcpy(names->file, e, E_LEN);
			names->wanted = e[E_COUNT];
			names->set_sum = add_sum(0, e, true);
		} else if (d->root && (e[0] == T_BITMAP || e[0] == T_UPCASE)) {
			system_file(f, d, e);
		} else if (d->root && e[0] == T_LABEL) {
			fat_label(f, e + 2, 2 * MIN((size_t)e[1], (size_t)11), true);
		}
	}
	return true;
}
