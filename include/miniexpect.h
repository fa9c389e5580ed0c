/* SPDX-License-Identifier: BSD-2-Clause */
/* miniexpect: drive an interactive program from C.  Start it on a terminal of its own, wait until what it prints matches a
 * Perl-compatible regular expression, answer.  Source-compatible with the library of that name; miniexpect(3) has a section
 * on each function.
 *
 *     mexp_h *h = mexp_spawnl("ssh", "ssh", "user@host", NULL);
 *     switch (mexp_expect(h, (mexp_regexp[]){ { 100, .re = password }, { 101, .re = prompt }, { 0 } }, NULL)) {
 *     case 100: mexp_send_password(h, secret, 10000); break;
 *
 * No globals.  A handle belongs to one thread at a time; what may be called on it from any thread says so.  Compiled patterns
 * may be shared between threads, match data may not.  Functions that fail set errno. */
#ifndef MINIEXPECT_H
#define MINIEXPECT_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A program and its terminal.  The fields are public; those that a caller may set say so. */
struct mexp_h {
	int fd;             /* master side of the terminal, blocking and close-on-exec; ours */
	pid_t pid;          /* the program, or 0 */
	int timeout;        /* ms; -1: none.  May be set */
	char *buffer;       /* len bytes and a NUL: what arrived since the last match, and that match.  Valid until the next call */
	size_t len;
	size_t alloc;       /* bytes there are for buffer, >= len */
	ssize_t next_match; /* in buffer, the first byte after the match, or -1.  May be set */
	size_t read_size;   /* bytes, at least as many are asked for at once.  May be set */
	int pcre_error;     /* what pcre2_match() returned last */
	FILE *debug_fp;     /* or NULL.  May be set */
	void *user1, *user2, *user3; /* yours */
	struct mexp_state *state;    /* private */
};
typedef struct mexp_h mexp_h;

#define mexp_get_fd(h) ((h)->fd)
#define mexp_get_pid(h) ((h)->pid)
#define mexp_get_timeout_ms(h) ((h)->timeout)
#define mexp_set_timeout_ms(h, ms) ((h)->timeout = (ms))
#define mexp_get_read_size(h) ((h)->read_size)
#define mexp_set_read_size(h, size) ((h)->read_size = (size))
#define mexp_get_pcre_error(h) ((h)->pcre_error)
#define mexp_set_debug_file(h, fp) ((h)->debug_fp = (fp))
#define mexp_get_debug_file(h) ((h)->debug_fp)

/* Negative: no timeout; more than an int of milliseconds (24 days): that. */
static inline void mexp_set_timeout(mexp_h *h, int secs)
{
	h->timeout = secs < 0 ? -1 : secs > 2147483 ? 2147483647 : secs * 1000;
}

/* --- Starting and ending ------------------------------------------------------------------------ */

enum {
	MEXP_SPAWN_RAW_MODE = 0,
	MEXP_SPAWN_KEEP_SIGNALS = 1, /* ignored signals stay ignored, blocked ones blocked */
	MEXP_SPAWN_KEEP_FDS = 2,     /* descriptors from 3 on are inherited */
	MEXP_SPAWN_COOKED_MODE = 4,  /* lines, echo, ^C */
	/* Beyond miniexpect: */
	MEXP_SPAWN_NOECHO = 8,       /* with cooked mode: no echo */
	MEXP_SPAWN_CLEAN_ENV = 16,   /* only PATH, HOME, USER, LANG=C.UTF-8, TERM=dumb */
	MEXP_SPAWN_TTY_EOF = 32,     /* the end is when the last process has closed the terminal, not when the program has exited */
};

/* argv[0] and on, NULL at the end; file is looked for in PATH.  NULL + errno, also when the program cannot be executed. */
#define mexp_spawnl(file, ...) mexp_spawnlf(0, (file), __VA_ARGS__)
#define mexp_spawnv(file, argv) mexp_spawnvf(0, (file), (argv))
mexp_h *mexp_spawnlf(unsigned flags, const char *file, const char *arg, ...) __attribute__((sentinel));
mexp_h *mexp_spawnvf(unsigned flags, const char *file, char **argv);

