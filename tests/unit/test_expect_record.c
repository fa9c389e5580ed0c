/* SPDX-License-Identifier: BSD-2-Clause */
/* Transcripts, and a person at a terminal. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include "unit/expect_rig.h"

/* --- as strict a reader of asciicasts as there must be --- */

struct cast {
	char text[2][8192];  /* of 'o', of 'i' */
	size_t len[2];
	int width, height;
	unsigned events;
	double last;
};

static size_t put_utf8(char *p, unsigned c)
{
	if (c < 0x80)
		return p[0] = (char)c, 1;
	if (c < 0x800)
		return p[0] = (char)(0xc0 | c >> 6), p[1] = (char)(0x80 | (c & 0x3f)), 2;
	p[0] = (char)(0xe0 | c >> 12);
	p[1] = (char)(0x80 | (c >> 6 & 0x3f));
	p[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

/* A JSON string: what follows it, or NULL. */
static const char *read_string(const char *s, char *to, size_t *len)
{
	unsigned c;
	if (*s++ != '"')
		return NULL;
	for (; *s && *s != '"'; s++) {
		if ((unsigned char)*s < ' ')
			return NULL;
		if (*s != '\\')
			to[(*len)++] = *s;
		else if (*++s == '"' || *s == '\\')
			to[(*len)++] = *s;
		else if (*s == 'u' && sscanf(s + 1, "%4x", &c) == 1) {
			*len += put_utf8(to + *len, c);
			s += 4;
		} else
			return NULL;
	}
	return *s ? s + 1 : NULL;
}

static bool read_cast(const char *s, struct cast *c)
{
	int n = 0;
	long long when;
	memset(c, 0, sizeof(*c));
	static const char header[] = "{\"version\": 2, \"width\": %d, \"height\": %d, \"timestamp\": %lld}\n%n";
	if (sscanf(s, header, &c->width, &c->height, &when, &n) != 3 || !n)
		return false;
	for (s += n; *s; c->events++) {
		double at;
		char which;
		n = 0;
		if (sscanf(s, "[%lf, \"%c\", %n", &at, &which, &n) != 2 || !n || at < c->last || (which != 'o' && which != 'i'))
			return false;
		s = read_string(s + n, c->text[which == 'i'], &c->len[which == 'i']);
		if (!s || strncmp(s, "]\n", 2) != 0)
			return false;
		s += 2;
		c->last = at;
	}
	return true;
}

struct record {
	struct talk t;
	FILE *fp;
	char *text;
	size_t size;
	struct cast cast;
};

static bool record_start(struct record *r, enum mexp_transcript format)
{
	r->text = NULL;
	r->fp = open_memstream(&r->text, &r->size);
	return r->fp && talk_open(&r->t) && mexp_set_transcript(r->t.h, r->fp, format) == 0;
}

/* Closes the handle first: that writes what is left. */
static bool record_end(struct record *r, bool cast)
{
	talk_close(&r->t);
	fclose(r->fp);
	return !cast || read_cast(r->text, &r->cast);
}

static bool see(struct record *r, const char *bytes, size_t len)
{
	return talk_say(&r->t, bytes, len) && mexp_try_expect(r->t.h, NULL, NULL) == MEXP_AGAIN;
}

TEST(a_raw_transcript_is_the_output_byte_for_byte)
{
	struct record r;
	char all[256];
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	CHECK(record_start(&r, MEXP_TRANSCRIPT_RAW));
	CHECK(see(&r, all, 100) && see(&r, all + 100, 156));
	CHECK_IS(mexp_printf(r.t.h, "input"), 5);
	CHECK_IS(mexp_set_transcript(r.t.h, NULL, MEXP_TRANSCRIPT_RAW), 0);
	CHECK(see(&r, "unseen", 6));
	CHECK(record_end(&r, false));
	CHECK(r.size == 256 && memcmp(r.text, all, 256) == 0);
	free(r.text);
}

TEST(an_asciicast_is_json_and_its_text_that_of_the_program)
{
	struct record r;
	static const char text[] = "plain \"quoted\" back\\slash\r\n\ttab \033[1mbold\007\177 \303\251\342\202\254\360\237\230\200";
	CHECK(record_start(&r, MEXP_TRANSCRIPT_ASCIICAST));
	CHECK(see(&r, text, strlen(text)));
	CHECK_IS(mexp_printf(r.t.h, "in\"put\n"), 7);
	CHECK_IS(mexp_printf_password(r.t.h, "secret"), 6);
	CHECK(see(&r, "more", 4));
	CHECK(record_end(&r, true));
	CHECK_IS(r.cast.width, 80);
	CHECK_IS(r.cast.height, 24);
	CHECK(r.cast.events >= 4 && !strstr(r.text, "secret"));
	CHECK(r.cast.len[0] == strlen(text) + 4 && memcmp(r.cast.text[0], text, strlen(text)) == 0);
	CHECK(strncmp(r.cast.text[1], "in\"put\n***", 10) == 0);
	free(r.text);
}

TEST(an_asciicast_keeps_characters_whole_wherever_they_are_cut)
{
	static const char text[] = "a\303\251\342\202\254\360\237\230\200z";
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct record r;
		CHECK(record_start(&r, MEXP_TRANSCRIPT_ASCIICAST));
		for (size_t i = 0; i < sizeof(text) - 1 && !cut; i++) /* each byte a piece */
			CHECK(see(&r, text + i, 1));
		if (cut)
			CHECK(see(&r, text, cut) && (!text[cut] || see(&r, text + cut, strlen(text + cut))));
		CHECK(record_end(&r, true));
		CHECK_STR(r.cast.text[0], text);
		CHECK(!strstr(r.text, "ufffd"));
		free(r.text);
	}
}

TEST(broken_bytes_in_an_asciicast_are_replaced)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "a\377b", "a\357\277\275b" },
		{ "a\303", "a\357\277\275" },                              /* cut for ever */
		{ "\342\202x", "\357\277\275\357\277\275x" },
		{ "\300\200", "\357\277\275\357\277\275" },                /* overlong */
		{ "\355\240\200", "\357\277\275\357\277\275\357\277\275" }, /* half of a pair */
		{ "\360\237\230", "\357\277\275\357\277\275\357\277\275" },
		{ "\303\303\251", "\357\277\275\303\251" },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		struct record r;
		const char *text = cases[i / 2].text;
		CHECK(record_start(&r, MEXP_TRANSCRIPT_ASCIICAST));
		for (const char *p = text; *p && i % 2; p++)
			CHECK(see(&r, p, 1));
		CHECK(i % 2 || see(&r, text, strlen(text)));
		CHECK(record_end(&r, true));
		CHECK_STR(r.cast.text[0], cases[i / 2].shown);
		free(r.text);
	}
}

