/* SPDX-License-Identifier: BSD-2-Clause */
/* Superblocks, and in which order the trees are looked at. */
#include <inttypes.h>
#include <stdlib.h>
#include "know/btrfs.h"
#include "know/crc32c.h"

enum {
	S_SUM_LEN = 32, S_FSID = 32, S_AT = 48, S_MAGIC = 64, S_GENERATION = 72, S_ROOT = 80, S_CHUNK_ROOT = 88, S_LOG_ROOT = 96,
	S_SECTOR = 144, S_NODE = 148, S_ARRAY_LEN = 160, S_INCOMPAT = 188, S_SUM_TYPE = 196, S_ROOT_LEVEL = 198, S_CHUNK_LEVEL = 199,
	S_LOG_LEVEL = 200, S_DEVICE = 201, S_DEVICE_BYTES = 209, S_DEVICES = 136, S_LABEL = 299, LABEL_LEN = 256, S_METADATA_ID = 571,
	S_ARRAY = 811, ARRAY_MAX = 2048, S_LEN = 4096,
	INCOMPAT_METADATA_ID = 0x400,
	KEY = 17, CHUNK_LEN = 48, STRIPE_LEN = 32,
	R_AT = 176, R_LEVEL = 238, R_LEN = 239,
	MIRRORS = 3,
};
static const uint64_t tree_log = -(uint64_t)6;

static uint64_t mirror_at(unsigned i)
{
	return i ? 16384ull << 12 * i : 65536; /* 64 KiB, 64 MiB, 256 GiB */
}

static bool is_super(const uint8_t *s, uint64_t at)
{
	uint32_t node = get_le32(s + S_NODE), sector = get_le32(s + S_SECTOR);

	return memcmp(s + S_MAGIC, "_BHRfS_M", 8) == 0 && get_le64(s + S_AT) == at &&
		node >= 4096 && node <= 65536 && !(node & (node - 1)) &&
		sector >= 512 && sector <= 65536 && !(sector & (sector - 1)) && get_le32(s + S_ARRAY_LEN) <= ARRAY_MAX;
}

static bool sum_is_right(const uint8_t *s)
{
	return get_le16(s + S_SUM_TYPE) || ~crc32c(~0u, s + S_SUM_LEN, S_LEN - S_SUM_LEN) == get_le32(s);
}

/* The best of the mirrors: right before wrong, then the newest.  False: there is none.  Adds nothing. */
static bool find_super(struct know_build *b, unsigned volume, uint8_t *best, uint8_t *s, unsigned flags[MIRRORS])
{
	bool found = false, right = false;

	for (unsigned i = 0; i < MIRRORS; i++) {
		uint64_t at = mirror_at(i);
		flags[i] = KNOW_BAD;
		if (at + S_LEN > know_volume(b, volume)->len || know_read(b, volume, at, S_LEN, s) != 0 || !is_super(s, at))
			continue;
		bool now = sum_is_right(s);
		flags[i] = now ? 0 : KNOW_BAD;
		if (!found || now > right || (now == right && get_le64(s + S_GENERATION) > get_le64(best + S_GENERATION))) {
			memcpy(best, s, S_LEN);
			found = true;
			right = now;
		}
	}
	return found;
}

static void add_supers(struct btrfs *f, const unsigned flags[MIRRORS])
{
	uint64_t len = know_volume(f->b, f->volume)->len;

	for (unsigned i = 0; i < MIRRORS && mirror_at(i) + S_LEN <= len; i++) {
		if (flags[i])
			know_note(f->b, f->volume, "the superblock at %" PRIu64 " is wrong", mirror_at(i));
		know_add_plain(f->b, f->volume, KNOW_LAYER_PLAIN, KNOW_SUPERBLOCK, mirror_at(i), S_LEN, i, flags[i] | (i ? KNOW_COPY : 0));
	}
}

/* The chunks that hold the chunk tree. */
static void first_chunks(struct btrfs *f, const uint8_t *s)
{
	const uint8_t *p = s + S_ARRAY, *end = p + get_le32(s + S_ARRAY_LEN);

	while (end - p >= KEY + CHUNK_LEN) {
		struct btrfs_key k = btrfs_key(p);
		size_t size = CHUNK_LEN + (size_t)get_le16(p + KEY + 44) * STRIPE_LEN;
		if (k.type != BTRFS_CHUNK || size > (size_t)(end - p - KEY)) {
			btrfs_complain(f, "the superblock's list of chunks is cut off");
			return;
		}
		btrfs_add_chunk(f, k.offset, p + KEY, size);
		p += KEY + size;
	}
}

