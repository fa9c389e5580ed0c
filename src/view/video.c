/* SPDX-License-Identifier: BSD-2-Clause */
/* The film: raw pictures through a pipe to ffmpeg, which is asked for nothing but to encode. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "view/output.h"

#define TAIL (2 * NS_PER_S) /* of film, after the last event: let flashes fade */
#define FRAMES_MAX 10000000u

extern char **environ;

/* 0 and *fd to write to; ffmpeg's own words go to our stderr. */
static int start_ffmpeg(const struct canvas *c, unsigned fps, const char *file, pid_t *pid, int *fd, struct err *e)
{
	char size[32], rate[16], safe[4100];
	int ends[2];
	posix_spawn_file_actions_t actions;
	sigset_t dfl;
	posix_spawnattr_t attr;

	snprintf(size, sizeof size, "%dx%d", c->w, c->h);
	snprintf(rate, sizeof rate, "%u", fps);
	/* a name is a file's, whatever it looks like to ffmpeg */
	if (snprintf(safe, sizeof safe, "file:%s", file) >= (int)sizeof safe)
		return err_set(e, "%s: name too long", file);
	const char *argv[] = { "ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo",
		"-pixel_format", "rgb24", "-video_size", size, "-framerate", rate, "-i", "pipe:0", "-an",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-pix_fmt", "yuv420p", "-movflags",
		"+faststart", safe, NULL };
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_set(e, "cannot make a pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	sigemptyset(&dfl);
	sigaddset(&dfl, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &dfl);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	int bad = posix_spawnp(pid, "ffmpeg", &actions, &attr, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	*fd = ends[1];
	if (!bad)
		return 0;
	close(ends[1]);
	return err_set(e, "--video needs the program ffmpeg: %s", strerror(bad));
}

static int finish_ffmpeg(pid_t pid, int fd, struct err *e)
{
	int status;

	close(fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(e, "lost ffmpeg: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return err_set(e, "ffmpeg failed with status %d", WEXITSTATUS(status));
	return err_set(e, "ffmpeg was ended by signal %d", WTERMSIG(status));
}

static bool write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static void progress(uint64_t done, uint64_t all)
{
	char bar[41];
	unsigned full = (unsigned)(done * 40 / all);
	static unsigned said = ~0u;
	bool tty = isatty(STDERR_FILENO);

	/* to a file, say it ten times and not a thousand */
	if (done != all && (tty ? done % 10 : full / 4 == said))
		return;
	said = full / 4;
	for (unsigned i = 0; i < 40; i++)
		bar[i] = i < full ? '#' : '.';
	bar[40] = '\0';
	fprintf(stderr, "%s[%s] %llu of %llu pictures%s", tty ? "\r" : "", bar, (unsigned long long)done,
		(unsigned long long)all, tty && done != all ? "" : "\n");
}

/* The moment of picture i; no rounding adds up. */
static uint64_t moment(uint64_t start, const struct video_options *v, uint64_t i)
{
	return start + (uint64_t)((double)i * v->speed * (double)NS_PER_S / v->fps);
}

static int film(struct play *p, const struct look_options *o, const struct video_options *v, struct canvas *c,
	struct shown *shown, uint64_t frames, int fd, struct err *e)
{
	uint64_t now;

	for (uint64_t i = 0; i < frames; i++) {
		if (output_seek(p, o, moment(output_start(p, o), v, i) - output_start(p, o), &now, e) < 0)
			return -1;
		if (i % v->fps == 0 && output_structures(p, o, shown, e) < 0) /* a second of film has one map of the disk's parts */
			return -1;
		struct scene s = output_scene(p, o, shown, now);
		s.now = MIN(now, output_end(p, o) + (uint64_t)((double)TAIL * v->speed));
		paint_screen(c, &p->model, &s);
		if (!write_all(fd, c->px, (size_t)c->w * (size_t)c->h * 3))
			return err_set(e, "ffmpeg took no more pictures: %s", strerror(errno));
		progress(i + 1, frames);
	}
	return 0;
}

int output_video(struct play *p, const struct look_options *o, const struct video_options *v, const char *file,
	struct err *e)
{
	double seconds = (double)(output_end(p, o) - output_start(p, o)) / (double)NS_PER_S / v->speed + (double)TAIL / (double)NS_PER_S;
	double frames = seconds * v->fps + 1;
	struct shown shown = { 0 };
	struct canvas c = { 0 };
	struct err died = { 0 };
	uint64_t now;
	pid_t pid;
	int fd = -1;

	if (frames > FRAMES_MAX)
		return err_set(e, "a film of %.0f pictures is too long: give a --speed", frames);
	if (output_seek(p, o, 0, &now, e) < 0 || canvas_init(&c, PAINT_W, PAINT_H, e) < 0)
		return -1;
	int r = start_ffmpeg(&c, v->fps, file, &pid, &fd, e);
	if (!r) {
		r = film(p, o, v, &c, &shown, (uint64_t)frames, fd, e);
		/* its exit status says more than our broken pipe */
		if (finish_ffmpeg(pid, fd, &died) < 0) {
			*e = died;
			r = -1;
		}
	}
	canvas_free(&c);
	output_shown_free(&shown);
	return r;
}
