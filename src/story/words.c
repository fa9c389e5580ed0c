/* SPDX-License-Identifier: BSD-2-Clause */
#include "story/words.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "view/fmt.h"

void words_size(struct buf *b, uint64_t bytes)
{
	char n[FMT_ROOM];
	buf_printf(b, "%s", bytes == 1 ? "1 byte" : bytes < 1024 ? fmt_count(n, bytes) : fmt_size(n, bytes));
	if (bytes < 1024 && bytes != 1)
		buf_printf(b, " bytes");
}

void words_count(struct buf *b, uint64_t n, const char *what)
{
	char text[FMT_ROOM];
	size_t len = strlen(what);
	bool y = len > 1 && what[len - 1] == 'y' && !strchr("aeiou", what[len - 2]);
	buf_printf(b, "%s %.*s%s", fmt_count(text, n), (int)(n != 1 && y ? len - 1 : len), what,
		   n == 1 ? "" : y ? "ies" : len > 1 && (what[len - 1] == 'h' || what[len - 1] == 'x') ? "es" : "s");
}

const char *words_link(size_t i, size_t n)
{
	return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

void words_numbers(struct buf *b, const struct spans *s)
{
	size_t shown = 0, total = 0, parts = 0;

	/* a pair of neighbours is two parts */
	for (uint32_t i = 0; i < s->n; i++)
		total += s->at[i].to - s->at[i].from == 2 ? 2 : 1;
	bool cut = total > WORDS_RANGES || s->more;
	parts = total > WORDS_RANGES ? WORDS_RANGES : total;
	for (uint32_t i = 0; i < s->n && shown < parts; i++) {
		uint64_t from = s->at[i].from, last = s->at[i].to - 1;
		buf_printf(b, "%s%" PRIu64, cut && shown ? ", " : words_link(shown, parts), from);
		shown++;
		if (last == from + 1 && shown < parts)
			buf_printf(b, "%s%" PRIu64, cut ? ", " : words_link(shown, parts), last);
		else if (last > from + 1)
			buf_printf(b, " to %" PRIu64, last);
		shown += last == from + 1;
	}
	if (cut)
		buf_printf(b, " and others");
}

/* --- places --- */

/* Where on the disk: to the KiB up to a GiB, so that neighbours can be told apart. */
static void put_offset(struct buf *b, uint64_t off)
{
	char n[FMT_ROOM];
	if (off < MIB(1) || off >= MIB(1024) || off % MIB(1) == 0) {
		words_size(b, off);
		return;
	}
	int len = snprintf(n, sizeof n, "%" PRIu64 ".%03" PRIu64, off >> 20, (off & (MIB(1) - 1)) * 1000 >> 20);
	while (len > 1 && n[len - 1] == '0')
		len--;
	buf_printf(b, "%.*s MiB", n[len - 1] == '.' ? len - 1 : len, n);
}

/* again: others went before it. */
static void put_place(struct buf *b, uint64_t from, uint64_t to, uint64_t size, bool again)
{
	if (!from) {
		buf_printf(b, "at the very start of the disk");
	} else if (to == size) {
		buf_printf(b, "at its very end");
	} else {
		buf_printf(b, again ? "" : "at ");
		put_offset(b, from);
	}
}

/* Places of one length. */
struct alike {
	uint64_t len;
	uint32_t first, n;     /* the first of them; how many */
};

/* The n of them, at most max, that make up most, in the order of the disk. */
static unsigned choose(const struct spans *s, struct alike *out, unsigned max)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		struct alike a = { s->at[i].to - s->at[i].from, i, 0 };
		uint32_t before = 0;
		for (uint32_t k = 0; k < s->n; k++) {
			bool same = s->at[k].to - s->at[k].from == a.len;
			a.n += same;
			before += same && k < i;
		}
		if (before)
			continue;
		unsigned least = 0;
		for (unsigned k = 1; k < n; k++)
			if (out[k].len * out[k].n < out[least].len * out[least].n)
				least = k;
		if (n == max && out[least].len * out[least].n >= a.len * a.n)
			continue;
		if (n == max) {
			memmove(out + least, out + least + 1, (n - 1 - least) * sizeof *out);
			n--;
		}
		out[n++] = a;
	}
	return n;
}

static uint32_t put_alike(struct buf *b, const struct spans *s, const struct alike *a, bool length, uint64_t size)
{
	uint32_t told = 0, from_start = 0, n = MIN(a->n, (uint32_t)WORDS_PLACES);
	if (length) {
		words_size(b, a->len);
		buf_printf(b, a->n > 1 ? " each " : " ");
	}
	for (uint32_t i = a->first; i < s->n && told < n; i++)
		if (s->at[i].to - s->at[i].from == a->len) {
			buf_printf(b, "%s", told == 0 ? "" : told + 1 == a->n ? " and " : ", ");
			put_place(b, s->at[i].from, s->at[i].to, size, told && from_start < told);
			from_start += !s->at[i].from;
			told++;
		}
	return told;
}

