/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes at any places of a disk: partition tables, labels, file systems and what lies in them.
 *
 * The input: 4 bytes, the disk's size in sectors, then pieces: 4 bytes the place in units of 64 bytes, 2 bytes the length, and the bytes
 * (all numbers little-endian); the rest of the disk is zeroes.  tests/fuzz/seeds makes such pieces out of images.  So that bytes get past
 * the checksums of GPT, LVM2 and MD, these are made right; file systems say what they can in spite of theirs.
 *
 * The map must tile the disk, and whatever it tells must be in it; it must not take more reading than a disk of this size deserves. */
/* Aims at src: know/(?!ext_).* */
#include <errno.h>
#include <string.h>
#include "base/bytes.h"
#include "base/util.h"
#include "fuzz/input.h"
#include "know/crc32.h"
#include "know/know.h"

enum {
	PAGE = 4096,
	PAGES = 1 << 18,           /* 1 GiB */
	UNIT = 64,
	READS_MAX = 20000,
};

static uint8_t *page[PAGES];       /* NULL: zeroes */
static uint32_t used[PAGES], uses;
static unsigned reads;

static int read_pages(void *arg, uint64_t off, uint32_t len, void *to)
{
	uint8_t *p = to;
	MUST(len && len <= KNOW_READ_MAX && off <= *(uint64_t *)arg && len <= *(uint64_t *)arg - off);
	reads++;
	while (len) {
		uint32_t in = (uint32_t)(off % PAGE), n = MIN(len, PAGE - in);
		if (page[off / PAGE])
			memcpy(p, page[off / PAGE] + in, n);
		else
			memset(p, 0, n);
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

static bool enough(void *arg)
{
	(void)arg;
	return reads > READS_MAX;
}

static void put(uint64_t off, uint8_t byte)
{
	uint32_t i = (uint32_t)(off / PAGE);
	if (!page[i]) {
		page[i] = calloc(1, PAGE);
		used[uses++] = i;
	}
	page[i][off % PAGE] = byte;
}

static void put32(uint64_t off, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		put(off + i, (uint8_t)(v >> 8 * i));
}

static void repair_gpt(uint64_t at, uint64_t size, const uint8_t *sector)
{
	static uint8_t entries[1 << 16];
	uint64_t from = get_le64(sector + 72) * 512, n = (uint64_t)get_le32(sector + 80) * get_le32(sector + 84);
	uint8_t head[512];

	if (get_le64(sector + 72) < size / 512 && n && n <= sizeof entries && n <= size - from) {
		read_pages(&size, from, (uint32_t)n, entries);
		put32(at + 88, crc32_gpt(entries, n));
	}
	put32(at + 16, 0);
	read_pages(&size, at, 512, head);
	if (get_le32(head + 12) <= 512)
		put32(at + 16, crc32_gpt(head, get_le32(head + 12)));
}

/* Sums of what begins at the beginning of a sector, the text of a volume group first. */
static void repair(uint64_t size)
{
	static uint8_t text[1 << 14];
	uint32_t n = uses;

	for (uint32_t i = 0; i < n; i++)
		for (uint64_t at = (uint64_t)used[i] * PAGE; at < (uint64_t)(used[i] + 1) * PAGE && at + 512 <= size; at += 512) {
			uint8_t s[PAGE];
			read_pages(&size, at, 512, s);
			if (memcmp(s, "EFI PART", 8) == 0)
				repair_gpt(at, size, s);
			if (memcmp(s, "LABELONE", 8) == 0)
				put32(at + 16, crc32_update(0xf597a6cf, s + 20, 512 - 20));
			if (memcmp(s + 4, " LVM2 x[", 8) == 0) {
				uint64_t off = get_le64(s + 40), len = get_le64(s + 48);
				if (off < size - at && len && len <= sizeof text && len <= size - at - off) {
					read_pages(&size, at + off, (uint32_t)len, text);
					put32(at + 56, crc32_update(0xf597a6cf, text, len));
					read_pages(&size, at, 512, s);
				}
				put32(at, crc32_update(0xf597a6cf, s + 4, 512 - 4));
			}
		}
}

static void check(const struct know_map *m)
{
	uint64_t at = 0;
	char words[300];

	for (size_t i = 0; i < m->regions; i++) {
		const struct know_region *r = &m->region[i];
		MUST(r->off == at && r->len && r->len <= m->size - at && r->kind < KNOW_KINDS && r->volume < m->volumes);
		const struct know_volume *v = &m->volume[r->volume];
		MUST(r->off >= v->off && r->off + r->len <= v->off + v->len);
		MUST(r->file == KNOW_NO_FILE || r->file < m->files);
		MUST(know_find(m, at) == r && know_find(m, at + r->len - 1) == r);
		know_words(m, r, words, sizeof words);
		MUST(*words && !strchr(words, '\n') && !strchr(words, '\033'));
		at += r->len;
	}
	MUST(at == m->size && !know_find(m, at));
	for (size_t i = 0; i < m->files; i++) {
		const struct know_file *f = &m->file[i];
		MUST((f->parent == KNOW_NO_FILE || f->parent < m->files) && f->volume < m->volumes && f->type <= KNOW_SYSTEM);
		MUST(strlen(m->names + f->name) <= 1024);
		know_path(m, (uint32_t)i, words, sizeof words);
	}
	for (size_t i = 1; i < m->volumes; i++) {
		const struct know_volume *v = &m->volume[i], *p = &m->volume[v->parent];
		MUST(v->parent < i && v->len && v->depth == p->depth + 1 && v->off >= p->off && v->off + v->len <= p->off + p->len);
		MUST(memchr(v->name, 0, sizeof v->name) && memchr(v->id, 0, sizeof v->id) && !strchr(v->name, '\033'));
	}
	for (const char *p = m->notes; *p; p++)
		MUST(*p == '\n' || (unsigned char)*p >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 4)
		return 0;
	uint64_t size = (uint64_t)get_le32(p) % ((uint64_t)PAGES * (PAGE / 512)) * 512;
	struct know_disk d = { .size = size, .read = read_pages, .stop = enough, .arg = &size };
	struct err e;

	p += 4;
	n -= 4;
	while (n > 6) {
		uint64_t off = (uint64_t)get_le32(p) * UNIT;
		size_t len = MIN((size_t)(p[4] | p[5] << 8), n - 6);
		for (size_t i = 0; i < len && off + i < size; i++)
			put(off + i, p[6 + i]);
		p += 6 + len;
		n -= 6 + len;
	}
	repair(size);
	reads = 0;
	struct know_map *m = know_disk_map(&d, &e);
	MUST(m || strcmp(e.msg, "told to stop") == 0);
	if (m)
		check(m);
	know_free(m);
	for (uint32_t i = 0; i < uses; i++) {
		free(page[used[i]]);
		page[used[i]] = NULL;
	}
	uses = 0;
	return 0;
}
