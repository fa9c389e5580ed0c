/* SPDX-License-Identifier: BSD-2-Clause */
/* Drive guestfish through its prompt, one command after the other, and write down when each step began.
 *
 *     cc guestfish.c $(pkg-config --cflags --libs miniexpect) -o guestfish-steps
 *     ./guestfish-steps --marks=steps.txt --transcript=session.cast SCRIPT
 *
 * A line of SCRIPT (- is stdin) is
 *
 *     # caption                 a step begins: a line `@SECONDS caption` in the marks, as nbdview --steps reads them
 *     pause SECONDS             for the eye
 *     settle FILE QUIET MOST    until FILE has not grown for QUIET seconds, MOST seconds at most
 *     anything else             a command of guestfish; what it prints is printed
 *
 * The first command that fails ends it, with status 1.  When this program dies, guestfish loses its terminal and ends, too.
 * `make demo` runs on this. */
#include <errno.h>
#include <getopt.h>
#include <miniexpect.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PROMPT = 1, COMPLAINT, COMMAND_MS = 600 * 1000 }; /* an appliance under emulation takes its time to boot */

static struct {
	mexp_h *h;
	pcre2_code *prompt, *complaint;
	FILE *marks;
} fish;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fputs("guestfish: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	if (fish.h)
		mexp_close_timeout(fish.h, 5000);
	exit(1);
}

/* The last line that guestfish printed, without its end. */
static int last_line(const char *text, size_t len, const char **line)
{
	while (len && strchr("\r\n ", text[len - 1]))
		len--;
	size_t from = len;
	while (from && !strchr("\r\n", text[from - 1]))
		from--;
	*line = text + from;
	return (int)(len - from);
}

/* Wait for the prompt, and print what comes before it.  NULL: the first one. */
static void wait_prompt(const char *command)
{
	const mexp_regexp list[] = { { COMPLAINT, .re = fish.complaint }, { PROMPT, .re = fish.prompt }, { 0 } };
	size_t len;
	const char *line, *text;
	int n, r = mexp_expect(fish.h, list, NULL), status;
	const char *when = command ? command : "its start";
	switch (r) {
	case PROMPT:
		text = mexp_before(fish.h, &len);
		for (size_t i = command ? 0 : len; i < len; i++) /* not the banner */
			if (text[i] != '\r')
				putchar(text[i]);
		fflush(stdout);
		return;
	case COMPLAINT:
		text = mexp_match(fish.h, 1, &len);
		die("%s: %.*s", when, (int)len, text);
	case MEXP_EOF:
		text = mexp_before(fish.h, &len);
		n = last_line(text, len, &line);
		if (mexp_wait(fish.h, 5000, &status) != 0)
			die("%s: it closed its terminal: %.*s", when, n, line);
		if (WIFSIGNALED(status))
			die("%s: it died of signal %d: %.*s", when, WTERMSIG(status), n, line);
		die("%s: it ended with status %d: %.*s", when, WEXITSTATUS(status), n, line);
	case MEXP_TIMEOUT:
		text = mexp_before(fish.h, &len);
		n = last_line(text, len, &line);
		die("%s: no answer within %d s; last it said: %.*s", when, COMMAND_MS / 1000, n, line);
	default:
		die("%s: %s", when, r == MEXP_PCRE_ERROR ? "a regular expression failed" : strerror(errno));
	}
}

static void start(void)
{
	char *argv[] = { (char *)"guestfish", (char *)"--no-progress-bars", NULL }, err[200];
	/* A dumb terminal: or readline would draw its line anew with each character. */
	const struct mexp_spawn_opts opts = {
		.struct_size = sizeof(opts), .flags = MEXP_SPAWN_COOKED_MODE | MEXP_SPAWN_NOECHO, .term = "dumb",
	};
	fish.prompt = mexp_compile("(?m)^><fs> ", MEXP_REGEX, err, sizeof(err));
	fish.complaint = mexp_compile("(?m)^((?:libguestfs: )?error: [^\\r\\n]*|[^\\r\\n]*: unknown command)\\r?\\n", MEXP_REGEX, err,
				      sizeof(err));
	if (!fish.prompt || !fish.complaint)
		die("%s", err);
	if (!(fish.h = mexp_spawn_opts(&opts, "guestfish", argv)))
		die("cannot be started: %s", strerror(errno));
	mexp_set_timeout_ms(fish.h, COMMAND_MS);
}

static void mark(const char *caption)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (fish.marks && (fprintf(fish.marks, "@%lld.%09ld %s\n", (long long)now.tv_sec, now.tv_nsec, caption) < 0 || fflush(fish.marks)))
		die("cannot write the marks: %s", strerror(errno));
}

static void pause_for(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void settle(const char *file, int quiet, int most)
{
	off_t last = -1;
	for (int still = 0, all = 0; still < quiet && all < most; all++) {
		struct stat st;
		if (stat(file, &st) < 0)
			die("settle: %s: %s", file, strerror(errno));
		still = st.st_size == last ? still + 1 : 0;
		last = st.st_size;
		pause_for(1);
	}
}

static void run_line(const char *line)
{
	char file[4096];
	double seconds;
	int quiet, most;
	if (line[0] == '#')
		mark(line + strspn(line, "# "));
	else if (sscanf(line, "pause %lf", &seconds) == 1)
		pause_for(seconds);
	else if (sscanf(line, "settle %4095s %d %d", file, &quiet, &most) == 3)
		settle(file, quiet, most);
	else if (line[strspn(line, " \t")]) {
		if (mexp_send_line(fish.h, line) < 0)
			die("%s: %s", line, strerror(errno));
		wait_prompt(line);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "marks", required_argument, NULL, 'm' }, { "transcript", required_argument, NULL, 't' }, { 0 }
	};
	const char *marks = NULL, *transcript = NULL;
	FILE *cast = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == 'm')
			marks = optarg;
		else if (c == 't')
			transcript = optarg;
		else
			return 1;
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: %s [--marks=FILE] [--transcript=FILE] SCRIPT\n", argv[0]);
		return 1;
	}
	FILE *script = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "r");
	if (!script)
		die("%s: %s", argv[optind], strerror(errno));
	if (marks && !(fish.marks = fopen(marks, "a")))
		die("%s: %s", marks, strerror(errno));
	if (transcript && !(cast = fopen(transcript, "w")))
		die("%s: %s", transcript, strerror(errno));
	start();
	if (cast && mexp_set_transcript(fish.h, cast, MEXP_TRANSCRIPT_ASCIICAST) < 0)
		die("%s: %s", transcript, strerror(errno));
	wait_prompt(NULL);
	while ((len = getline(&line, &size, script)) > 0) {
		line[strcspn(line, "\n")] = 0;
		run_line(line);
	}
	free(line);
	/* The end of its input is how a person ends it; it then shuts its guest down. */
	mexp_send_eof(fish.h);
	int r = mexp_expect(fish.h, NULL, NULL), status = mexp_close_timeout(fish.h, 60000);
	fish.h = NULL;
	pcre2_code_free(fish.prompt);
	pcre2_code_free(fish.complaint);
	if (cast)
		fclose(cast);
	if (r != MEXP_EOF || status != 0)
		die("it did not end as it should (status %d)", status);
	return 0;
}