static void see_chunk(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	(void)tree;
	if (k->type == BTRFS_CHUNK)
		btrfs_add_chunk(f, k->offset, data, size);
}

static void keep_root(struct btrfs *f, const struct btrfs_key *k, const uint8_t *data, size_t size, bool log)
{
	uint64_t at = size >= R_LEN ? get_le64(data + R_AT) : 0;

	/* A subvolume that is being deleted has one, too; trees that are no more have none. */
	if (at && btrfs_room(&f->root, sizeof *f->root, f->roots, &f->root_room, BTRFS_TREES_MAX))
		f->root[f->roots++] = (struct btrfs_root){ .id = log ? k->offset : k->id, .at = at, .level = data[R_LEVEL], .log = log };
}

static void see_root(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	if (k->type == BTRFS_ROOT)
		keep_root(f, k, data, size, false);
	else if (k->type == BTRFS_ROOT_REF)
		btrfs_see_link(f, k, data, size);
	else
		btrfs_see_file(f, tree, k, data, size);
}

static void see_log_root(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	(void)tree;
	if (k->type == BTRFS_ROOT)
		keep_root(f, k, data, size, true);
}

static bool has_files(const struct btrfs_root *r)
{
	return !r->log && (r->id == BTRFS_FS_TREE || r->id >= BTRFS_FIRST_SUBVOLUME);
}

static void look_at_trees(struct btrfs *f, const uint8_t *s)
{
	bool space = false;

	first_chunks(f, s);
	btrfs_walk(f, get_le64(s + S_CHUNK_ROOT), s[S_CHUNK_LEVEL], BTRFS_CHUNK_TREE, false, see_chunk);
	btrfs_walk(f, get_le64(s + S_ROOT), s[S_ROOT_LEVEL], BTRFS_ROOT_TREE, false, see_root);
	if (get_le64(s + S_LOG_ROOT))
		btrfs_walk(f, get_le64(s + S_LOG_ROOT), s[S_LOG_LEVEL], tree_log, true, see_log_root);
	for (size_t i = 0; i < f->roots && !know_stopped(f->b); i++) {
		const struct btrfs_root *r = f->root + i;
		bool extents = r->id == BTRFS_EXTENT_TREE && !r->log;
		btrfs_walk(f, r->at, r->level, r->id, r->log, extents ? btrfs_see_space : has_files(r) ? btrfs_see_file : NULL);
		space |= extents && f->whole;
	}
	if (space)
		btrfs_end_space(f);
	else
		know_note(f->b, f->volume, "the extent tree is not whole: what is free is not all known");
	btrfs_names(f);
}

bool know_btrfs(struct know_build *b, unsigned volume)
{
	struct know_volume *v = know_volume_set(b, volume);
	struct btrfs f = { .b = b, .volume = volume };
	unsigned flags[MIRRORS];
	uint8_t *s;

	if (v->len < mirror_at(0) + S_LEN || !(s = malloc(2 * S_LEN)))
		return false;
	if (!find_super(b, volume, s, s + S_LEN, flags)) {
		free(s);
		return false;
	}
	f.node = get_le32(s + S_NODE);
	f.device = get_le64(s + S_DEVICE);
	f.generation = get_le64(s + S_GENERATION);
	f.sums = get_le16(s + S_SUM_TYPE) == 0;
	f.fsid = s + (get_le64(s + S_INCOMPAT) & INCOMPAT_METADATA_ID ? S_METADATA_ID : S_FSID);
	v->format = "btrfs";
	v->block = get_le32(s + S_SECTOR);
	v->dirty = get_le64(s + S_LOG_ROOT) != 0;
	know_text(v->name, sizeof v->name, s + S_LABEL, strnlen((const char *)s + S_LABEL, LABEL_LEN), false);
	know_uuid(v->id, s + S_FSID, false);
	if (get_le64(s + S_DEVICES) > 1)
		know_note(b, volume, "one of %" PRIu64 " devices: what is on the others is not looked at", get_le64(s + S_DEVICES));
	if (!f.sums)
		know_note(b, volume, "checksums are not CRC32C and are not checked");
	add_supers(&f, flags);
	know_may_share(b, volume);
	know_fill(b, volume, KNOW_CHUNK); /* what is in a chunk, and nobody tells what it is */
	look_at_trees(&f, s);
	btrfs_add_rest(&f, MIN(get_le64(s + S_DEVICE_BYTES), v->len));
	btrfs_free_files(&f);
	btrfs_free_chunks(&f);
	free(f.root);
	seen_free(&f.nodes);
	seen_free(&f.extents);
	free(s);
	return true;
}
