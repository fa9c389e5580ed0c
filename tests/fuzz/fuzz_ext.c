/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an ext2, ext3 or ext4: its map tiles the disk, says nothing twice, and does not read for ever.
 * The input is the units of 64 bytes that are not zeroes, so that a whole file system is a few KiB: u16 number of the first unit, u8 how many
 * follow it, and their bytes; what comes later wins.  The first byte chooses the size of the disk, down to where it was cut. */
/* Aims at src: know/ext_.* know/flatten know/build */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "fuzz/input.h"
#include "know/know.h"

enum { UNIT = 64, DISK = 4 << 20 };

static uint8_t bytes[DISK];
static uint64_t size;

static int read_bytes(void *arg, uint64_t off, uint32_t len, void *to)
{
	(void)arg;
	MUST(off <= size && len <= size - off && len <= KNOW_READ_MAX);
	memcpy(to, bytes + off, len);
	return 0;
}

static void put_units(const uint8_t *p, size_t n)
{
	while (n > 3) {
		size_t at = (size_t)(p[0] | p[1] << 8) * UNIT % DISK, len = MIN(((size_t)p[2] + 1) * UNIT, n - 3);
		memcpy(bytes + at, p + 3, MIN(len, DISK - at));
		p += 3 + len;
		n -= 3 + len;
	}
}

static void look_at(const struct know_map *m)
{
	char words[200];
	uint64_t at = 0;

	for (size_t i = 0; i < m->regions; i++) {
		const struct know_region *r = &m->region[i];
		MUST(r->off == at && r->len && r->kind < KNOW_KINDS && r->volume < m->volumes);
		MUST(r->file == KNOW_NO_FILE || r->file < m->files);
		at += r->len;
		if (i < 50)
			know_words(m, r, words, sizeof words);
	}
	MUST(at == size);
	for (size_t i = 0; i < m->files; i++)
		MUST(m->file[i].parent == KNOW_NO_FILE || m->file[i].parent < m->files);
	for (size_t i = 0; i < m->files && i < 50; i++)
		know_path(m, (uint32_t)i, words, sizeof words);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct know_disk disk = { .size = DISK, .read = read_bytes };
	struct know_disk d = disk;
	struct err e;

	if (!n)
		return 0;
	memset(bytes, 0, sizeof bytes);
	put_units(p + 1, n - 1);
	size = d.size = p[0] ? (uint64_t)DISK * p[0] / 256 : DISK;
	struct know_map *m = know_disk_map(&d, &e);
	MUST(m);
	/* Inode tables, bitmaps, directories, the journal: none of them much more than once. */
	MUST(m->bytes < 32 * (uint64_t)DISK);
	look_at(m);
	know_free(m);
	return 0;
}
