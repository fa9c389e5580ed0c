/* SPDX-License-Identifier: BSD-2-Clause */
/* What the things are called that a request touched. */
#include <inttypes.h>
#include <string.h>
#include "story/words.h"

enum how { PLAIN, IN_GROUP, OF_GROUP, OF_FILES, ARE_FILES, JOURNAL, PAGES };

static const struct phrase {
	const char *one, *many, *copy;
	enum how how;
} phrases[KNOW_KINDS] = {
	[KNOW_UNKNOWN] = { "space of which nothing is known", NULL, NULL, PLAIN },
	[KNOW_FREE] = { "free space", NULL, NULL, PLAIN },
	[KNOW_GAP] = { "space in no partition", NULL, NULL, PLAIN },
	[KNOW_BOOT] = { "the boot sector", NULL, "the copy of the boot sector", PLAIN },
	[KNOW_MBR] = { "the MBR", NULL, NULL, PLAIN },
	[KNOW_EBR] = { "the table of logical partitions", NULL, NULL, PLAIN },
	[KNOW_GPT_HEADER] = { "the GPT's header", NULL, "the copy of the header at the end of the disk", PLAIN },
	[KNOW_GPT_ENTRIES] = { "the GPT's entries", NULL, "the copy of the entries", PLAIN },
	[KNOW_SUPERBLOCK] = { "the superblock", "the superblocks", "the superblock", IN_GROUP },
	[KNOW_GROUP_DESC] = { "the group descriptors", "the group descriptors", "the group descriptors", IN_GROUP },
	[KNOW_RESERVED_GDT] = { "the room for more group descriptors", "the room for more group descriptors",
				"the room for more group descriptors", IN_GROUP },
	[KNOW_BLOCK_BITMAP] = { "the block bitmap", "the block bitmaps", NULL, OF_GROUP },
	[KNOW_INODE_BITMAP] = { "the inode bitmap", "the inode bitmaps", NULL, OF_GROUP },
	[KNOW_INODE_TABLE] = { "the inode table", "the inode tables", NULL, OF_GROUP },
	[KNOW_DIRECTORY] = { "the directory", "directory", NULL, ARE_FILES },
	[KNOW_DIR_INDEX] = { "the index of the directory", "directory index", NULL, ARE_FILES },
	[KNOW_EXTENT_NODE] = { "the extent tree of", NULL, NULL, OF_FILES },
	[KNOW_XATTR] = { "extended attributes of", NULL, NULL, OF_FILES },
	[KNOW_SYMLINK] = { "the target of", NULL, NULL, OF_FILES },
	[KNOW_FILE_DATA] = { "the data of", NULL, NULL, OF_FILES },
	[KNOW_SYSTEM_FILE] = { "a file of the file system's own", NULL, NULL, PLAIN },
	[KNOW_MMP] = { "the block of multi-mount protection", NULL, NULL, PLAIN },
	[KNOW_JOURNAL_SUPER] = { "the journal's superblock", NULL, NULL, PLAIN },
	[KNOW_JOURNAL_DESC] = { "the descriptor", NULL, NULL, JOURNAL },
	[KNOW_JOURNAL_DATA] = { "copies of metadata", NULL, NULL, JOURNAL },
	[KNOW_JOURNAL_COMMIT] = { "the commit block", "the commit blocks", NULL, JOURNAL },
	[KNOW_JOURNAL_REVOKE] = { "revocations", NULL, NULL, JOURNAL },
	[KNOW_JOURNAL_REST] = { "the journal", NULL, NULL, PLAIN },
	[KNOW_LOG] = { "the log", NULL, "the copy of the log", PLAIN },
	[KNOW_FAT] = { "the FAT", "the FATs", "the copy of the FAT", PLAIN },
	[KNOW_FAT_INFO] = { "the FSInfo sector", NULL, "the copy of the FSInfo sector", PLAIN },
	[KNOW_AG_HEADER] = { "the headers", "the headers", NULL, OF_GROUP },
	[KNOW_TREE_NODE] = { "tree nodes", NULL, "the copies of tree nodes", PLAIN },
	[KNOW_CHUNK] = { "chunks", NULL, "the copies of chunks", PLAIN },
	[KNOW_LABEL] = { "the label", NULL, "the copy of the label", PLAIN },
	[KNOW_ENCRYPTED] = { "encrypted data", NULL, NULL, PLAIN },
	[KNOW_SWAP_HEADER] = { "the swap header", NULL, NULL, PLAIN },
	[KNOW_SWAP] = { "swap space", NULL, NULL, PLAIN },
	[KNOW_DB_HEADER] = { "header", "the database", NULL, PAGES },
	[KNOW_DB_PAGE] = { "", "the database", NULL, PAGES },
	[KNOW_DB_TABLE] = { "", "the database", NULL, PAGES },
	[KNOW_DB_INDEX] = { "", "the database", NULL, PAGES },
	[KNOW_DB_OVERFLOW] = { "", "the database", NULL, PAGES },
	[KNOW_DB_FREE] = { "", "the database", NULL, PAGES },
	[KNOW_WAL_HEADER] = { "header", "the write-ahead log", NULL, PAGES },
	[KNOW_WAL_FRAME] = { "frames for ", "the write-ahead log", NULL, PAGES },
	[KNOW_ROLLBACK_HEADER] = { "header", "the rollback journal", NULL, PAGES },
	[KNOW_ROLLBACK_PAGE] = { "what was in ", "the rollback journal", NULL, PAGES },
};

