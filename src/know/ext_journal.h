/* SPDX-License-Identifier: BSD-2-Clause */
/* ext_journal: what ext_journal.c and ext_replay.c share of one journal. */
#pragma once
#include "base/util.h"
#include "know/ext.h"
#include "know/ext_jbd.h"

enum ext_jstate {
	EXT_J_OLD, EXT_J_COMMITTED,
	EXT_J_OPEN,                  /* the one behind those that are committed, as far as it was written: without a commit block */
	EXT_J_DAMAGED,               /* the same with one: something before it is wrong */
};

struct ext_jblock {                  /* of the journal */
	uint32_t seq;
	uint32_t tag;                /* DATA: its tag; DESC: its first one */
	uint16_t tags;               /* DESC */
	uint8_t type;                /* JBD_... */
	uint8_t state : 4;           /* EXT_J_OLD ... */
	bool bad : 1;
};

struct ext_revoke {
	uint64_t home;
	uint32_t seq;
};

struct ext_journal {
	struct ext *x;
	struct jbd_super s;
	struct ext_piece *piece;     /* pieces: where it lies */
	size_t pieces, pieces_room;
	struct ext_jblock *block;    /* blocks; those that there are, at most s.blocks */
	uint32_t blocks, super;      /* super: where the superblock is */
	struct jbd_tag *tag;
	size_t tags, tags_room;
	struct ext_revoke *revoke;
	size_t revokes, revokes_room;
	struct jbd_tag *some;        /* room for what fits a block */
	uint32_t next;               /* the transaction that was never finished */
};

/* Where block i of the journal is, and how many follow it there; 0: nowhere, for so many blocks. */
uint64_t ext_journal_where(const struct ext_journal *j, uint32_t i, uint64_t *n);
/* A block of it; valid until the next look; NULL: cannot be read. */
const uint8_t *ext_journal_peek(struct ext_journal *j, uint32_t i);
/* The one behind it in the log, which goes round. */
uint32_t ext_journal_behind(const struct ext_journal *j, uint32_t i);

/* ext_replay.c */
void ext_replay_follow(struct ext_journal *j); /* says of each block whether it is to be played */
void ext_replay_take(struct ext_journal *j);   /* what is to be played, for ext_read() */