TEST(an_asciicast_of_a_terminal_has_its_size)
{
	char *text = NULL;
	size_t size;
	struct cast c;
	FILE *fp = open_memstream(&text, &size);
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"head -c 3000 /dev/zero | tr '\\0' 'x'", NULL };
	const struct mexp_spawn_opts o = { .struct_size = sizeof(o), .rows = 40, .cols = 100 };
	mexp_h *h = mexp_spawn_opts(&o, "sh", argv);
	CHECK(fp && h);
	CHECK_IS(mexp_set_transcript(h, fp, MEXP_TRANSCRIPT_ASCIICAST), 0);
	CHECK_IS(mexp_expect(h, NULL, NULL), MEXP_EOF);
	mexp_close(h);
	fclose(fp);
	CHECK(read_cast(text, &c));
	CHECK(c.width == 100 && c.height == 40 && c.len[0] == 3000);
	free(text);
}

/* --- a person: the test, at the master side of a terminal of its own --- */

struct person {
	mexp_h *h;
	int master, slave;
	pthread_t thread;
	int escape, r;
};

static void *interact(void *arg)
{
	struct person *p = arg;
	p->r = mexp_interact(p->h, p->slave, p->slave, p->escape);
	return NULL;
}

static bool person_sits_down(struct person *p, const char *script, unsigned flags, int escape)
{
	char name[64];
	p->escape = escape;
	p->r = -99;
	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0 || ptsname_r(p->master, name, sizeof(name)) != 0)
		return false;
	p->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ioctl(p->slave, TIOCSWINSZ, &(struct winsize){ .ws_row = 30, .ws_col = 90 });
	p->h = sh(flags, script);
	return p->slave >= 0 && p->h && pthread_create(&p->thread, NULL, interact, p) == 0;
}

