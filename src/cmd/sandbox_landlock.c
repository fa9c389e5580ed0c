/* SPDX-License-Identifier: BSD-2-Clause */
/* Landlock: which files may be opened, and which sockets connected.  landlock(7) tells of versions 1 to 6; the numbers
 * are here since the headers of an older system do not have all of them. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "cmd/sandbox.h"

struct ruleset {
	uint64_t fs;     /* what is denied where no rule allows it */
	uint64_t net;    /* since version 4 */
	uint64_t scoped; /* since version 6 */
};

struct beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

enum { RULE_PATH_BENEATH = 1, GIVE_VERSION = 1 };
enum {
	FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4, FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_REG = 1 << 8,
	FS_TRUNCATE = 1 << 14,  /* version 3 */
	FS_IOCTL_DEV = 1 << 15, /* version 5 */
	FS_OF_FILES = FS_WRITE_FILE | FS_READ_FILE | FS_IOCTL_DEV,
	NET_BIND_TCP = 1, NET_CONNECT_TCP = 2,
	SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2,
};

/* All that a version knows. */
static uint64_t fs_rights(int abi)
{
	return abi >= 5 ? 0xffff : abi >= 3 ? 0x7fff : abi == 2 ? 0x3fff : 0x1fff;
}

static size_t ruleset_size(int abi)
{
	return abi >= 6 ? sizeof(struct ruleset) : abi >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
}

/* A rule that cannot be made only forbids more; what is no file of a file system (memfd) is not asked about. */
static void allow(struct needs *n, int fd, unsigned rights)
{
	struct beneath rule = { .fd = fd };
	struct stat st;
	uint64_t handled = fs_rights((int)syscall(SYS_landlock_create_ruleset, NULL, 0, GIVE_VERSION));

	if (rights & PATH_READ)
		rule.allowed |= FS_READ_FILE | FS_IOCTL_DEV;
	if (rights & PATH_WRITE)
		rule.allowed |= FS_WRITE_FILE;
	if (rights & PATH_LIST)
		rule.allowed |= FS_READ_DIR;
	if (rights & PATH_REMOVE_FILE)
		rule.allowed |= FS_REMOVE_FILE;
	if (rights & PATH_REMOVE_DIR)
		rule.allowed |= FS_REMOVE_DIR;
	if (rights & PATH_MAKE)
		rule.allowed |= FS_MAKE_REG | FS_TRUNCATE;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	rule.allowed &= handled;
	if (rule.allowed)
		syscall(SYS_landlock_add_rule, n->ruleset, RULE_PATH_BENEATH, &rule, 0);
}

/* The folder of path. */
static void allow_removing(struct needs *n, const char *path)
{
	char dir[PATH_MAX];
	if (path && snprintf(dir, sizeof dir, "%s", path) < (int)sizeof dir)
		needs_path(n, AT_FDCWD, dirname(dir), PATH_REMOVE_FILE);
}

/* The kernel writes a core as if we did it: where one is wanted, and lies in a folder, that is open to us.  Not the root
 * of a server in the background. */
static void allow_core(struct needs *n)
{
	struct rlimit limit;
	char pattern[PATH_MAX] = "", *end;
	int fd;

	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur == 0
	    || (fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC)) < 0)
		return;
	ssize_t len = read(fd, pattern, sizeof pattern - 1);
	close(fd);
	if (len <= 0 || *pattern == '|')
		return;
	end = strrchr(pattern, '/');
	if (end)
		*end = '\0';
	else if (!getcwd(pattern, sizeof pattern))
		return;
	if (*pattern && strcmp(pattern, "/") != 0)
		needs_path(n, AT_FDCWD, pattern, PATH_READ | PATH_WRITE | PATH_MAKE);
}

static void allow_all(struct sandbox *s)
{
	static const char *const libraries[] = { "/etc", "/usr", "/lib", "/lib64", "/run", "/var/lib/sss" };
	struct needs n = { .readonly = s->readonly, .allow = allow, .ruleset = s->needs.ruleset };

	stages_needs(s->stages, &n);
	n.readonly = false;
	for (size_t i = 0; n.what & NEED_NAMES && i < ARRAY_LEN(libraries); i++)
		needs_path(&n, AT_FDCWD, libraries[i], PATH_READ | PATH_LIST);
	needs_path(&n, AT_FDCWD, "/dev/null", PATH_READ | PATH_WRITE); /* in the place of 0, 1 and 2 */
	allow_core(&n);
	allow_removing(&n, s->pidfile);
	allow_removing(&n, s->unix_path);
	if (s->private_dir)
		needs_path(&n, AT_FDCWD, "/tmp", PATH_REMOVE_DIR); /* where it lies */
}

int sandbox_landlock(struct sandbox *s, int *abi)
{
	*abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GIVE_VERSION);
	if (*abi < 0)
		return -1;
	bool connects = s->needs.what & NEED_SOCKETS;
	const char *notify = getenv("NOTIFY_SOCKET"); /* systemd's, told a little later */
	struct ruleset rules = { .fs = fs_rights(*abi), .net = NET_BIND_TCP | (connects ? 0 : NET_CONNECT_TCP) };
	if (!connects && !(s->needs.what & NEED_ANSWERS) && !(notify && *notify == '@'))
		rules.scoped |= SCOPE_ABSTRACT_UNIX;
	if (!s->child && !(s->needs.what & NEED_CHILD))
		rules.scoped |= SCOPE_SIGNAL;
	s->needs.ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, ruleset_size(*abi), 0);
	if (s->needs.ruleset < 0)
		return -1;
	allow_all(s);
	int rc = (int)syscall(SYS_landlock_restrict_self, s->needs.ruleset, 0), saved = errno;
	close(s->needs.ruleset);
	errno = saved;
	return rc;
}
