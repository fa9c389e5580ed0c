/* SPDX-License-Identifier: BSD-2-Clause */
/* changes: which files came, went and became others from one map of a disk to a later one.
 *
 * A file is the same when its inode is, and its inode was not given to another one since (know_file's life; where that is not known, its
 * content lies where it lay, and nothing was written there).  What has no inode (FAT) goes by the place of its content.
 * Memory: some 80 bytes for each file of both maps, until changes_find() returns.  No I/O.  One thread. */
#pragma once
#include "know/know.h"
#include "story/spans.h"

enum { CHANGES_NAMED = 3 };

enum change {
	CH_NEW,
	CH_GONE,
	CH_RENAMED,            /* another name, another directory, or both */
	CH_REPLACED,           /* another file has the name */
	CH_GREW,               /* regular files: longer */
	CH_SHRANK,
	CH_SPACE,              /* regular files, as long as before: in more or less space */
	CH_LINKS,              /* regular files: more or fewer names */
	CH_MODE,               /* other permissions */
	CHANGES
};

struct change_list {
	uint64_t files, dirs, links;          /* how many; links: symbolic ones */
	/* the first of the files (or of what there is, when there is no file): indexes in the maps, KNOW_NO_FILE: is not in it */
	uint32_t was[CHANGES_NAMED], is[CHANGES_NAMED];
	uint64_t space_was[CHANGES_NAMED], space_is[CHANGES_NAMED]; /* bytes of their content on the disk */
	bool over[CHANGES_NAMED];             /* CH_RENAMED: it took the name of another one */
	unsigned names;
};

struct changes {
	struct change_list of[CHANGES];
	bool failed;           /* no memory: nothing is known */
};

/* written: bytes of the disk that were written in between. */
void changes_find(struct changes *c, const struct know_map *before, const struct know_map *after, const struct spans *written);
