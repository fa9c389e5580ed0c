/* SPDX-License-Identifier: BSD-2-Clause */
/* private: what the files of the expect library share.  Names that are not for its users begin with mx_.
 *
 *   the core    handle.c  a handle and its buffer; match.c  the text against the list; expect.c  waiting; with clock, utf
 *   a program   spawn, environ; send, line; close
 *   more        settings, text, debug, compile, leftmost, whole; try, any; wait, say, password, transcript, interact
 *
 * A handle has one thread. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "miniexpect.h"

#define MX_NEVER UINT64_MAX

/* How far one regexp of the list has come. */
struct mx_want {
	const pcre2_code *re;
	size_t from;      /* in h->buffer: where scans begin; nowhere before this can a match begin */
	size_t open;      /* >= from: nor before this, by what PCRE2 said */
	size_t seen;      /* bytes of h->buffer that the last scan saw, >= from */
	size_t context;   /* bytes before a match that it may look at */
	bool pending;     /* the last scan ended in the middle of what may become a match at open */
	bool found;       /* MEXP_ORDER_LEFTMOST: matches at open, but another one may match before it */
	bool dead;        /* can match no more */
	bool anchored;    /* can only match at the beginning of the text */
	bool at_end;      /* must match up to the end of the text: only known there */
	bool utf, lenient; /* PCRE2_UTF, PCRE2_MATCH_INVALID_UTF */
};

struct mexp_state {
	/* handle.c: h->buffer lies in store */
	char *store;
	size_t store_size;
	size_t keep, max_buffer;  /* bytes */
	bool max_is_set;
	unsigned long long lost;  /* bytes before h->buffer since the last match */

	/* match.c */
	struct mx_want *want;     /* for each regexp of the list, wants_max of them, ours */
	size_t wants, wants_max;
	enum mexp_order order;
	pcre2_match_context *context;
	pcre2_jit_stack *jit_stack;
	pcre2_match_data *own, *used; /* ours, for callers without; the one of the last match, or NULL */
	size_t start, end;        /* of the last match, in h->buffer, with used */
	const pcre2_code *empty;  /* matched nothing at end: must not do so there again */
	unsigned long long scanned; /* bytes looked at, for the tests of linearity */
	bool gave_up;             /* the last scan of a whole text took too long */
	size_t large;             /* bytes: texts of this size are tried start by start at their end */

	/* expect.c */
	bool waiting;             /* a mexp_try_expect() has begun */
	bool kept;                /* the last answer was no match: the text stays, next_match is -1 all the same */
	bool paused;              /* what there is was judged as if nothing more came */
	uint64_t deadline, wake;  /* ns, monotonic; or MX_NEVER */
	uint64_t last_input;      /* ns */
	int settle_ms;

	/* set by mx_adopt() */
	int pidfd;                /* or -1 */
	bool tty_eof, socket;
	atomic_size_t line;       /* line.c: bytes of an unfinished line in the terminal */

	/* transcript.c: called with everything read ('o') and written ('i'). */
	void (*tap)(mexp_h *h, char direction, const char *bytes, size_t len);
	struct mx_transcript *transcript;
};

/* --- handle.c --- */
mexp_h *mx_new(void);                              /* without a descriptor; NULL + errno */
void mx_adopt(mexp_h *h, int fd, pid_t pid, unsigned flags); /* both are h's from now on */
void mx_free(mexp_h *h);                           /* closes fd, too; NULL is fine */
/* Room for n more bytes and a NUL after h->buffer[len]: 0 or -1 + errno. */
int mx_room(mexp_h *h, size_t n);
void mx_arrived(mexp_h *h, size_t n);              /* n bytes were put there */
void mx_drop(mexp_h *h, size_t n);                 /* the first n bytes of h->buffer go, n <= len */

