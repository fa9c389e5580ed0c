/* SPDX-License-Identifier: BSD-2-Clause */
/* seccomp: which system calls may be made.  A table becomes a program for the kernel's filter machine (seccomp(2)).
 *
 * Linux 5.11 and later run it once for each call when it is set, and remember those that are allowed whatever their
 * arguments: they cost nothing then.  Before that each call runs it, so what is called for each request comes first.
 * Speculation is left as it is (SPEC_ALLOW): the filter would otherwise switch on mitigations that slow down all code
 * of the process, and protect programs that run foreign code next to their secrets. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "cmd/sandbox.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define X32_FIRST 0x40000000u /* the calls of another ABI */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0 /* not known here: no filter */
#endif

enum { PROGRAM_MAX = 512, NEWEST = 450 /* the last call of Linux 5.17 */ };
#define LOW_WORD(n) ((uint32_t)offsetof(struct seccomp_data, args[n]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))

enum check {
	ANY,
	NO_CODE,      /* memory, but none that can be run, unless NEED_NAMES */
	THREAD,       /* clone(2): a thread, not a process */
	NEVER_MIND,   /* EPERM, in the tests, too */
	NOT_HERE,     /* ENOSYS: the C library then asks in another way */
	TO_US,        /* signals to this process, and those that it has to end */
	FAMILY,       /* socket(2): only for the system log, unless NEED_SOCKETS */
	IOCTLS,       /* what waits in a socket; with NEED_FILES those of block devices */
};

static const struct rule {
	uint16_t nr;
	uint8_t check;
	uint16_t needs; /* any of them; 0: always */
} rules[] = {
	/* for each request */
	{ __NR_read }, { __NR_readv }, { __NR_sendmsg }, { __NR_writev }, { __NR_write }, { __NR_futex }, { __NR_epoll_pwait2 },
#ifdef __NR_epoll_wait
	{ __NR_epoll_wait },
#endif
	{ __NR_epoll_pwait }, { __NR_epoll_ctl }, { __NR_io_uring_enter, .needs = NEED_RING },
	{ __NR_preadv2, .needs = NEED_DATA }, { __NR_pwritev2, .needs = NEED_DATA }, { __NR_pread64, .needs = NEED_DATA | NEED_NAMES },
	{ __NR_pwrite64, .needs = NEED_DATA }, { __NR_madvise }, { __NR_membarrier }, { __NR_recvfrom }, { __NR_sendto }, { __NR_recvmsg },
	{ __NR_fdatasync, .needs = NEED_DATA }, { __NR_fallocate, .needs = NEED_DATA }, { __NR_lseek, .needs = NEED_DATA | NEED_NAMES },
	{ __NR_ioctl, IOCTLS },
	/* for each connection, now and then, and at the end */
	{ __NR_mmap, NO_CODE }, { __NR_mprotect, NO_CODE }, { __NR_munmap }, { __NR_mremap }, { __NR_brk },
	{ __NR_accept4 }, { __NR_close }, { __NR_shutdown }, { __NR_fcntl }, { __NR_getsockopt }, { __NR_setsockopt }, { __NR_getsockname },
	{ __NR_getpeername }, { __NR_ppoll }, { __NR_nanosleep }, { __NR_clock_nanosleep }, { __NR_clock_gettime },
	{ __NR_clock_getres }, { __NR_gettimeofday }, { __NR_clone, THREAD }, { __NR_clone3, NOT_HERE },
	{ __NR_set_robust_list }, { __NR_rseq }, { __NR_rt_sigprocmask }, { __NR_rt_sigaction }, { __NR_rt_sigreturn },
	{ __NR_sigaltstack }, { __NR_restart_syscall }, { __NR_tgkill, TO_US }, { __NR_kill, TO_US }, { __NR_getpid }, { __NR_gettid },
	{ __NR_getppid }, { __NR_getsid }, { __NR_getuid }, { __NR_geteuid }, { __NR_getgid }, { __NR_getegid }, { __NR_exit },
	{ __NR_exit_group }, { __NR_sched_yield }, { __NR_sched_getaffinity }, { __NR_getrandom }, { __NR_fstat },
	{ __NR_newfstatat }, { __NR_faccessat }, { __NR_faccessat2 }, { __NR_wait4 }, { __NR_getrusage }, { __NR_sysinfo },
	{ __NR_uname }, { __NR_prlimit64 }, { __NR_membarrier },
#ifdef __NR_poll
	{ __NR_poll },
#endif
#ifdef __NR_access
	{ __NR_access },
#endif
	/* files */
	{ __NR_preadv, .needs = NEED_DATA }, { __NR_pwritev, .needs = NEED_DATA }, { __NR_fsync, .needs = NEED_DATA },
	{ __NR_ftruncate, .needs = NEED_DATA },
	{ __NR_sync_file_range, .needs = NEED_DATA }, { __NR_fadvise64, .needs = NEED_DATA | NEED_NAMES },
	{ __NR_fstatfs, .needs = NEED_FILES | NEED_NAMES },
	{ __NR_openat, .needs = NEED_FILES | NEED_NAMES }, { __NR_getdents64, .needs = NEED_FILES | NEED_NAMES },
	{ __NR_io_uring_setup, .needs = NEED_RING }, { __NR_io_uring_register, .needs = NEED_RING },
	/* sockets of its own, the libraries around them, the system log */
	{ __NR_socket, FAMILY, NEED_SOCKETS | NEED_SYSLOG }, { __NR_connect, .needs = NEED_SOCKETS | NEED_SYSLOG },
	{ __NR_bind, .needs = NEED_NAMES }, { __NR_sendmmsg, .needs = NEED_NAMES }, { __NR_recvmmsg, .needs = NEED_NAMES },
	{ __NR_socketpair, .needs = NEED_NAMES }, { __NR_pipe2, .needs = NEED_NAMES }, { __NR_eventfd2, .needs = NEED_NAMES },
	{ __NR_epoll_create1, .needs = NEED_NAMES }, { __NR_statx, .needs = NEED_NAMES }, { __NR_readlinkat, .needs = NEED_NAMES },
	{ __NR_getcwd, .needs = NEED_NAMES }, { __NR_flock, .needs = NEED_NAMES }, { __NR_dup, .needs = NEED_NAMES },
	{ __NR_dup3, .needs = NEED_NAMES },
	{ __NR_unlinkat, .needs = NEED_REMOVE | NEED_CHILD },
#ifdef __NR_open /* an architecture that has the old calls */
	{ __NR_open, .needs = NEED_NAMES }, { __NR_stat, .needs = NEED_NAMES }, { __NR_lstat, .needs = NEED_NAMES },
	{ __NR_readlink, .needs = NEED_NAMES }, { __NR_unlink, .needs = NEED_REMOVE | NEED_CHILD },
	{ __NR_rmdir, .needs = NEED_REMOVE | NEED_CHILD },
#endif
	/* where nothing is opened: the C library looks at /proc/sys/vm/overcommit_memory when a thread gives memory back, and
	 * can do without */
	{ __NR_openat, NEVER_MIND },
};

