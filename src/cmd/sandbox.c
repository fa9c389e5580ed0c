/* SPDX-License-Identifier: BSD-2-Clause */
#include "cmd/sandbox.h"
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/say.h"
#include "base/util.h"

bool sandbox_built(void)
{
	return !UNDER_TSAN && !UNDER_ASAN;
}

/* This thread's.  What opens files may go on to do so as root, and what locks memory may lock more. */
static int drop_capabilities(const struct sandbox *s)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 }, none[2] = { 0 };
	unsigned keep = 0;

	if (syscall(SYS_capget, &head, caps) < 0)
		return -1;
	if (s->needs.what & NEED_FILES)
		keep |= 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH;
	if (s->locks_memory)
		keep |= 1u << CAP_IPC_LOCK;
	if (!(caps[0].permitted & ~keep) && !caps[1].permitted)
		return 0; /* and a service manager may forbid the call */
	none[0].effective = none[0].permitted = caps[0].permitted & keep;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* an old kernel has none */
	return (int)syscall(SYS_capset, &head, none);
}

/* Best effort, unless it was asked for. */
static int failed(const struct sandbox *s, const char *what, struct err *e)
{
	if (s->mode == SANDBOX_ON)
		return err_set(e, "--sandbox=on: %s: %s", what, strerror(errno));
	say_debug("sandbox: %s: %s", what, strerror(errno));
	return 0;
}

static int enter(struct sandbox *s, struct err *e)
{
	int abi;
	s->entered = true;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed(s, "no_new_privs is not to be had", e);
	if (drop_capabilities(s) < 0 && failed(s, "capabilities cannot be dropped", e) < 0)
		return -1;
	if (sandbox_landlock(s, &abi) < 0)
		return failed(s, "Landlock is not to be had", e);
	say_debug("sandbox: no new privileges, Landlock %d", abi);
	return 0;
}

int sandbox_enter(struct sandbox *s, struct err *e)
{
	s->needs = (struct needs){ .readonly = s->readonly, .what = (s->syslog ? NEED_SYSLOG : 0) | (s->private_dir ? NEED_REMOVE : 0) };
	stages_needs(s->stages, &s->needs);
	if (s->mode == SANDBOX_OFF) {
		say_debug("sandbox: off");
		return 0;
	}
	if (!sandbox_built()) {
		say_debug("sandbox: none in a build with sanitizers");
		return s->mode == SANDBOX_ON ? err_set(e, "--sandbox=on: not in a build with sanitizers") : 0;
	}
	if (s->needs.what & NEED_ANYTHING) {
		s->denies = s->mode == SANDBOX_ON;
		say_debug("sandbox: %s: %s may need anything", s->denies ? "only what no disk needs is denied" : "off", s->needs.who);
		return 0;
	}
	s->filters = true;
	if (s->mode == SANDBOX_ON && sandbox_has_filters() < 0) /* before we say that we are ready */
		return failed(s, "seccomp is not to be had", e);
	/* What it starts is to have all that the starter has. */
	return s->needs.what & NEED_CHILD ? 0 : enter(s, e);
}

int sandbox_seal(struct sandbox *s, struct err *e)
{
	if (!s->filters && !s->denies)
		return 0;
	if (s->syslog)
		tzset(); /* while its file can be read */
	if (s->filters && !s->entered && enter(s, e) < 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || (s->filters ? sandbox_filter(s) : sandbox_deny()) < 0)
		return failed(s, "seccomp is not to be had", e);
	say_debug("sandbox: sealed");
	return 0;
}
