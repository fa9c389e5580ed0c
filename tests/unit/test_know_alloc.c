/* SPDX-License-Identifier: BSD-2-Clause */
/* Each allocation that a map of a disk takes fails in turn, alone or with all that follow: there is a map, maybe with less in it, or
 * none and a reason.  The linker (--wrap, in tests/meson.build) leads the calls here, so that the allocators of the sanitizers work.
 * The disks are the seeds of the fuzzers: one of each kind. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "know/know.h"
#include "unit/test.h"

#define TRIES 1000 /* of a disk: when it takes more allocations, some of them, evenly */
#define UNIT 64u  /* bytes: how seeds count (tests/fuzz/fuzz_know.c, fuzz_ext.c) */

static bool armed, rest; /* failures are on; also of all that follow */
static long count, fail_at;

static bool fails(void)
{
	if (!armed || ++count < fail_at || (count > fail_at && !rest))
		return false;
	errno = ENOMEM;
	return true;
}

/* Declared here, too: the linker alone knows them. */
#define WRAP(type, name, params, args)                           \
	type __real_##name params;                               \
	type __wrap_##name params;                               \
	type __wrap_##name params                                \
	{                                                        \
		return fails() ? NULL : __real_##name args;      \
	}

WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))

/* ---- disks ---- */

struct image {
	uint8_t *p;
	uint64_t size;
};

static int read_image(void *arg, uint64_t off, uint32_t len, void *to)
{
	const struct image *i = arg;
	memcpy(to, i->p + off, len);
	return 0;
}

static bool put(struct image *i, uint64_t at, const uint8_t *from, size_t n)
{
	if (at > i->size || n > i->size - at)
		return false;
	memcpy(i->p + at, from, n);
	return true;
}

/* Pieces of either form, in a disk of zeroes. */
static bool unpack(struct image *i, const uint8_t *p, size_t n, bool ext)
{
	size_t head = ext ? 3 : 6;
	bool ok = true;

	i->size = ext ? 4 << 20 : (uint64_t)get_le32(p) * 512;
	i->p = calloc(1, i->size);
	p += ext ? 1 : 4;
	n -= ext ? 1 : 4;
	while (i->p && ok && n > head) {
		uint64_t at = (uint64_t)(ext ? get_le16(p) : get_le32(p)) * UNIT;
		size_t len = MIN(ext ? (p[2] + 1u) * UNIT : get_le16(p + 4), n - head);
		ok = put(i, at, p + head, len);
		p += head + len;
		n -= head + len;
	}
	return i->p && ok;
}

static bool load(struct image *i, const char *folder, const char *name, bool ext)
{
	static uint8_t bytes[1 << 17];
	char path[1300];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
	if (f)
		fclose(f);
	return n > 4 && n < sizeof bytes && unpack(i, bytes, n, ext);
}

/* ---- with less and less ---- */

/* Does it tile the disk, and can it be told? */
static bool is_whole(const struct know_map *m)
{
	char words[200];
	uint64_t at = 0;

	for (size_t i = 0; i < m->regions; i++) {
		const struct know_region *r = &m->region[i];
		if (r->off != at || !r->len || r->volume >= m->volumes || (r->file != KNOW_NO_FILE && r->file >= m->files))
			return false;
		if (i < 50 && !*know_words(m, r, words, sizeof words))
			return false;
		at += r->len;
	}
	return at == m->size;
}

/* Returns the allocations that were asked for; 0: it went wrong. */
static long map_with(const struct know_disk *d, long at, bool all)
{
	struct err e = { 0 };

	count = 0;
	fail_at = at;
	rest = all;
	armed = true;
	struct know_map *m = know_disk_map(d, &e);
	armed = false;
	bool ok = m ? is_whole(m) : e.msg[0] != '\0';
	know_free(m);
	return ok ? count : 0;
}

static void starve(const char *corpus, bool ext)
{
	char folder[1000];
	unsigned disks = 0;

	snprintf(folder, sizeof folder, "%s/%s", FUZZ_CORPUS, corpus);
	DIR *dir = opendir(folder);
	CHECK(dir);
	for (struct dirent *one; (one = readdir(dir)); disks++) {
		struct image image = { 0 };
		struct know_disk d = { .read = read_image, .arg = &image };
		if (one->d_name[0] == '.')
			continue;
		bool ok = load(&image, folder, one->d_name, ext);
		d.size = image.size;
		long n = ok ? map_with(&d, 0, false) : 0, step = n / TRIES + 1;
		ok = n > 0;
		for (long i = 1; i <= n && ok; i += step)
			ok = map_with(&d, i, false) > 0 && map_with(&d, i, true) > 0;
		free(image.p);
		if (!ok)
			test_failed(__FILE__, __LINE__, "%s/%s", corpus, one->d_name);
	}
	closedir(dir);
	CHECK(disks > 10);
}

TEST(each_allocation_fails_on_disks_of_every_kind)
{
	starve("know", false);
}

TEST(each_allocation_fails_on_file_systems_of_every_ext)
{
	starve("ext", true);
}
