/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "know/know.h"
#include "know/text.h"

const char *const know_class_names[KC_CLASSES] = {
	[KC_NOTHING] = "nothing", [KC_TABLE] = "table", [KC_SUPER] = "super", [KC_BITMAP] = "bitmap", [KC_INODES] = "inodes",
	[KC_JOURNAL] = "journal", [KC_DIRECTORY] = "directory", [KC_TREE] = "tree", [KC_DATA] = "data", [KC_DATABASE] = "database",
};

const struct know_kind_info know_kinds[KNOW_KINDS] = {
	[KNOW_UNKNOWN] = { "unknown", "unknown", KC_NOTHING },
	[KNOW_FREE] = { "free", "free space", KC_NOTHING },
	[KNOW_GAP] = { "gap", "in no partition", KC_NOTHING },
	[KNOW_BOOT] = { "boot", "boot code", KC_TABLE },
	[KNOW_MBR] = { "mbr", "MBR", KC_TABLE },
	[KNOW_EBR] = { "ebr", "EBR", KC_TABLE },
	[KNOW_GPT_HEADER] = { "gpt-header", "GPT header", KC_TABLE },
	[KNOW_GPT_ENTRIES] = { "gpt-entries", "GPT entries", KC_TABLE },
	[KNOW_SUPERBLOCK] = { "superblock", "superblock", KC_SUPER },
	[KNOW_GROUP_DESC] = { "group-descriptors", "group descriptors", KC_SUPER },
	[KNOW_RESERVED_GDT] = { "reserved-gdt", "room for more group descriptors", KC_SUPER },
	[KNOW_BLOCK_BITMAP] = { "block-bitmap", "block bitmap", KC_BITMAP },
	[KNOW_INODE_BITMAP] = { "inode-bitmap", "inode bitmap", KC_BITMAP },
	[KNOW_INODE_TABLE] = { "inode-table", "inode table", KC_INODES },
	[KNOW_DIRECTORY] = { "directory", "directory", KC_DIRECTORY },
	[KNOW_DIR_INDEX] = { "directory-index", "index of directory", KC_DIRECTORY },
	[KNOW_EXTENT_NODE] = { "extent-node", "extents of", KC_TREE },
	[KNOW_XATTR] = { "xattr", "extended attributes of", KC_TREE },
	[KNOW_SYMLINK] = { "symlink", "target of", KC_DATA },
	[KNOW_FILE_DATA] = { "file-data", "data of", KC_DATA },
	[KNOW_SYSTEM_FILE] = { "system-file", "system file", KC_TREE },
	[KNOW_MMP] = { "mmp", "multi-mount protection", KC_SUPER },
	[KNOW_JOURNAL_SUPER] = { "journal-superblock", "superblock of the journal", KC_JOURNAL },
	[KNOW_JOURNAL_DESC] = { "journal-descriptor", "descriptor in the journal", KC_JOURNAL },
	[KNOW_JOURNAL_DATA] = { "journal-data", "copy in the journal", KC_JOURNAL },
	[KNOW_JOURNAL_COMMIT] = { "journal-commit", "commit in the journal", KC_JOURNAL },
	[KNOW_JOURNAL_REVOKE] = { "journal-revoke", "revocations in the journal", KC_JOURNAL },
	[KNOW_JOURNAL_REST] = { "journal-rest", "unused part of the journal", KC_JOURNAL },
	[KNOW_LOG] = { "log", "log", KC_JOURNAL },
	[KNOW_FAT] = { "fat", "FAT", KC_BITMAP },
	[KNOW_FAT_INFO] = { "fat-info", "FSInfo sector", KC_SUPER },
	[KNOW_AG_HEADER] = { "ag-header", "header", KC_BITMAP },
	[KNOW_TREE_NODE] = { "tree-node", "tree node", KC_TREE },
	[KNOW_CHUNK] = { "chunk", "chunk", KC_DATA },
	[KNOW_LABEL] = { "label", "label", KC_TABLE },
	[KNOW_MEMBER] = { "member", "part of an array or logical volume", KC_DATA },
	[KNOW_ENCRYPTED] = { "encrypted", "encrypted data", KC_DATA },
	[KNOW_SWAP_HEADER] = { "swap-header", "swap header", KC_TABLE },
	[KNOW_SWAP] = { "swap", "swap space", KC_DATA },
	[KNOW_DB_HEADER] = { "database-header", "database header", KC_DATABASE },
	[KNOW_DB_PAGE] = { "database-page", "database page", KC_DATABASE },
	[KNOW_DB_TABLE] = { "database-table", "table page", KC_DATABASE },
	[KNOW_DB_INDEX] = { "database-index", "index page", KC_DATABASE },
	[KNOW_DB_OVERFLOW] = { "database-overflow", "overflow page", KC_DATABASE },
	[KNOW_DB_FREE] = { "database-free", "free page", KC_DATABASE },
	[KNOW_WAL_HEADER] = { "wal-header", "header of the write-ahead log", KC_DATABASE },
	[KNOW_WAL_FRAME] = { "wal-frame", "frame of the write-ahead log", KC_DATABASE },
	[KNOW_ROLLBACK_HEADER] = { "rollback-header", "header of the rollback journal", KC_DATABASE },
	[KNOW_ROLLBACK_PAGE] = { "rollback-page", "page in the rollback journal", KC_DATABASE },
};

