/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains of clusters, and the tree of directories. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/bytes.h"
#include "base/util.h"
#include "know/fat.h"

void fat_complain(struct fat *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	know_complain(f->b, f->volume, &f->complaints, fmt, args);
	va_end(args);
}

bool fat_begin(struct fat *f)
{
	if (f->clusters > FAT_CLUSTERS_MAX) {
		know_note(f->b, f->volume, "%" PRIu32 " clusters are more than are looked at: what they are for is left out", f->clusters);
		return false;
	}
	f->taken = calloc(f->clusters / 8 + 1, 1);
	f->reached = calloc(f->clusters / 8 + 1, 1);
	if (f->taken && f->reached)
		return true;
	know_note(f->b, f->volume, "no memory for %" PRIu32 " clusters: what they are for is left out", f->clusters);
	return false;
}

void fat_end(struct fat *f)
{
	free(f->taken);
	free(f->reached);
	free(f->dir);
	free(f->gone);
}

uint32_t fat_next(struct fat *f, uint32_t c)
{
	uint64_t at = f->table + (f->bits == 12 ? c + (uint64_t)c / 2 : f->bits == 16 ? (uint64_t)c * 2 : (uint64_t)c * 4);
	const uint8_t *p = know_peek(f->b, f->volume, at, f->bits < 32 ? 2 : 4);

	if (!p)
		return 0;
	if (f->bits == 12)
		return c & 1 ? get_le16(p) >> 4 : get_le16(p) & 0xfff;
	if (f->bits == 16)
		return get_le16(p);
	return f->bits == 32 ? get_le32(p) & 0x0fffffff : get_le32(p);
}

uint32_t fat_follow(struct fat *f, const struct fat_chain *chain, uint32_t c)
{
	return chain->unchained ? c + 1 : fat_next(f, c);
}

/* Clusters in a row, of one chain. */
static void add_run(struct fat *f, const struct fat_chain *chain, uint32_t first, uint32_t count, uint64_t home, unsigned flags)
{
	struct know_region r = { .off = fat_at(f, first), .len = (uint64_t)count * f->cluster, .home = home, .file = chain->file,
		.kind = (uint8_t)chain->kind, .flags = (uint8_t)flags };

	if (!count)
		return;
	if (home < chain->valid && chain->valid - home < r.len) {
		uint64_t written = (chain->valid - home + f->cluster - 1) / f->cluster * f->cluster;
		if (written < r.len) {
			struct know_region rest = r;
			rest.off += written;
			rest.home += written;
			rest.len -= written;
			rest.flags |= KNOW_UNWRITTEN;
			know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &rest);
			r.len = written;
		}
	} else if (home >= chain->valid) {
		r.flags |= KNOW_UNWRITTEN;
	}
	know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &r);
}

uint32_t fat_claim(struct fat *f, const struct fat_chain *chain)
{
	uint64_t want = (chain->len + f->cluster - 1) / f->cluster;
	uint32_t c = chain->first, first = c, n = 0, run = 0;
	unsigned flags = 0;

	while (fat_is_cluster(f, c) && !fat_bit(f->reached, c) && (!chain->unchained || n < want) && !know_stopped(f->b)) {
		unsigned now = f->loaded && !fat_bit(f->taken, c) ? KNOW_BAD : 0;
		if (run && (c != first + run || now != flags)) {
			add_run(f, chain, first, run, (uint64_t)(n - run) * f->cluster, flags);
			run = 0;
		}
		if (!run) {
			first = c;
			flags = now;
		}
		fat_set(f->reached, c);
		n++;
		run++;
		c = fat_follow(f, chain, c);
	}
	add_run(f, chain, first, run, (uint64_t)(n - run) * f->cluster, flags);
	if (n < want || !chain->unchained) {
		if (fat_is_cluster(f, c) && fat_bit(f->reached, c))
			fat_complain(f, "the chain from cluster %" PRIu32 " runs into cluster %" PRIu32 ", of itself or another",
				chain->first, c);
		else if (n < want)
			fat_complain(f, "the chain from cluster %" PRIu32 " has %" PRIu32 " clusters, and its file needs %" PRIu64,
				chain->first, n, want);
	}
	return n;
}

/* Room for one more; false: no memory, which is no more than a directory that is not looked into. */
static bool grow(void *array, size_t size, size_t used, size_t *room)
{
	void *more, **p = array;

	if (used < *room)
		return true;
	if (!(more = reallocarray(*p, *room * 2 + 64, size)))
		return false;
	*p = more;
	*room = *room * 2 + 64;
	return true;
}

