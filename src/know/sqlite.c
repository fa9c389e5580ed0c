/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite: a database's pages, its write-ahead log and its rollback journal.
 * Source: "Database File Format" (sqlite.org/fileformat2.html). */
#include <inttypes.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/build.h"

enum {
	PAGES_MAX = 1 << 19,    /* of one file; what is behind them is said to be pages, and no more */
	LOOK_MAX = 256 << 20,   /* bytes of a database that are read to see which kind of page is where */
	H_LEN = 100, H_PAGE = 16, H_CHANGES = 24, H_FREE = 32, H_AUTO_VACUUM = 52,
	WAL_LEN = 32, W_PAGE = 8, W_SALT = 16, W_SUM = 24,
	FRAME_LEN = 24, F_SALT = 8, F_SUM = 16,
	JOURNAL_LEN = 28, J_COUNT = 8, J_NONCE = 12, J_SECTOR = 20, J_PAGE = 24,
};

static const char db_magic[16] = "SQLite format 3";
static const uint8_t journal_magic[8] = { 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7 };

static bool is_page_size(uint32_t n)
{
	return n >= 512 && n <= 65536 && !(n & (n - 1));
}

static void add(struct know_build *b, const struct know_content *c, enum know_kind kind, uint64_t at, uint64_t len, uint64_t number,
	uint64_t home, unsigned flags)
{
	const struct know_region r = { .number = number, .home = home, .file = c->file, .kind = (uint8_t)kind, .flags = (uint8_t)flags };
	know_add_inside(b, c, at, MIN(len, c->size - at), &r);
}

/* --- the database --- */

/* The list of free pages: trunks, each with the numbers of others.  A page that is met twice ends it. */
static void mark_free(struct know_build *b, const struct know_content *c, uint8_t *kinds, uint32_t pages, uint32_t page, uint32_t trunk)
{
	uint8_t bytes[65536];

	while (trunk > 1 && trunk <= pages && kinds[trunk] != KNOW_DB_FREE && !know_stopped(b)) {
		kinds[trunk] = KNOW_DB_FREE;
		if (know_read_content(b, c, (trunk - 1ull) * page, page, bytes) != 0)
			return;
		uint32_t count = MIN(get_be32(bytes + 4), page / 4 - 2);
		for (uint32_t i = 0; i < count; i++) {
			uint32_t leaf = get_be32(bytes + 8 + 4ull * i);
			if (leaf > 1 && leaf <= pages)
				kinds[leaf] = KNOW_DB_FREE;
		}
		trunk = get_be32(bytes);
	}
}

/* By the first byte of a page; that of an overflow page is the highest one of a page number, and 0 in all but very large databases. */
static enum know_kind page_kind(uint8_t first)
{
	switch (first) {
	case 0: return KNOW_DB_OVERFLOW;
	case 2: case 10: return KNOW_DB_INDEX;
	case 5: case 13: return KNOW_DB_TABLE;
	default: return KNOW_DB_PAGE;
	}
}

static void mark_kinds(struct know_build *b, const struct know_content *c, uint8_t *kinds, uint32_t pages, uint32_t page)
{
	uint8_t bytes[65536];
	uint64_t size = MIN((uint64_t)pages * page, c->size);

	for (uint64_t at = 0; at < size && at < LOOK_MAX && !know_stopped(b); at += sizeof bytes) {
		size_t n = (size_t)MIN(size - at, (uint64_t)sizeof bytes);
		if (know_read_content(b, c, at, n, bytes) != 0)
			continue;
		for (size_t in = 0; in < n; in += page) {
			uint32_t number = (uint32_t)((at + in) / page) + 1;
			if (!kinds[number])
				kinds[number] = (uint8_t)(number == 1 ? KNOW_DB_TABLE : page_kind(bytes[in]));
		}
	}
}