/* Kinds that are newer than the table have the words of the map. */
static const char *one_of(const struct item *it)
{
	const char *copy = it->copy ? phrases[it->kind].copy : NULL;
	return copy ? copy : phrases[it->kind].one ? phrases[it->kind].one : know_kinds[it->kind].words;
}

static uint64_t numbers_in(const struct spans *s) { return spans_sum(s); }

static const char *group_word(const struct facts *f, const struct item *it)
{
	const struct know_map *m = f->end ? f->end : f->begin;
	const char *format = m && it->volume < m->volumes ? m->volume[it->volume].format : NULL;
	return format && strcmp(format, "xfs") == 0 ? "allocation group" : format && strcmp(format, "btrfs") == 0 ? "mirror" : "group";
}

static bool is_group_0(const struct spans *s) { return s->n == 1 && s->at[0].from == 0 && s->at[0].to == 1; }

/* XFS has its inodes in chunks, whose numbers are those of inodes. */
static enum how how_of(const struct facts *f, const struct item *it)
{
	return it->kind == KNOW_INODE_TABLE && strcmp(group_word(f, it), "allocation group") == 0 ? PLAIN : phrases[it->kind].how;
}

/* Items [i, j) have the same numbers; "the block bitmap and the inode bitmap of group 0". */
static void put_groups(struct buf *b, const struct facts *f, const struct item *const *it, unsigned i, unsigned j)
{
	enum how how = how_of(f, it[i]);
	bool one = numbers_in(&it[i]->numbers) == 1 && !it[i]->numbers.more;

	if (it[i]->copy)
		buf_printf(b, "copies of ");
	for (unsigned k = i; k < j; k++) {
		const struct phrase *p = &phrases[it[k]->kind];
		buf_printf(b, "%s%s", words_link(k - i, j - i), !it[k]->copy && !one && p->many ? p->many : one_of(it[k]));
	}
	if (how == IN_GROUP && is_group_0(&it[i]->numbers))
		return;
	buf_printf(b, " %s %s%s ", how == IN_GROUP ? "in" : "of", group_word(f, it[i]), one ? "" : "s");
	words_numbers(b, &it[i]->numbers);
}

static void put_transactions(struct buf *b, const struct facts *f, const struct item *const *it, unsigned i, unsigned j)
{
	const struct know_map *m = f->end ? f->end : f->begin;
	uint64_t block = m && it[i]->volume < m->volumes ? m->volume[it[i]->volume].block : 0;
	struct spans all = { 0 };
	uint64_t bytes = 0, desc = 0, files = 0;
	bool commits = it[i]->kind == KNOW_JOURNAL_COMMIT, revoke = false;

	for (unsigned k = i; k < j; k++) {
		for (uint32_t n = 0; n < it[k]->numbers.n; n++)
			spans_add(&all, it[k]->numbers.at[n].from, it[k]->numbers.at[n].to);
		bytes += it[k]->kind == KNOW_JOURNAL_DATA ? it[k]->bytes : 0;
		files += it[k]->kind == KNOW_JOURNAL_DATA ? it[k]->of_files : 0;
		desc += it[k]->kind == KNOW_JOURNAL_DESC ? it[k]->bytes : 0;
		revoke |= it[k]->kind == KNOW_JOURNAL_REVOKE;
	}
	bool one = numbers_in(&all) == 1;
	if (commits) {
		buf_printf(b, one ? "the commit block of journal transaction " : "the commit blocks of journal transactions ");
		words_numbers(b, &all);
	} else {
		buf_printf(b, "journal transaction%s ", one ? "" : "s");
		words_numbers(b, &all);
		buf_printf(b, " (");
		if (desc)
			buf_printf(b, "%s descriptor%s", one ? "its" : "their", one && desc <= block ? "" : "s");
		if (bytes) {
			buf_printf(b, desc ? revoke ? ", " : " and " : "");
			words_size(b, bytes);
			buf_printf(b, " of copies of %s", !files ? "metadata" : files == bytes ? "the data of files" :
				   "metadata and the data of files");
		}
		if (revoke)
			buf_printf(b, "%srevoked blocks", desc || bytes ? " and " : "");
		buf_printf(b, ")");
	}
	spans_free(&all);
}

