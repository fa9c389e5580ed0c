/* SPDX-License-Identifier: BSD-2-Clause */
/* part: what MBR and GPT share: part.c and gpt.c. */
#pragma once
#include "know/build.h"

/* A partition as its table tells, in bytes of the volume: cut to it and added, or a note tells why not.  table: bytes at the volume's
 * beginning that the table itself needs.  The new volume, or -1. */
int part_add(struct know_build *b, unsigned volume, unsigned number, uint64_t off, uint64_t len, uint64_t table);
/* A note for each two volumes in this one that overlap, the first few of them. */
void part_note_overlaps(struct know_build *b, unsigned volume);

/* A GPT, by its first header or else by its second; false: there is none, and nothing was added.  at_end: look for the second one in the
 * last sector when nothing is left of the first. */
bool gpt_look(struct know_build *b, unsigned volume, bool at_end);