/* What no disk has business with, whatever code it runs. */
static const uint16_t denied[] = {
	__NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kexec_load, __NR_init_module, __NR_finit_module,
	__NR_delete_module, __NR_bpf, __NR_perf_event_open, __NR_userfaultfd, __NR_keyctl, __NR_add_key, __NR_request_key, __NR_reboot,
	__NR_swapon, __NR_swapoff, __NR_settimeofday, __NR_clock_settime, __NR_adjtimex, __NR_clock_adjtime, __NR_acct, __NR_quotactl,
	__NR_sethostname, __NR_setdomainname, __NR_syslog, __NR_vhangup, __NR_open_by_handle_at, __NR_pivot_root, __NR_setns,
	__NR_move_pages, __NR_migrate_pages, __NR_kcmp, __NR_pidfd_getfd, __NR_process_madvise, __NR_fanotify_init,
#ifdef __NR_kexec_file_load
	__NR_kexec_file_load,
#endif
#ifdef __NR_iopl
	__NR_iopl, __NR_ioperm,
#endif
};

/* --- the program --- */

struct program {
	struct sock_filter at[PROGRAM_MAX];
	unsigned short count;
	uint32_t deny; /* what is returned for a call that is not allowed */
};

static void add(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (p->count < PROGRAM_MAX)
		p->at[p->count] = (struct sock_filter){ code, yes, no, k };
	p->count++; /* beyond: refused by install() */
}

static void give(struct program *p, uint32_t what)
{
	add(p, BPF_RET | BPF_K, 0, 0, what);
}

static void load(struct program *p, size_t at)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)at);
}

/* The next instruction when the accumulator is k, the one behind it when it is not. */
static void when(struct program *p, uint32_t k)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k);
}

/* The next one when it has any of the bits (some), or none of them. */
static void when_bits(struct program *p, uint32_t bits, bool some)
{
	add(p, BPF_JMP | BPF_JSET | BPF_K, some ? 0 : 1, some ? 1 : 0, bits);
}

static void allow_when(struct program *p, uint32_t k)
{
	when(p, k);
	give(p, SECCOMP_RET_ALLOW);
}