/* "the database /x.db (header and 2 pages)".  many is what it is called, one what its parts are. */
static void put_pages(struct buf *b, const struct facts *f, const struct item *const *it, unsigned i, unsigned j)
{
	struct spans all = { 0 };
	bool more = false, header = false;
	const char *part = "";

	for (unsigned k = i; k < j; k++) {
		bool head = strcmp(phrases[it[k]->kind].one, "header") == 0;
		header |= head;
		part = head ? part : phrases[it[k]->kind].one;
		for (uint32_t n = 0; n < it[k]->numbers.n && !head; n++)
			spans_add(&all, it[k]->numbers.at[n].from, it[k]->numbers.at[n].to);
		more |= it[k]->numbers.more || all.more;
	}
	buf_printf(b, "%s ", phrases[it[i]->kind].many);
	words_files(b, f, &it[i]->files, "file");
	buf_printf(b, " (%s", header ? all.n ? "header and " : "header" : "");
	if (all.n) {
		buf_printf(b, "%s%s", part, more ? "more than " : "");
		words_count(b, numbers_in(&all), "page");
	}
	buf_printf(b, ")");
	spans_free(&all);
}

static void put_label(struct buf *b, const struct item *it)
{
	static const char *const parts[] = {
		[KNOW_LABEL_ITSELF] = "the label", [KNOW_LABEL_METADATA] = "the metadata area",
		[KNOW_LABEL_WRITE_BITMAP] = "the write-intent bitmap", [KNOW_LABEL_BAD_BLOCKS] = "the list of bad blocks",
		[KNOW_LABEL_RESERVED] = "reserved space", [KNOW_LABEL_HEADER] = "the header", [KNOW_LABEL_KEYS] = "the room for keys",
	};
	size_t n = 0, told = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		n += spans_covers(&it->numbers, i, i + 1);
	buf_printf(b, it->copy ? "copies of " : n ? "" : "the label");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t part = (i + KNOW_LABEL_HEADER) % ARRAY_LEN(parts); /* the header first */
		if (spans_covers(&it->numbers, part, part + 1))
			buf_printf(b, "%s%s", words_link(told++, n), parts[part]);
	}
}

static void put_item(struct buf *b, const struct facts *f, const struct item *it)
{
	const struct phrase *p = &phrases[it->kind];
	const struct know_map *m = it->files.n ? words_map(f, it->files.first[0]) : NULL;
	const struct know_file *file = m && (uint32_t)it->files.first[0] < m->files ? &m->file[(uint32_t)it->files.first[0]] : NULL;
	bool indirect;

	switch (how_of(f, it)) {
	case ARE_FILES:
		if (it->files.n <= 1)
			buf_printf(b, "%s ", one_of(it));
		else if (it->files.n <= WORDS_NAMES)
			buf_printf(b, it->kind == KNOW_DIRECTORY ? "the directories " : "the indexes of the directories ");
		words_files(b, f, &it->files, p->many);
		break;
	case OF_FILES:
		indirect = it->kind == KNOW_EXTENT_NODE && it->numbers.n && it->numbers.at[0].from == 1;
		buf_printf(b, "%s%s ", it->copy ? "the copies of " : "", indirect ? "indirect blocks of" : p->one);
		if (it->files.n)
			words_files(b, f, &it->files, "file");
		else
			buf_printf(b, "a file");
		break;
	default:
		if (it->kind == KNOW_LABEL) {
			put_label(b, it);
			return;
		}
		if (it->kind == KNOW_INODE_TABLE)
			buf_printf(b, "inodes");
		else if (it->kind == KNOW_MBR)
			buf_printf(b, it->numbers.n && it->numbers.at[0].from == 1 ? "the protective MBR" : "the MBR");
		else
			buf_printf(b, "%s", one_of(it));
		if ((it->kind == KNOW_JOURNAL_REST || it->kind == KNOW_LOG || it->kind == KNOW_SYSTEM_FILE) && file && file->inode)
			buf_printf(b, " (inode %" PRIu64 ")", file->inode);
	}
}