static bool database(struct know_build *b, const struct know_content *c, const uint8_t *h)
{
	uint32_t page = h[H_PAGE] == 0 && h[H_PAGE + 1] == 1 ? 65536 : get_be16(h + H_PAGE), pages;
	uint8_t *kinds;
	uint64_t all;

	if (!is_page_size(page))
		return false;
	all = (c->size + page - 1) / page;
	pages = (uint32_t)MIN(all, (uint64_t)PAGES_MAX);
	if (!(kinds = calloc(pages + 1ull, 1)))
		return true;
	mark_free(b, c, kinds, pages, page, get_be32(h + H_FREE));
	for (uint64_t n = 2; get_be32(h + H_AUTO_VACUUM) && n <= pages; n += page / 5 + 1) /* every so many pages one tells of the others */
		kinds[n] = KNOW_DB_PAGE;
	mark_kinds(b, c, kinds, pages, page);
	add(b, c, KNOW_DB_HEADER, 0, H_LEN, 0, KNOW_NOWHERE, 0);
	for (uint32_t n = 1; n <= pages && !know_stopped(b); n++) {
		uint64_t at = n == 1 ? H_LEN : (n - 1ull) * page;
		add(b, c, kinds[n] ? kinds[n] : KNOW_DB_PAGE, at, (uint64_t)n * page - at, n, KNOW_NOWHERE, 0);
	}
	if (all > pages) {
		know_note(b, c->volume, "a database has %" PRIu64 " pages: those behind the first %" PRIu32 " are not told apart",
			all, pages);
		add(b, c, KNOW_DB_PAGE, (uint64_t)pages * page, c->size - (uint64_t)pages * page, pages + 1ull, KNOW_NOWHERE, 0);
	}
	free(kinds);
	return true;
}

/* --- its log and journal --- */

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), cut = strlen(suffix);
	return len > cut && strcmp(name + len - cut, suffix) == 0;
}

/* The database that a file "x-wal" or "x-journal" is for. */
static const struct know_content *find_database(struct know_build *b, const struct know_content *c, const char *suffix)
{
	const char *name = know_name(b, c->file);
	uint32_t file;

	if (!ends_in(name, suffix))
		return NULL;
	file = know_find_file(b, c->volume, know_file_set(b, c->file)->parent, name, strlen(name) - strlen(suffix));
	return file == KNOW_NO_FILE ? NULL : know_content_of(b, file);
}

/* Where a byte of a file lies on the disk; c may be NULL. */
static uint64_t place(const struct know_build *b, const struct know_content *c, uint64_t at)
{
	size_t low = 0, high = c ? c->pieces : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct know_piece *p = c->piece + mid;
		if (at < p->at)
			high = mid;
		else if (at - p->at >= p->len)
			low = mid + 1;
		else
			return know_volume(b, c->volume)->off + p->off + (at - p->at);
	}
	return KNOW_NOWHERE;
}

static void sum(uint32_t s[2], const uint8_t *p, size_t n, bool big)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		s[0] += (big ? get_be32(p + i) : get_le32(p + i)) + s[1];
		s[1] += (big ? get_be32(p + i + 4) : get_le32(p + i + 4)) + s[0];
	}
}

static bool sum_is(const uint32_t s[2], const uint8_t *p)
{
	return get_be32(p) == s[0] && get_be32(p + 4) == s[1];
}

/* Frames whose salt is not the header's are of a log that was checkpointed and begun anew.  Sums go on from frame to frame: behind the
 * first that is wrong, none counts. */