void fat_entry(struct fat *f, const struct know_file *file, const char *name, const struct fat_chain *chain)
{
	uint32_t index = know_add_file(f->b, file, name, strlen(name));
	bool dir = file->type == KNOW_DIR;
	struct fat_chain mine = *chain;

	if (index == KNOW_NO_FILE || !fat_is_cluster(f, chain->first))
		return;
	if (file->flags & KNOW_DELETED) {
		if (grow(&f->gone, sizeof *f->gone, f->gones, &f->gone_room))
			f->gone[f->gones++] = (struct fat_gone){ .file = index, .first = chain->first,
				.len = dir ? 1 : file->size, .dir = dir };
		return;
	}
	if (dir) {
		if (grow(&f->dir, sizeof *f->dir, f->dirs, &f->dir_room))
			f->dir[f->dirs++] = (struct fat_dir){ .file = index, .first = chain->first, .len = chain->len,
				.unchained = chain->unchained };
		return;
	}
	mine.file = index;
	fat_claim(f, &mine);
}

static bool read_entries(struct fat *f, const struct fat_dir *d, struct fat_names *names, uint64_t at, uint64_t len, uint8_t *buf)
{
	bool more = true;

	for (uint64_t done = 0; more && done < len && !know_stopped(f->b); done += FAT_CHUNK) {
		size_t n = (size_t)MIN(len - done, (uint64_t)FAT_CHUNK);
		if (know_read(f->b, f->volume, at + done, n, buf) != 0)
			memset(buf, 0xe5, n); /* as if deleted: what follows it may still be good */
		more = (f->bits == 64 ? exfat_entries : fat_entries)(f, d, names, buf, n / 32 * 32);
	}
	return more;
}

static void read_dir(struct fat *f, const struct fat_dir *d, uint8_t *buf)
{
	struct fat_chain chain = { .first = d->first, .len = d->len, .valid = UINT64_MAX, .file = d->file, .kind = KNOW_DIRECTORY,
		.unchained = d->unchained };
	struct fat_names names = { .units = 0 };
	uint32_t n, c = d->first;

	if (!d->first) {
		read_entries(f, d, &names, f->root, f->root_len, buf);
		return;
	}
	n = fat_claim(f, &chain);
	if (d->file != KNOW_NO_FILE)
		know_file_set(f->b, d->file)->size = (uint64_t)n * f->cluster;
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			c = fat_follow(f, &chain, c);
		if (!fat_is_cluster(f, c) || !read_entries(f, d, &names, fat_at(f, c), f->cluster, buf))
			break;
	}
}

void fat_walk(struct fat *f, const struct fat_dir *root)
{
	uint8_t *buf = malloc(FAT_CHUNK);

	if (buf) {
		read_dir(f, root, buf);
		for (size_t i = 0; i < f->dirs && !know_stopped(f->b); i++) {
			struct fat_dir d = f->dir[i]; /* the queue moves when it grows */
			read_dir(f, &d, buf);
		}
	}
	free(buf);
}

/* The clusters of a deleted file are taken to follow each other as long as they are free: nothing else is left to tell. */
static void add_gone(struct fat *f, const struct fat_gone *g)
{
	struct know_region r = { .file = g->file, .home = 0, .kind = g->dir ? KNOW_DIRECTORY : KNOW_FILE_DATA, .flags = KNOW_DELETED };
	uint64_t want = (g->len + f->cluster - 1) / f->cluster;
	uint32_t c = g->first;

	for (; fat_is_cluster(f, c) && c - g->first < want && !fat_bit(f->taken, c) && !fat_bit(f->reached, c); c++)
		fat_set(f->reached, c);
	r.off = fat_at(f, g->first);
	r.len = (uint64_t)(c - g->first) * f->cluster;
	if (r.len)
		know_add(f->b, f->volume, KNOW_LAYER_PLAIN, &r);
}

void fat_rest(struct fat *f)
{
	uint32_t end = f->clusters + 2, lost = 0;

	if (!f->loaded) {
		know_note(f->b, f->volume, "which clusters are free is not known: there is no list of them");
		return;
	}
	for (uint32_t c = 2, first; c < end && !know_stopped(f->b); c++) {
		bool taken = fat_bit(f->taken, c);
		if (fat_bit(f->reached, c))
			continue;
		for (first = c; c + 1 < end && !fat_bit(f->reached, c + 1) && fat_bit(f->taken, c + 1) == taken; c++)
			;
		lost += taken ? c + 1 - first : 0;
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, taken ? KNOW_UNKNOWN : KNOW_FREE, fat_at(f, first),
			(uint64_t)(c + 1 - first) * f->cluster, 0, taken ? KNOW_LOST : 0);
	}
	if (lost)
		know_note(f->b, f->volume, "%" PRIu32 " clusters are in use, and no file has them", lost);
	for (size_t i = 0; i < f->gones && !know_stopped(f->b); i++)
		add_gone(f, f->gone + i);
	if (f->end > fat_at(f, end)) /* too little for one more cluster */
		know_add_plain(f->b, f->volume, KNOW_LAYER_FREE, KNOW_FREE, fat_at(f, end), f->end - fat_at(f, end), 0, 0);
}
