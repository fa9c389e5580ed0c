/* SPDX-License-Identifier: BSD-2-Clause */
#include "cost.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The number behind `key:` in a file like /proc/PID/status; 0 when it is not there. */
static uint64_t status_field(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	char line[256];
	uint64_t n = 0;
	size_t len = strlen(key);
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, key, len) && line[len] == ':')
			sscanf(line + len + 1, "%" SCNu64, &n);
	if (f)
		fclose(f);
	return n;
}

static uint64_t switches(pid_t pid)
{
	char path[300];
	uint64_t sum = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	for (struct dirent *t; d && (t = readdir(d));) {
		if (t->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.16s/status", (int)pid, t->d_name);
		sum += status_field(path, "voluntary_ctxt_switches");
	}
	if (d)
		closedir(d);
	return sum;
}

int cost_read(pid_t pid, struct cost *out, struct err *e)
{
	clockid_t clock;
	struct timespec t;
	char path[64];
	*out = (struct cost){ 0 };
	if (!pid)
		return 0;
	int err = clock_getcpuclockid(pid, &clock);
	if (!err && clock_gettime(clock, &t) < 0)
		err = errno;
	if (err)
		return err_set(e, "--server-pid=%d: cannot read its CPU time: %s", (int)pid, strerror(err));
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	out->cpu = t.tv_sec * NS_PER_S + t.tv_nsec;
	out->threads = status_field(path, "Threads");
	out->rss = status_field(path, "VmRSS");
	out->switches = switches(pid);
	for (const char *const *key = (const char *[]){ "Slab", "KernelStack", "PageTables", NULL }; *key; key++)
		out->kernel += status_field("/proc/meminfo", *key);
	return 0;
}