static bool wal(struct know_build *b, const struct know_content *c, const uint8_t *h)
{
	uint32_t page = get_be32(h + W_PAGE), s[2] = { 0, 0 };
	bool big = h[3] & 1, right;
	uint8_t *frame;

	if (!is_page_size(page))
		return false;
	sum(s, h, W_SUM, big);
	right = sum_is(s, h + W_SUM);
	add(b, c, KNOW_WAL_HEADER, 0, WAL_LEN, 0, KNOW_NOWHERE, right ? 0 : KNOW_BAD);
	if (!(frame = malloc(FRAME_LEN + (size_t)page)))
		return true;
	const struct know_content *db = find_database(b, c, "-wal");
	uint64_t at = WAL_LEN, len = FRAME_LEN + (uint64_t)page;
	for (uint32_t n = 0; n < PAGES_MAX && c->size - at >= len && !know_stopped(b); n++, at += len) {
		if (know_read_content(b, c, at, len, frame) != 0)
			break;
		bool old = memcmp(frame + F_SALT, h + W_SALT, 8) != 0;
		sum(s, frame, 8, big);
		sum(s, frame + FRAME_LEN, page, big);
		right = right && !old && sum_is(s, frame + F_SUM);
		uint32_t number = get_be32(frame);
		if (!number) /* room that was never written */
			break;
		add(b, c, KNOW_WAL_FRAME, at, len, number, place(b, db, (number - 1ull) * page), old ? KNOW_OLD : right ? 0 : KNOW_BAD);
	}
	free(frame);
	return true;
}

/* Every 200th byte of a page, from its end. */
static bool page_sum_is(const uint8_t *record, uint32_t page, uint32_t nonce)
{
	for (uint32_t i = page; i > 200;) {
		i -= 200;
		nonce += record[4 + i];
	}
	return get_be32(record + 4 + page) == nonce;
}

/* What pages were before a transaction, in parts that each begin with a header at a sector.  The count in it is written when the part is
 * synced: what is behind it does not count yet.  A transaction that is over has a header of zeroes, or no journal. */
static bool rollback(struct know_build *b, const struct know_content *c, const uint8_t *h)
{
	uint32_t page = get_be32(h + J_PAGE), sector = get_be32(h + J_SECTOR), pages = 0;
	uint64_t at = 0, len = page + 8ull;
	uint8_t head[JOURNAL_LEN], *record;

	if (!is_page_size(page) || sector < 32 || sector > 65536 || sector & (sector - 1) || !(record = malloc(len)))
		return false;
	const struct know_content *db = find_database(b, c, "-journal");
	while (pages < PAGES_MAX && at < c->size && c->size - at >= sector && know_read_content(b, c, at, sizeof head, head) == 0 &&
		memcmp(head, journal_magic, sizeof journal_magic) == 0 && !know_stopped(b)) {
		uint32_t count = get_be32(head + J_COUNT), nonce = get_be32(head + J_NONCE);
		add(b, c, KNOW_ROLLBACK_HEADER, at, sector, 0, KNOW_NOWHERE, 0);
		at += sector;
		for (uint32_t n = 0; pages < PAGES_MAX && c->size - at >= len; n++, pages++) {
			if (know_read_content(b, c, at, len, record) != 0)
				break;
			uint32_t number = get_be32(record);
			bool right = number && page_sum_is(record, page, nonce);
			if (!right && n >= count)
				break;
			add(b, c, KNOW_ROLLBACK_PAGE, at, len, number, place(b, db, (number - 1ull) * page),
				right && n < count ? 0 : KNOW_BAD);
			at += len;
		}
		at = (at + sector - 1) / sector * sector;
	}
	free(record);
	return true;
}

bool know_sqlite(struct know_build *b, const struct know_content *c)
{
	const char *name = know_name(b, c->file);
	uint8_t h[H_LEN] = { 0 };
	uint32_t magic;

	/* Most files are sorted out without a read. */
	if (c->size < WAL_LEN || (c->size % 512 && !ends_in(name, "-wal") && !ends_in(name, "-journal")))
		return false;
	if (know_read_content(b, c, 0, (size_t)MIN(c->size, (uint64_t)H_LEN), h) != 0)
		return false;
	magic = get_be32(h);
	if (memcmp(h, db_magic, sizeof db_magic) == 0)
		return database(b, c, h);
	if (magic == 0x377f0682 || magic == 0x377f0683)
		return wal(b, c, h);
	return memcmp(h, journal_magic, sizeof journal_magic) == 0 && rollback(b, c, h);
}
