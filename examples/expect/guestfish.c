/* SPDX-License-Identifier: BSD-2-Clause */
/* guestfish, driven at its own prompt as a person would: wait for `><fs> `, type a command, look at what it printed, go on.
 *
 *     expect-guestfish [-c CAST] [-m MARKS] [-t SECONDS] SCRIPT
 *
 * A line of the script is a command of guestfish's, or one of these:
 *
 *     step CAPTION            write `@TIME CAPTION` to MARKS: what nbdview --steps reads
 *     pause SECONDS           for the eye
 *     settle FILE QUIET MOST  until the file has not grown for QUIET seconds, MOST seconds at most
 *     # ...                   nothing
 *
 * What the commands print goes to stdout.  The first error ends the session, and is told in one line.  Each command may take
 * SECONDS (300), for an emulated guest is slow to boot.  CAST becomes a recording for asciinema. */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <miniexpect.h>

enum { PROMPT = 1, COMPLAINT };

#define LOOK 0.25 /* s, between two looks at a file */

struct session {
	mexp_h *h;
	mexp_regexp answers[3]; /* the first that matches counts: a complaint comes before the prompt that follows it */
	const char *script;
	int line;               /* of the script, from 1; 0: nothing was sent yet */
	FILE *marks;            /* or NULL */
	bool ready;             /* guestfish waits for a command */
};

/* Each is a line of its own, after the echo.  Known to be missed: "lcd", "reopen" and "hexedit" misused, and programs that fail
 * (!false), of which guestfish says nothing. */
static const char complaints[] = "\n((?:libguestfs: error|guestfish|parse_[a-z]+|unknown event name): [^\r\n]*|"
				 "error: incorrect [^\r\n]*|use '[^\r\n]*|"
				 "[\\w-]+: (?:unknown (?:command|optional argument)|command not known)[^\r\n]*|"
				 "[\\w-]+: [^\r\n]*: (?:invalid integer parameter|integer out of range|no such event)[^\r\n]*)\r\n";

static volatile sig_atomic_t told; /* the signal that is to end us, or 0 */
static volatile pid_t guestfish;   /* while it may be sent signals, or 0 */

/* Without guestfish mexp_expect() returns MEXP_EOF, so this ends whatever we wait for. */
static void on_signal(int sig)
{
	told = sig;
	if (guestfish)
		kill(guestfish, SIGTERM);
}

/* Tell what is wrong, and where; -1.  Nothing is when we were told to end. */
#define wrong(s, fmt, ...) (told ? -1 : (warnx("%s:%d: " fmt, (s)->script, (s)->line, ##__VA_ARGS__), -1))

/* Instead of a match there was r: tell it, with the last line that guestfish printed; -1. */
static int no_answer(const struct session *s, int r)
{
	char what[80];
	int status = 0;
	if (r == MEXP_TIMEOUT)
		snprintf(what, sizeof(what), "no prompt for %d s", mexp_get_timeout_ms(s->h) / 1000);
	else if (r != MEXP_EOF)
		snprintf(what, sizeof(what), "cannot read from guestfish (%d, %m)", r);
	else if (mexp_wait(s->h, 5000, &status) == 0 && WIFSIGNALED(status))
		snprintf(what, sizeof(what), "guestfish was killed by signal %d", WTERMSIG(status));
	else
		snprintf(what, sizeof(what), "guestfish has ended with status %d", WEXITSTATUS(status));

	size_t len, begin;
	const char *text = mexp_before(s->h, &len); /* without a match, all that there is */
	while (len && strchr("\r\n ", text[len - 1]))
		len--;
	for (begin = len; begin && text[begin - 1] != '\n';)
		begin--;
	return wrong(s, "%s; it printed last: %.*s", what, (int)(len - begin), text + begin);
}

/* What the command printed, without its echo, and as it was before the terminal made \r\n of \n. */
static void print_output(mexp_h *h)
{
	size_t len, i = 0;
	const char *text = mexp_before(h, &len);
	while (i < len && text[i++] != '\n')
		;
	for (; i < len; i++)
		if (text[i] != '\r')
			putchar(text[i]);
	fflush(stdout);
}

/* 0: the prompt is there, and no complaint before it. */
static int wait_for_prompt(struct session *s)
{
	size_t len;
	int r = mexp_expect(s->h, s->answers, NULL);
	s->ready = r == PROMPT;
	if (s->ready)
		return 0;
	if (r != COMPLAINT)
		return no_answer(s, r);
	const char *text = mexp_match(s->h, 1, &len);
	wrong(s, "%.*s", (int)len, text);
	s->ready = mexp_expect(s->h, s->answers + 1, NULL) == PROMPT;
	return -1;
}

static int command(struct session *s, const char *line)
{
	if (mexp_send_line(s->h, line) < 0 && errno != EPIPE) /* EPIPE: it has ended, as we will see */
		return wrong(s, "cannot send: %m");
	if (wait_for_prompt(s) < 0)
		return -1;
	print_output(s->h);
	return 0;
}

/* Not sleep(3), which would not notice when guestfish dies. */
static int pause_for(const struct session *s, double seconds)
{
	int saved = mexp_get_timeout_ms(s->h);
	mexp_set_timeout_ms(s->h, (int)(seconds * 1000));
	int r = mexp_expect(s->h, NULL, NULL);
	mexp_set_timeout_ms(s->h, saved);
	return r == MEXP_TIMEOUT ? 0 : no_answer(s, r);
}