struct mexp_spawn_opts {
	size_t struct_size;         /* sizeof(struct mexp_spawn_opts) */
	unsigned flags;             /* MEXP_SPAWN_... */
	unsigned short rows, cols;  /* of the terminal; 0: 24, 80 */
	char *const *envp;          /* NULL: ours (or, by flag, a clean one) */
	const char *cwd;            /* NULL: ours */
	const char *term;           /* TERM, whatever the environment says; NULL: as there */
};
/* opts may be NULL; everything in it is borrowed for the call. */
mexp_h *mexp_spawn_opts(const struct mexp_spawn_opts *opts, const char *file, char *const *argv);

/* A socket, a serial line, a chardev of QEMU ...  fd belongs to the handle, when this succeeds.  pid: a child of this process
 * that mexp_close() waits for, or 0.  flags: MEXP_SPAWN_TTY_EOF or 0. */
mexp_h *mexp_attach(int fd, pid_t pid, unsigned flags);

/* Hang up and wait: the wait status, or -1 + errno.  The handle is gone in any case.  Waits at most as long as the handle's
 * timeout, then as mexp_close_timeout(). */
int mexp_close(mexp_h *h);
/* SIGHUP (by closing the terminal), after ms SIGTERM, 2 s later SIGKILL; ms < 0: waits without limit. */
int mexp_close_timeout(mexp_h *h, int ms);
/* Wait for the program to exit, reading what it prints: 0 and *status (may be NULL), MEXP_TIMEOUT, MEXP_ERROR, or, when it prints
 * more than the buffer takes, what mexp_set_max_buffer() says. */
int mexp_wait(mexp_h *h, int ms, int *status);

/* --- Expecting ----------------------------------------------------------------------------------- */

struct mexp_regexp {
	int r;                 /* > 0: what to return; 0 ends the list */
	const pcre2_code *re;
	int options;           /* for pcre2_match() */
};
typedef struct mexp_regexp mexp_regexp;

enum mexp_status {
	MEXP_EOF = 0,
	MEXP_ERROR = -1,       /* errno */
	MEXP_PCRE_ERROR = -2,  /* mexp_get_pcre_error() */
	MEXP_TIMEOUT = -3,
	/* Beyond miniexpect: */
	MEXP_FULL = -4,        /* only after mexp_set_max_buffer() */
	MEXP_AGAIN = -5,       /* only from mexp_try_expect() and in mexp_wait_for.result */
};

/* Wait until the first regexp, in the order of the list, matches; its r.  regexps may be NULL or empty: wait for the end or the
 * timeout.  md may be NULL.  The offsets in md index h->buffer. */
int mexp_expect(mexp_h *h, const mexp_regexp *regexps, pcre2_match_data *md);

/* The same without waiting: MEXP_AGAIN, until there is an answer.  The first call starts the clock of the timeout; call again
 * with the same list when fd has one of the events, or when mexp_deadline_ms() has passed. */
int mexp_try_expect(mexp_h *h, const mexp_regexp *regexps, pcre2_match_data *md);
short mexp_poll_events(const mexp_h *h);   /* for poll(2) */
int mexp_deadline_ms(const mexp_h *h);     /* ms from now, or -1: none */
int mexp_get_exit_fd(const mexp_h *h);     /* readable when the program has exited (a pidfd, ours), or -1 */

/* Several sessions at once. */
struct mexp_wait_for {
	mexp_h *h;                 /* each handle once; NULL: skipped */
	const mexp_regexp *regexps;
	pcre2_match_data *md;      /* one for each handle, or NULL */
	int result;                /* set: as of mexp_expect(), or MEXP_AGAIN */
};
/* Waits until at least one has an answer: how many have (> 0), MEXP_TIMEOUT after timeout_ms (-1: none), or MEXP_ERROR.  The
 * timeouts of the handles hold, too.  Call again with the same lists for those that are MEXP_AGAIN. */
int mexp_expect_any(struct mexp_wait_for *w, size_t n, int timeout_ms);

/* Which regexp wins when several match: the first of the list (as in miniexpect, with what has arrived by then), or the one
 * that matches first in the text, whatever the pieces it arrived in. */
enum mexp_order { MEXP_ORDER_LIST = 0, MEXP_ORDER_LEFTMOST = 1 };
void mexp_set_order(mexp_h *h, enum mexp_order order);