void words_places(struct buf *b, const struct spans *s, uint64_t size)
{
	struct alike part[WORDS_PARTS];
	unsigned n = 0, told = 0;
	uint32_t all = 0;

	if (s->more) {
		buf_printf(b, "at more than %u places", (unsigned)s->n);
		return;
	}
	n = choose(s, part, WORDS_PARTS);

	for (unsigned i = 0; i < n; i++)
		all += MIN(part[i].n, (uint32_t)WORDS_PLACES);
	bool cut = all < s->n;
	for (unsigned i = 0; i < n; i++) {
		buf_printf(b, "%s", i == 0 ? "" : cut || i + 1 < n ? ", " : ", and ");
		told += put_alike(b, s, &part[i], s->n > 1, size);
	}
	if (cut) {
		buf_printf(b, ", and more at ");
		words_count(b, s->n - told, "other place");
	}
}

/* --- files --- */

void words_path(struct buf *b, const struct know_map *m, uint32_t file)
{
	char path[WORDS_PATH];
	if (!m || file >= m->files) {
		buf_printf(b, "a file");
		return;
	}
	know_path(m, file, path, sizeof path);
	for (char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	buf_printf(b, "%s", path);
}

const struct know_map *words_map(const struct facts *f, uint64_t key)
{
	return key & FACT_BEGIN ? f->begin : f->end;
}

/* The directory that all of them lie in, in common (its length); 0: the root, or not known. */
static size_t common_directory(const struct facts *f, const struct keys *files, char common[WORDS_PATH])
{
	size_t len = 0;
	bool any = false;
	for (uint32_t i = 0; i < files->room; i++) {
		char path[WORDS_PATH];
		size_t n = 0, slash = 0;
		uint64_t key = files->at[i] - 1;
		const struct know_map *m = words_map(f, key);
		if (!files->at[i])
			continue;
		if (!m || (uint32_t)key >= m->files || *know_path(m, (uint32_t)key, path, sizeof path) != '/')
			return 0;
		if (!any) {
			snprintf(common, WORDS_PATH, "%s", path);
			len = (size_t)(strrchr(common, '/') - common);
			any = true;
		}
		for (; n < len && path[n] == common[n]; n++)
			slash = path[n] == '/' ? n : slash;
		len = n == len && path[n] == '/' ? len : slash;
	}
	return len;
}

void words_files(struct buf *b, const struct facts *f, const struct keys *files, const char *what)
{
	char common[WORDS_PATH];

	if (files->n <= WORDS_NAMES && !files->more) {
		for (unsigned i = 0; i < files->n; i++) {
			buf_printf(b, "%s", words_link(i, files->n));
			words_path(b, words_map(f, files->first[i]), (uint32_t)files->first[i]);
		}
		return;
	}
	if (files->more)
		buf_printf(b, "more than ");
	words_count(b, files->n, what);
	size_t len = common_directory(f, files, common);
	if (len)
		buf_printf(b, " below %.*s", (int)len, common);
	buf_printf(b, ", among them ");
	for (unsigned i = 0; i < 2; i++) {
		buf_printf(b, "%s", words_link(i, 2));
		words_path(b, words_map(f, files->first[i]), (uint32_t)files->first[i]);
	}
}

void words_volume(struct buf *b, const struct know_map *m, unsigned volume)
{
	if (volume && m && volume < m->volumes && m->volume[volume].partition)
		buf_printf(b, "partition %u", m->volume[volume].partition);
	else
		buf_printf(b, volume ? "the volume" : "the disk");
}

/* --- who --- */

const char *words_actor(const char *step, char *to, size_t room)
{
	static const char *const by_name[] = {
		"badblocks", "blkdiscard", "btrfs", "cryptsetup", "debugfs", "dd", "e2fsck", "e2image", "fdisk", "fio", "fsck", "fstrim",
		"gdisk", "lvcreate", "mcopy", "mdadm", "mdel", "mke2fs", "mkfs", "mkntfs", "mkswap", "mmd", "mmove", "mren", "nbdcopy",
		"parted", "part-init", "part-add", "part-disk", "pvcreate", "qemu-img", "qemu-io", "qemu-nbd", "resize2fs", "sfdisk",
		"sgdisk", "sqlite3", "swapon", "sync", "tune2fs", "vgcreate", "virt-format", "wipefs", "xfs_repair",
	};
	static const char *const kernel[] = {
		"chmod", "chown", "cp", "fallocate", "ln", "mkdir", "mount", "mv", "rm", "rm-rf", "rmdir", "rsync", "setfattr", "tar",
		"tar-in", "touch", "truncate", "umount", "unmount", "unpack",
	};
	size_t n = step ? strcspn(step, " \t:,;()") : 0;
	size_t base = step ? strcspn(step, " \t:,;().") : 0; /* mkfs.ext4 */

	if (!n || n >= room)
		return "the client";
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++)
		if (strlen(kernel[i]) == n && memcmp(kernel[i], step, n) == 0)
			return "the kernel";
	for (size_t i = 0; i < ARRAY_LEN(by_name); i++)
		if (strlen(by_name[i]) == base && memcmp(by_name[i], step, base) == 0) {
			snprintf(to, room, "%.*s", (int)n, step);
			return to;
		}
	return "the client";
}