static int settle(const struct session *s, const char *file, double quiet, double most)
{
	off_t size = -1;
	struct stat now;
	for (double still = 0, all = 0; still < quiet && all < most; still += LOOK, all += LOOK) {
		if (stat(file, &now) < 0)
			return wrong(s, "%s: %m", file);
		if (now.st_size != size)
			still = 0;
		size = now.st_size;
		if (pause_for(s, LOOK) < 0)
			return -1;
	}
	return 0;
}

static int step(const struct session *s, const char *caption)
{
	struct timespec now;
	if (!s->marks)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(s->marks, "@%lld.%09ld %s\n", (long long)now.tv_sec, now.tv_nsec, caption);
	return fflush(s->marks) == 0 ? 0 : wrong(s, "cannot write the mark: %m");
}

static int do_line(struct session *s, char *line)
{
	char file[256], more;
	double quiet, most;
	for (char *c; (c = strpbrk(line, "\t\n"));) /* a tab at the prompt would complete words */
		*c = *c == '\t' ? ' ' : '\0';
	line += strspn(line, " ");
	if (!*line || *line == '#')
		return 0;
	if (strncmp(line, "step ", 5) == 0)
		return step(s, line + 5);
	if (sscanf(line, "pause %lf %c", &most, &more) == 1 && most >= 0 && most <= 1e6)
		return pause_for(s, most);
	if (sscanf(line, "settle %255s %lf %lf %c", file, &quiet, &most, &more) == 3)
		return settle(s, file, quiet, most);
	return command(s, line); /* it knows what is no command */
}

static int do_script(struct session *s, FILE *fp)
{
	char *line = NULL;
	size_t size = 0;
	int failed = wait_for_prompt(s); /* after the banner */
	while (!failed && getline(&line, &size, fp) >= 0) {
		s->line++;
		failed = do_line(s, line);
	}
	free(line);
	return failed || !ferror(fp) ? failed : wrong(s, "%m");
}

/* On a terminal that understands no escape sequence, of which readline then sends none, and wide: readline moves a line that
 * does not fit to and fro.  Nothing of the person's own settings may change what we see. */
static mexp_h *start_guestfish(void)
{
	static const char *const personal[] = { "HOME" /* the history */, "LANGUAGE", "GUESTFISH_PS1", "GUESTFISH_OUTPUT",
						"GUESTFISH_INIT", "GUESTFISH_RESTORE" };
	struct mexp_spawn_opts opts = { sizeof(opts), .flags = MEXP_SPAWN_COOKED_MODE, .cols = 160, .term = "dumb" };
	for (size_t i = 0; i < sizeof(personal) / sizeof(*personal); i++)
		unsetenv(personal[i]);
	setenv("INPUTRC", "/dev/null", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	return mexp_spawn_opts(&opts, "guestfish", (char *[]){ "guestfish", "--no-progress-bars", NULL });
}

/* In peace if that is possible: ^D at the prompt, and guestfish shuts its guest down.  Otherwise its emulator has lost its
 * parent, which libguestfs' watchdog notices within 2 s; as a subreaper we are the new one, and can wait for that. */
static int end_guestfish(struct session *s, int failed)
{
	int status = 0;
	if (s->ready && mexp_send_eof(s->h) > 0 && mexp_wait(s->h, mexp_get_timeout_ms(s->h), &status) < 0)
		failed = wrong(s, "guestfish does not end");
	else if (!failed && status)
		failed = wrong(s, "guestfish has ended with wait status %#x", status);
	guestfish = 0;
	mexp_close_timeout(s->h, 5000);
	for (int tries = 0; waitpid(-1, NULL, WNOHANG) >= 0; tries++) {
		if (tries == 200)
			return wrong(s, "the emulator does not end");
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return failed;
}

static FILE *open_or_exit(const char *path, const char *mode)
{
	FILE *fp = fopen(path, mode);
	if (!fp)
		err(1, "%s", path);
	return fp;
}

int main(int argc, char **argv)
{
	struct session s = { 0 };
	FILE *cast = NULL;
	int opt, seconds = 300;
	while ((opt = getopt(argc, argv, "c:m:t:")) != -1) {
		if (opt == 'c')
			cast = open_or_exit(optarg, "w");
		else if (opt == 'm')
			s.marks = open_or_exit(optarg, "w");
		else if (opt != 't' || (seconds = atoi(optarg)) <= 0)
			optind = argc; /* usage */
	}
	if (optind != argc - 1)
		errx(1, "usage: expect-guestfish [-c CAST] [-m MARKS] [-t SECONDS] SCRIPT");
	s.script = argv[optind];
	FILE *script = open_or_exit(s.script, "r");
	pcre2_code *complaint = mexp_compile(complaints, MEXP_REGEX, NULL, 0);
	pcre2_code *prompt = mexp_compile("><fs> ", MEXP_EXACT, NULL, 0);
	s.answers[0] = (mexp_regexp){ COMPLAINT, .re = complaint };
	s.answers[1] = (mexp_regexp){ PROMPT, .re = prompt };
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!complaint || !prompt || !(s.h = start_guestfish()))
		err(1, "cannot start guestfish");
	guestfish = mexp_get_pid(s.h);
	signal(SIGHUP, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	mexp_set_timeout(s.h, seconds);
	if (cast)
		mexp_set_transcript(s.h, cast, MEXP_TRANSCRIPT_ASCIICAST);

	int failed = end_guestfish(&s, do_script(&s, script));
	if (cast && ferror(cast))
		failed = wrong(&s, "cannot write the recording");
	pcre2_code_free(complaint);
	pcre2_code_free(prompt);
	fclose(script);
	if (s.marks)
		fclose(s.marks);
	if (cast)
		fclose(cast);
	if (told) { /* end as the signal says */
		signal(told, SIG_DFL);
		raise(told);
	}
	return failed ? 1 : 0;
}