static void person_leaves(struct person *p)
{
	pthread_join(p->thread, NULL);
	close(p->slave);
	close(p->master);
}

/* Read what the screen shows, up to text. */
static bool person_sees(struct person *p, const char *text)
{
	char seen[4096];
	size_t len = 0;
	while (len < sizeof(seen) - 1 && poll(&(struct pollfd){ .fd = p->master, .events = POLLIN }, 1, 20000) > 0) {
		ssize_t n = read(p->master, seen + len, 1); /* no more than that */
		if (n <= 0)
			return false;
		seen[len += (size_t)n] = 0;
		if (strstr(seen, text))
			return true;
	}
	return false;
}

static bool person_types(struct person *p, const char *text)
{
	return write(p->master, text, strlen(text)) == (ssize_t)strlen(text);
}

TEST(a_person_can_talk_to_a_program_and_leave_it)
{
	struct person p;
	struct termios meanwhile;
	CHECK(person_sits_down(&p, "echo hello; while read x; do echo \"<$x>\"; done", 0, 0x1d));
	CHECK(person_sees(&p, "hello"));
	CHECK(tcgetattr(p.slave, &meanwhile) == 0 && !(meanwhile.c_lflag & (ECHO | ICANON | ISIG)));
	CHECK(person_types(&p, "one\n") && person_sees(&p, "<one>"));
	CHECK(person_types(&p, "two\n\035three\n"));
	person_leaves(&p);
	CHECK_IS(p.r, 1);
	mexp_set_timeout_ms(p.h, 5000);
	CHECK_IS(mexp_printf(p.h, "four\n"), 5); /* it goes on */
	CHECK_IS(mexp_expect(p.h, FOR("<(four|three)>"), NULL), 100);
	CHECK_MATCH(p.h, 1, "four");
	mexp_close(p.h);
}

TEST(the_terminal_of_a_person_is_restored_and_its_size_passed_on)
{
	struct person p;
	struct termios t;
	CHECK(person_sits_down(&p, "trap 'stty size' WINCH; echo ready; while [ ! \"$x\" ]; do read x; done; stty size; exit 3", 0, -1));
	CHECK(person_sees(&p, "ready"));
	CHECK_IS(ioctl(p.slave, TIOCSWINSZ, &(struct winsize){ .ws_row = 31, .ws_col = 91 }), 0);
	pause_ms(600);
	CHECK(person_types(&p, "end\n") && person_sees(&p, "31 91"));
	pthread_join(p.thread, NULL);
	CHECK_IS(p.r, MEXP_EOF);
	CHECK(tcgetattr(p.slave, &t) == 0 && (t.c_lflag & (ECHO | ICANON | ISIG)) == (ECHO | ICANON | ISIG));
	close(p.slave);
	close(p.master);
	CHECK_IS(mexp_close(p.h), 3 << 8);
}

TEST(what_was_read_before_a_person_comes_is_shown_first)
{
	struct talk t;
	int out[2], in[2];
	char got[64];
	CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(in, O_CLOEXEC) == 0 && talk_open(&t));
	CHECK_IS(talk_pieces(&t, FOR("prompt"), NULL, "prompt and more", NULL), 100);
	CHECK(write(in[1], "typed\001rest", 10) == 10);
	CHECK_IS(mexp_interact(t.h, in[0], out[1], 1), 1);
	CHECK_IS(read(out[0], got, sizeof(got)), 9);
	CHECK(memcmp(got, " and more", 9) == 0);
	CHECK_IS(read(t.far, got, sizeof(got)), 5);
	CHECK(memcmp(got, "typed", 5) == 0);
	CHECK(talk_say(&t, "last", 4));
	talk_end(&t);
	CHECK_IS(mexp_interact(t.h, in[0], out[1], -1), MEXP_EOF);
	CHECK_IS(read(out[0], got, sizeof(got)), 4);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
	talk_close(&t);
}