/* --- paths --- */

enum { PATH_DEPTH = 256 };

char *know_path(const struct know_map *m, uint32_t file, char *to, size_t room)
{
	struct text t = { .to = to, .room = room };
	uint32_t chain[PATH_DEPTH];
	size_t n = 0;
	bool root = false;

	*to = '\0';
	for (uint32_t at = file; at < m->files && n < PATH_DEPTH; at = m->file[at].parent) {
		const struct know_file *f = &m->file[at];
		root = f->type == KNOW_DIR && f->name && strcmp(m->names + f->name, "/") == 0;
		if (root)
			break;
		chain[n++] = at;
		if (!f->name)
			break;
	}
	if (root && !n)
		text_add(&t, "/");
	if (n == PATH_DEPTH)
		text_add(&t, "...");
	for (size_t i = n; i > 0; i--) {
		const struct know_file *f = &m->file[chain[i - 1]];
		if (root || i < n || n == PATH_DEPTH)
			text_add(&t, "/");
		if (f->name)
			text_quote(&t, m->names + f->name);
		else
			text_add(&t, i > 1 ? "<inode %" PRIu64 ">" : "inode %" PRIu64, f->inode);
	}
	return to;
}

char *know_volume_words(const struct know_map *m, unsigned volume, char *to, size_t room)
{
	struct text t = { .to = to, .room = room };

	*to = '\0';
	if (!volume)
		text_add(&t, "the disk");
	for (unsigned depth = 0; volume && volume < m->volumes && depth < 4; depth++, volume = m->volume[volume].parent) {
		const struct know_volume *v = &m->volume[volume];
		text_add(&t, depth ? " of " : "");
		if (v->partition)
			text_add(&t, "partition %u", v->partition);
		else if (v->name[0])
			text_add(&t, "volume %s", v->name);
		else
			text_add(&t, "volume %u", volume);
	}
	return to;
}

/* --- regions --- */

static const char *unit_of(const struct know_map *m, const struct know_region *r)
{
	const char *format = r->volume < m->volumes ? m->volume[r->volume].format : NULL;
	return !format ? "group" : strcmp(format, "xfs") == 0 ? "AG" : strcmp(format, "btrfs") == 0 ? "mirror" : "group";
}

static void add_file(struct text *t, const struct know_map *m, uint32_t file)
{
	char path[1024];

	if (file >= m->files) {
		text_add(t, " a file");
		return;
	}
	const struct know_file *f = &m->file[file];
	text_add(t, " %s", know_path(m, file, path, sizeof path));
	if (f->name && f->inode)
		text_add(t, " (inode %" PRIu64 ")", f->inode);
}

struct tree {
	uint64_t number;
	const char *of;
};

/* Of XFS a magic number, of btrfs the tree's own. */
static void add_tree(struct text *t, const struct know_map *m, const struct know_region *r)
{
	static const struct tree xfs[] = { { 0x41423342, "free space by place" }, { 0x41423343, "free space by size" },
		{ 0x49414233, "inodes" }, { 0x46494233, "free inodes" }, { 0x524d4233, "owners" }, { 0x52334643, "shared blocks" } };
	static const struct tree btrfs[] = { { 1, "roots" }, { 2, "extents" }, { 3, "chunks" }, { 4, "devices" }, { 5, "files" },
		{ 7, "checksums" }, { 8, "quotas" }, { 9, "UUIDs" }, { 10, "free space" }, { 11, "block groups" },
		{ -(uint64_t)9, "relocation" } };
	bool is_xfs = strcmp(unit_of(m, r), "AG") == 0;
	const struct tree *trees = is_xfs ? xfs : btrfs;

	for (size_t i = 0; i < (is_xfs ? ARRAY_LEN(xfs) : ARRAY_LEN(btrfs)); i++)
		if (trees[i].number == r->number) {
			text_add(t, "node of the tree of %s", trees[i].of);
			return;
		}
	text_add(t, "tree node");
	if (!is_xfs && r->number)
		text_add(t, " of %s %" PRId64, r->number >= 256 && r->number < 1ull << 63 ? "subvolume" : "tree", (int64_t)r->number);
}