/* A match that more output could change ("[0-9]+" at the end of what has arrived, "\\$ $") is not answered before more arrives,
 * or the end, or the timeout, or ms of silence: then what is there is all.  2000 by default; -1: never; 0: at once. */
void mexp_set_settle_ms(mexp_h *h, int ms);

/* --- What was there ------------------------------------------------------------------------------ */

/* Of the last mexp_expect(): the text before the match, group n of it (0: all), what arrived after it.  NULL: no match, no such
 * group.  Without a match, mexp_before() is all that there is.  Not terminated by NUL; valid until the next call. */
const char *mexp_before(const mexp_h *h, size_t *len);
const char *mexp_match(const mexp_h *h, unsigned n, size_t *len);
const char *mexp_after(const mexp_h *h, size_t *len);

/* Text that can no longer be part of a match is kept for mexp_before(), up to 1 MiB (SIZE_MAX: all of it).  How many bytes
 * before h->buffer were dropped since the last match: */
void mexp_set_keep(mexp_h *h, size_t bytes);
unsigned long long mexp_lost(const mexp_h *h);
/* Never hold more than so many bytes: MEXP_FULL when a match might need more.  Without it the bound is 1 GiB, and mexp_expect()
 * then returns MEXP_ERROR with ENOBUFS. */
void mexp_set_max_buffer(mexp_h *h, size_t bytes);

/* --- Sending -------------------------------------------------------------------------------------- */

/* All of it, no newline added: the number of bytes, or -1 + errno.  What the program prints meanwhile is read.  ETIMEDOUT: not
 * all of it could be written within the timeout.  EPIPE: the program has closed its terminal.  EMSGSIZE, nothing was written: a
 * line of more than 4095 bytes for a terminal in cooked mode, which would cut it off. */
int mexp_printf(mexp_h *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int mexp_printf_password(mexp_h *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
ssize_t mexp_write(mexp_h *h, const void *data, size_t len);
ssize_t mexp_send_line(mexp_h *h, const char *line);
/* Ctrl + c: 'c' for 3, 'd' for 4 ...; mexp_send_eof() is ^D. */
int mexp_send_control(mexp_h *h, char c);
int mexp_send_eof(mexp_h *h);
/* ^C, with a single write(2).  Any thread, while another uses the handle. */
int mexp_send_interrupt(mexp_h *h);
/* Wait up to ms (-1: the handle's timeout) until the terminal does not echo, then send the password and a newline.  It does not
 * appear in the debug file or the transcript.  -1 + ETIMEDOUT: the terminal echoes; nothing was sent. */
ssize_t mexp_send_password(mexp_h *h, const char *password, int ms);

/* --- Patterns ------------------------------------------------------------------------------------- */

enum {
	MEXP_REGEX = 0,
	MEXP_EXACT = 1,  /* the text itself */
	MEXP_GLOB = 2,   /* * ? [set] \c, anywhere in the text */
	MEXP_ICASE = 4,
	MEXP_UTF = 8,    /* characters, not bytes; broken UTF-8 in the output matches nothing */
};
/* Compiled with JIT: for pcre2_code_free().  NULL, and what is wrong in err (errlen bytes; may be NULL). */
pcre2_code *mexp_compile(const char *pattern, unsigned flags, char *err, size_t errlen);

/* --- By the way ----------------------------------------------------------------------------------- */

int mexp_set_winsize(mexp_h *h, unsigned short rows, unsigned short cols); /* 0, or -1 + errno */

/* Write all output to fp as it is, or output and input as an asciicast (version 2).  fp stays yours; NULL: stop.  0 or -1 + errno. */
enum mexp_transcript { MEXP_TRANSCRIPT_RAW = 0, MEXP_TRANSCRIPT_ASCIICAST = 1 };
int mexp_set_transcript(mexp_h *h, FILE *fp, enum mexp_transcript format);

/* Connect a person: in (a terminal becomes raw, and is restored) to the program, the program to out, and the size of the
 * terminal, until the byte escape is typed (-1: none): 1; or MEXP_EOF, MEXP_ERROR. */
int mexp_interact(mexp_h *h, int in, int out, int escape);

#ifdef __cplusplus
}
#endif

#endif
