/* SPDX-License-Identifier: BSD-2-Clause */
/* Inodes, their extents and their names.  The items of an inode come one after the other: it, its names, its extents. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "know/btrfs.h"

enum {
	I_GENERATION = 0, I_SIZE = 16, I_LINKS = 40, I_MODE = 52, I_LEN = 160,
	REF_NAME_LEN = 8, REF_NAME = 10,
	E_COMPRESSION = 16, E_TYPE = 20, E_AT = 21, E_ALL = 29, E_OFFSET = 37, E_COUNT = 45, E_LEN = 53,
	TYPE_INLINE = 0, TYPE_UNWRITTEN = 2,
	L_DIR = 0, L_NAME_LEN = 16, L_NAME = 18,
};

static void see_inode(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data)
{
	unsigned type = get_le32(data + I_MODE) & S_IFMT;
	uint32_t links = get_le32(data + I_LINKS);
	bool system = tree == BTRFS_ROOT_TREE || tree >= -(uint64_t)BTRFS_FIRST_SUBVOLUME; /* caches of free space; relocation */
	bool root = tree == BTRFS_FS_TREE && k->id == BTRFS_FIRST_SUBVOLUME;
	enum know_file_type kind = system ? KNOW_SYSTEM : type == S_IFDIR ? KNOW_DIR : type == S_IFLNK ? KNOW_LINK :
		type == S_IFREG ? KNOW_REGULAR : KNOW_SYSTEM;
	struct know_file file = { .inode = k->id, .size = get_le64(data + I_SIZE), .parent = KNOW_NO_FILE, .volume = (uint16_t)f->volume,
		.type = (uint8_t)kind, .flags = links || system ? 0 : KNOW_DELETED, .links = (uint16_t)MIN(links, (uint32_t)UINT16_MAX),
		.mode = (uint16_t)get_le32(data + I_MODE), .life = (uint32_t)get_le64(data + I_GENERATION) };

	f->inode = k->id;
	f->inode_tree = tree;
	f->inode_system = system;
	f->inode_file = know_add_file(f->b, &file, root ? "/" : NULL, root);
	if (f->inode_file != KNOW_NO_FILE && btrfs_room(&f->file, sizeof *f->file, f->files, &f->file_room, KNOW_FILES_MAX))
		f->file[f->files++] = (struct btrfs_file){ .tree = tree, .inode = k->id, .file = f->inode_file };
}

static void see_name(struct btrfs *f, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	struct btrfs_file *last = f->files ? &f->file[f->files - 1] : NULL;
	size_t len = size >= REF_NAME ? get_le16(data + REF_NAME_LEN) : 0;

	/* The first name of several. */
	if (!last || last->file != f->inode_file || last->parent || !len || len > size - REF_NAME || k->offset == k->id)
		return;
	last->parent = k->offset;
	know_file_name(f->b, f->inode_file, KNOW_NO_FILE, data + REF_NAME, len);
}

static void see_extent(struct btrfs *f, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	struct know_region r = { .home = k->offset, .file = f->inode_file, .kind = f->inode_system ? KNOW_SYSTEM_FILE : KNOW_FILE_DATA };

	if (size < E_LEN || data[E_TYPE] == TYPE_INLINE || f->inode_file == KNOW_NO_FILE)
		return;
	uint64_t at = get_le64(data + E_AT), offset = get_le64(data + E_OFFSET), len = get_le64(data + E_COUNT);
	if (!at)
		return; /* a hole */
	if (data[E_COMPRESSION]) { /* whose bytes are none of the file's; several items may be of one extent */
		if (!seen_add(&f->extents, (at * 0x9e3779b97f4a7c15u) ^ f->inode_file))
			return;
		r.home = KNOW_NOWHERE;
		offset = 0;
		len = get_le64(data + E_ALL);
	}
	if (know_file_set(f->b, f->inode_file)->flags & KNOW_DELETED)
		r.flags |= KNOW_DELETED;
	if (data[E_TYPE] == TYPE_UNWRITTEN)
		r.flags |= KNOW_UNWRITTEN;
	if (offset > UINT64_MAX - at)
		return;
	btrfs_add(f, KNOW_LAYER_PLAIN, at + offset, len, &r);
}

void btrfs_see_file(struct btrfs *f, uint64_t tree, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	if (k->type == BTRFS_INODE && size >= I_LEN)
		see_inode(f, tree, k, data);
	else if (k->id != f->inode || tree != f->inode_tree)
		return;
	else if (k->type == BTRFS_INODE_REF)
		see_name(f, k, data, size);
	else if (k->type == BTRFS_EXTENT_DATA)
		see_extent(f, k, data, size);
}

void btrfs_see_link(struct btrfs *f, const struct btrfs_key *k, const uint8_t *data, size_t size)
{
	size_t len = size >= L_NAME ? get_le16(data + L_NAME_LEN) : 0;
	char *name;

	if (!len || len > size - L_NAME || !btrfs_room(&f->link, sizeof *f->link, f->links, &f->link_room, BTRFS_TREES_MAX) ||
		!(name = strndup((const char *)data + L_NAME, len)))
		return;
	f->link[f->links++] = (struct btrfs_link){ .child = k->offset, .tree = k->id, .dir = get_le64(data + L_DIR), .name = name };
}

static int by_number(const void *a, const void *b)
{
	const struct btrfs_file *l = a, *r = b;
	return l->tree != r->tree ? (l->tree > r->tree) - (l->tree < r->tree) : (l->inode > r->inode) - (l->inode < r->inode);
}

static uint32_t find(const struct btrfs *f, uint64_t tree, uint64_t inode)
{
	const struct btrfs_file wanted = { .tree = tree, .inode = inode };
	const struct btrfs_file *found = bsearch(&wanted, f->file, f->files, sizeof wanted, by_number);
	return found ? found->file : KNOW_NO_FILE;
}

void btrfs_names(struct btrfs *f)
{
	if (!f->files)
		return;
	qsort(f->file, f->files, sizeof *f->file, by_number);
	for (size_t i = 0; i < f->files; i++)
		if (f->file[i].parent)
			know_file_set(f->b, f->file[i].file)->parent = find(f, f->file[i].tree, f->file[i].parent);
	for (size_t i = 0; i < f->links; i++) {
		uint32_t child = find(f, f->link[i].child, BTRFS_FIRST_SUBVOLUME);
		if (child != KNOW_NO_FILE)
			know_file_name(f->b, child, find(f, f->link[i].tree, f->link[i].dir), f->link[i].name, strlen(f->link[i].name));
	}
}

void btrfs_free_files(struct btrfs *f)
{
	for (size_t i = 0; i < f->links; i++)
		free(f->link[i].name);
	free(f->link);
	free(f->file);
}