static void add_ioctls(struct program *p, unsigned what)
{
	static const uint32_t disks[] = { BLKGETSIZE64, BLKSSZGET, BLKDISCARD, BLKZEROOUT };
	load(p, LOW_WORD(1));
	allow_when(p, FIONREAD);
	for (size_t i = 0; what & NEED_FILES && i < ARRAY_LEN(disks); i++)
		allow_when(p, disks[i]);
	give(p, p->deny);
}

static void add_signals(struct program *p, const struct sandbox *s)
{
	load(p, LOW_WORD(0));
	allow_when(p, (uint32_t)getpid());
	if (s->child)
		allow_when(p, (uint32_t)s->child);
	give(p, p->deny);
}

/* What comes of a call whose number is known; every path ends. */
static void add_check(struct program *p, const struct sandbox *s, enum check check)
{
	unsigned what = s->needs.what;

	switch (check) {
	case NO_CODE:
		if (what & NEED_NAMES)
			break;
		load(p, LOW_WORD(2));
		when_bits(p, PROT_EXEC, true);
		give(p, p->deny);
		break;
	case THREAD:
		load(p, LOW_WORD(0));
		when_bits(p, CLONE_THREAD, false);
		give(p, p->deny);
		break;
	case NEVER_MIND:
		give(p, SECCOMP_RET_ERRNO | EPERM);
		return;
	case NOT_HERE:
		give(p, SECCOMP_RET_ERRNO | ENOSYS);
		return;
	case TO_US:
		if (what & NEED_CHILD) /* its number is libnbd's */
			break;
		add_signals(p, s);
		return;
	case FAMILY:
		if (what & NEED_SOCKETS)
			break;
		load(p, LOW_WORD(0));
		allow_when(p, AF_UNIX);
		give(p, p->deny);
		return;
	case IOCTLS:
		add_ioctls(p, what);
		return;
	case ANY:
		break;
	}
	give(p, SECCOMP_RET_ALLOW);
}

/* Other ABIs than ours are for those who want to get around this. */
static void add_head(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
	give(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
#ifdef X32_FIRST
	add(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_FIRST);
	give(p, SECCOMP_RET_KILL_PROCESS);
#endif
}

/* The calls that are newer than these tables: a C library that tries them knows another way. */
static void add_newer(struct program *p)
{
	add(p, BPF_JMP | BPF_JGT | BPF_K, 0, 1, NEWEST);
	give(p, SECCOMP_RET_ERRNO | ENOSYS);
}

static void add_rule(struct program *p, const struct sandbox *s, const struct rule *r)
{
	if (r->needs && !(r->needs & s->needs.what))
		return;
	unsigned short at = p->count;
	when(p, r->nr);
	add_check(p, s, r->check);
	if (p->count <= PROGRAM_MAX)
		p->at[at].jf = (uint8_t)(p->count - at - 1); /* over all of the check */
}

/* For the tests: which call it was. */
static void trapped(int sig, siginfo_t *info, void *context)
{
	char text[80];
	int n = snprintf(text, sizeof text, "sandbox: system call %d is not allowed\n", info->si_syscall);
	(void)context;
	if (write(STDERR_FILENO, text, (size_t)n) < 0)
		errno = 0;
	signal(sig, SIG_DFL);
	raise(sig);
}

static uint32_t denial(void)
{
	const char *how = getenv("BLKSCOPE_SANDBOX");
	if (!how || strcmp(how, "trap") != 0)
		return SECCOMP_RET_ERRNO | EPERM;
	sigaction(SIGSYS, &(struct sigaction){ .sa_sigaction = trapped, .sa_flags = SA_SIGINFO }, NULL);
	return SECCOMP_RET_TRAP;
}

static int install(struct program *p)
{
	struct sock_fprog prog = { .len = p->count, .filter = p->at };
	unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (ARCH == 0 || p->count > PROGRAM_MAX) {
		errno = ARCH == 0 ? ENOSYS : E2BIG;
		return -1;
	}
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (rc < 0 && errno == EINVAL) /* before Linux 4.17 */
		rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (rc > 0) /* a thread that has filters of another origin */
		errno = ESRCH;
	return rc == 0 ? 0 : -1;
}

int sandbox_has_filters(void)
{
	uint32_t action = SECCOMP_RET_ERRNO;
	return ARCH ? (int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) : (errno = ENOSYS, -1);
}

int sandbox_filter(const struct sandbox *s)
{
	struct program p = { .deny = denial() };
	add_head(&p);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		add_rule(&p, s, &rules[i]);
	add_newer(&p);
	give(&p, p.deny);
	return install(&p);
}

int sandbox_deny(void)
{
	struct program p = { .deny = denial() };
	add_head(&p);
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		when(&p, denied[i]);
		give(&p, p.deny);
	}
	give(&p, SECCOMP_RET_ALLOW);
	return install(&p);
}