/* --- match.c: no I/O --- */
enum mx_end {
	MX_MORE,  /* more may come */
	MX_PAUSE, /* judge as if this were all, but more may come */
	MX_END,   /* this is all */
};
/* Begin with a new list, on what next_match leaves of the text: 0 or MEXP_ERROR. */
int mx_begin(mexp_h *h, const mexp_regexp *list);
bool mx_same_list(const mexp_h *h, const mexp_regexp *list); /* as mx_begin() got */
/* r of the regexp that matches, then h->next_match is set; MEXP_AGAIN: none; MEXP_PCRE_ERROR; MEXP_ERROR.  quiet: also look at
 * what is not worth it while more comes. */
int mx_scan(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, enum mx_end end, bool quiet);
/* One pcre2_match() from w->from. */
int mx_match(mexp_h *h, const mexp_regexp *x, const struct mx_want *w, size_t len, uint32_t options, pcre2_match_data *md);
/* One regexp: 1: matches, its match is in md; 0: does not; MEXP_PCRE_ERROR. */
int mx_try(mexp_h *h, const mexp_regexp *list, size_t i, enum mx_end end, pcre2_match_data *md);
bool mx_worth_it(const mexp_h *h, const struct mx_want *w, bool quiet); /* has enough arrived since the last scan? */
bool mx_pending(const mexp_h *h);                  /* MX_PAUSE could find what MX_MORE did not */
bool mx_postponed(const mexp_h *h, size_t *bytes); /* the last scan left something out; of how many bytes */
void mx_forget(mexp_h *h);                         /* drop what no match can need */

/* --- expect.c --- */
/* Read what is there without waiting, once; ready: poll(2) says so.  Bytes > 0; 0: nothing; MX_EOF; -1 + errno. */
enum { MX_EOF = -2 };
ssize_t mx_read(mexp_h *h, bool ready);
int mx_full(const mexp_h *h);                      /* the buffer is as full as it may get: MEXP_FULL or MEXP_ERROR; else MEXP_AGAIN */
/* Also until the program exits: that was seen before *revents were.  0 or -1 + errno. */
int mx_poll(mexp_h *h, short events, uint64_t until, short *revents, bool *exited);

int mx_wait_begin(mexp_h *h, const mexp_regexp *list);  /* 0 or MEXP_ERROR */
int mx_wait_step(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, bool ready); /* as mexp_try_expect() */

/* --- send.c --- */
/* hidden: not for the debug file and the transcript. */
ssize_t mx_send(mexp_h *h, const char *bytes, size_t len, bool hidden, uint64_t deadline);

/* --- clock.c: times are ns, monotonic, or MX_NEVER --- */
uint64_t mx_in_ms(int ms);                         /* MX_NEVER for -1 */
bool mx_over(uint64_t time);                       /* it has passed */
struct pollfd;
int mx_sleep(struct pollfd *fds, size_t n, uint64_t until); /* poll(2); 0: just look */

/* --- utf.c --- */
size_t mx_char_start(const char *text, size_t at); /* of the character that at is in */
size_t mx_char_next(const char *text, size_t at, size_t len); /* where the next one begins, at or behind at */
size_t mx_char_unfinished(const char *text, size_t len); /* bytes of one at the end whose rest has not arrived */

/* --- close.c --- */
/* 1: the program has exited; 0: it was too late; -1 + errno. */
int mx_wait_exit(int pidfd, pid_t pid, uint64_t until);

/* --- additions that the core calls --- */
void mx_debug(const mexp_h *h, const char *what, const char *bytes, size_t len);
int mx_scan_whole(mexp_h *h, const mexp_regexp *x, const struct mx_want *w, size_t len, pcre2_match_data *md);
int mx_find_leftmost(mexp_h *h, const mexp_regexp *list, pcre2_match_data *md, enum mx_end end, bool quiet, size_t *winner);
char **mx_make_env(const struct mexp_spawn_opts *o);     /* the program's, for mx_free_env(); NULL + errno */
void mx_free_env(char **env);
bool mx_line_too_long(mexp_h *h, const char *bytes, size_t len); /* for a terminal in cooked mode */
void mx_transcript_end(mexp_h *h);
