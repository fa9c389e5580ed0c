/* SPDX-License-Identifier: BSD-2-Clause */
/* words: pieces of sentences.  Each appends to a buffer; when that is full, the sentence is cut, and nobody minds.  Pure functions. */
#pragma once
#include "base/buf.h"
#include "story/facts.h"

enum { WORDS_RANGES = 8, WORDS_PARTS = 5, WORDS_PLACES = 6, WORDS_NAMES = 3, WORDS_PATH = 512 };

/* What stands before part i of n: nothing, a comma, "and". */
const char *words_link(size_t i, size_t n);
/* The map that a key of an item's files belongs to; NULL: none. */
const struct know_map *words_map(const struct facts *f, uint64_t key);
void words_size(struct buf *b, uint64_t bytes);
/* "1 request", "1,234 requests"; "1 directory", "2 directories". */
void words_count(struct buf *b, uint64_t n, const char *what);
/* "1, 3, 5 and 7", "2 to 7". */
void words_numbers(struct buf *b, const struct spans *s);
/* "at 17 MiB", "at the start of the disk", "1 KiB each at 9, 25 and 41 MiB".  size: of the disk, 0 when not known. */
void words_places(struct buf *b, const struct spans *s, uint64_t size);
/* "the data of 41 files below /files (/files/a, /files/b and others)": what goes before is the caller's, as "data of". */
void words_files(struct buf *b, const struct facts *f, const struct keys *files, const char *what);
/* What a list of items is called, in the order they were touched. */
void words_items(struct buf *b, const struct facts *f, const struct act *a);
/* "partition 1", "the disk". */
void words_volume(struct buf *b, const struct know_map *m, unsigned volume);
/* A path, for a sentence: what is not printable is shown as '?'. */
void words_path(struct buf *b, const struct know_map *m, uint32_t file);
/* The name of who acts, by the name of the step; "the client" when that does not tell.  Into to, of room bytes. */
const char *words_actor(const char *step, char *to, size_t room);