static void add_words(struct text *t, const struct know_map *m, const struct know_region *r, bool deeper)
{
	static const char *const label[] = { "label", "metadata", "write-intent bitmap", "list of bad blocks", "reserved", "header",
		"room for keys" };
	const char *words = r->kind < KNOW_KINDS ? know_kinds[r->kind].words : "unknown";
	const struct know_region *home;

	switch (r->kind) {
	case KNOW_SUPERBLOCK:
	case KNOW_GROUP_DESC:
	case KNOW_RESERVED_GDT:
		text_add(t, "%s%s", r->flags & KNOW_COPY ? "backup of the " : "", words);
		if (r->flags & KNOW_COPY || r->number || r->kind != KNOW_SUPERBLOCK)
			text_add(t, " in %s %" PRIu64, unit_of(m, r), r->number);
		return;
	case KNOW_BLOCK_BITMAP:
	case KNOW_INODE_BITMAP:
	case KNOW_INODE_TABLE:
	case KNOW_AG_HEADER:
		if (r->kind == KNOW_INODE_TABLE && strcmp(unit_of(m, r), "AG") == 0)
			text_add(t, "inodes from %" PRIu64 " on", r->number);
		else
			text_add(t, "%s of %s %" PRIu64, words, unit_of(m, r), r->number);
		return;
	case KNOW_MBR:
		text_add(t, "%s%s", r->number ? "protective " : "", words);
		return;
	case KNOW_EBR:
		text_add(t, "%s of logical partition %" PRIu64, words, r->number);
		return;
	case KNOW_FAT:
		text_add(t, "%s %" PRIu64, words, r->number);
		return;
	case KNOW_GPT_HEADER:
	case KNOW_GPT_ENTRIES:
		text_add(t, "%s%s", r->flags & KNOW_COPY ? "second " : "", words);
		return;
	case KNOW_TREE_NODE:
		add_tree(t, m, r);
		return;
	case KNOW_LABEL:
		text_add(t, "%s%s", r->flags & KNOW_COPY && r->number == KNOW_LABEL_HEADER ? "second " : "",
			r->number < ARRAY_LEN(label) ? label[r->number] : words);
		return;
	case KNOW_MEMBER: {
		const struct know_volume *v = r->volume < m->volumes ? &m->volume[r->volume] : NULL;
		bool array = v && v->format && strncmp(v->format, "md", 2) == 0;
		text_add(t, "part of %s%s%s", array ? "array" : "logical volume", v && v->name[0] ? " " : "", v ? v->name : "");
		if (array && r->number < UINT16_MAX - 8u) /* the greatest stand for spares and the like */
			text_add(t, ", disk %" PRIu64 " of %s", r->number, v->format);
		return;
	}
	case KNOW_EXTENT_NODE:
		text_add(t, "%s", r->number ? "indirect block of" : words);
		break;
	case KNOW_JOURNAL_DESC:
	case KNOW_JOURNAL_COMMIT:
		text_add(t, "%s, transaction %" PRIu64, words, r->number);
		return;
	case KNOW_JOURNAL_DATA:
		text_add(t, "%s, transaction %" PRIu64, words, r->number);
		if (r->home == KNOW_NOWHERE || !deeper || !(home = know_find(m, r->home)))
			return;
		text_add(t, ", of ");
		add_words(t, m, home, false);
		return;
	case KNOW_DB_PAGE:
	case KNOW_DB_TABLE:
	case KNOW_DB_INDEX:
	case KNOW_DB_OVERFLOW:
	case KNOW_DB_FREE:
	case KNOW_WAL_FRAME:
	case KNOW_ROLLBACK_PAGE:
		text_add(t, r->kind == KNOW_WAL_FRAME || r->kind == KNOW_ROLLBACK_PAGE ? "%s, page %" PRIu64 ", in" : "%s %" PRIu64 " of",
			words, r->number);
		add_file(t, m, r->file);
		return;
	case KNOW_DB_HEADER:
	case KNOW_WAL_HEADER:
	case KNOW_ROLLBACK_HEADER:
		text_add(t, "%s%s", words, r->kind == KNOW_DB_HEADER ? " of" : ",");
		add_file(t, m, r->file);
		return;
	default:
		text_add(t, "%s", words);
	}
	if (r->file == KNOW_NO_FILE)
		return;
	add_file(t, m, r->file);
	if (r->kind == KNOW_FILE_DATA && r->home != KNOW_NOWHERE)
		text_add(t, ", bytes %" PRIu64 " to %" PRIu64, r->home, r->home + r->len - 1);
	if (r->kind == KNOW_FILE_DATA && r->number)
		text_add(t, ", shared with %" PRIu64 " other%s", r->number, r->number == 1 ? "" : "s");
}

char *know_words(const struct know_map *m, const struct know_region *r, char *to, size_t room)
{
	static const struct { unsigned flag; const char *words; } flags[] = {
		{ KNOW_BAD, "damaged" }, { KNOW_DELETED, "deleted" }, { KNOW_UNWRITTEN, "not yet written" }, { KNOW_OLD, "old" },
		{ KNOW_LOST, "in use, but nothing refers to it" }, { KNOW_UNCOMMITTED, "not committed" },
	};
	struct text t = { .to = to, .room = room };

	*to = '\0';
	add_words(&t, m, r, true);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (r->flags & flags[i].flag)
			text_add(&t, "; %s", flags[i].words);
	return to;
}