/* How many items from i on go into one phrase. */
static unsigned together(const struct facts *f, const struct item *const *it, unsigned i, unsigned n)
{
	enum how how = how_of(f, it[i]);
	unsigned j = i + 1;
	if (how == JOURNAL)
		while (j < n && phrases[it[j]->kind].how == JOURNAL &&
		       (it[j]->kind == KNOW_JOURNAL_COMMIT) == (it[i]->kind == KNOW_JOURNAL_COMMIT))
			j++;
	if (how == PAGES)
		while (j < n && phrases[it[j]->kind].how == PAGES && strcmp(phrases[it[j]->kind].many, phrases[it[i]->kind].many) == 0 &&
		       it[j]->files.n == it[i]->files.n &&
		       memcmp(it[j]->files.first, it[i]->files.first, sizeof it[i]->files.first) == 0)
			j++;
	if (how == IN_GROUP || how == OF_GROUP)
		while (j < n && how_of(f, it[j]) == how && it[j]->copy == it[i]->copy && it[j]->volume == it[i]->volume &&
		       spans_same(&it[j]->numbers, &it[i]->numbers))
			j++;
	return j - i;
}

/* A whole GPT, as it is always written: both ends of the disk. */
static bool put_gpt(struct buf *b, const struct act *a)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < a->items; i++) {
		const struct item *it = &a->item[i];
		if (it->kind != KNOW_MBR && it->kind != KNOW_GPT_HEADER && it->kind != KNOW_GPT_ENTRIES)
			return false;
		seen |= (it->kind == KNOW_MBR ? 1u : it->kind == KNOW_GPT_HEADER ? 2u : 8u) << (it->kind != KNOW_MBR && it->copy);
	}
	if (seen != 0x1f)
		return false;
	buf_printf(b, "the GPT (protective MBR, header and entries) and its copy at the end of the disk");
	return true;
}

/* Zeroed or discarded as a whole. */
static bool put_journal(struct buf *b, const struct act *a)
{
	bool rest = false;
	for (unsigned i = 0; i < a->items; i++) {
		if (know_kinds[a->item[i].kind].class != KC_JOURNAL || a->op == REC_READ || a->op == REC_WRITE)
			return false;
		rest |= a->item[i].kind == KNOW_JOURNAL_REST;
	}
	if (rest)
		buf_printf(b, "the journal");
	return rest;
}

static unsigned systems_in(const struct know_map *m)
{
	unsigned n = 0;
	for (size_t i = 0; m && i < m->volumes; i++)
		n += m->volume[i].format && m->volume[i].partition;
	return n;
}

void words_items(struct buf *b, const struct facts *f, const struct act *a)
{
	const struct item *it[FACT_ITEMS];
	unsigned n = 0, parts = 0, part = 0;
	bool several = systems_in(f->end) > 1 || systems_in(f->begin) > 1;

	if (put_gpt(b, a) || put_journal(b, a))
		return;
	for (unsigned i = 0; i < a->items; i++)
		it[n++] = &a->item[i];
	for (unsigned i = 0; i < n; i += together(f, it, i, n))
		parts++;
	for (unsigned i = 0, j; i < n; i = j, part++) {
		j = i + together(f, it, i, n);
		/* parts that have an "and" of their own are easier to tell apart by a comma */
		buf_printf(b, "%s", part == 0 ? "" : part + 1 == parts ? parts > 2 || j - i > 1 ? ", and " : " and " : ", ");
		enum how how = how_of(f, it[i]);
		if (how == JOURNAL)
			put_transactions(b, f, it, i, j);
		else if (how == PAGES)
			put_pages(b, f, it, i, j);
		else if (how == IN_GROUP || how == OF_GROUP)
			put_groups(b, f, it, i, j);
		else
			put_item(b, f, it[i]);
		if (several && it[i]->volume && (j == n || it[j]->volume != it[i]->volume)) {
			buf_printf(b, " of ");
			words_volume(b, f->end ? f->end : f->begin, it[i]->volume);
		}
	}
}
