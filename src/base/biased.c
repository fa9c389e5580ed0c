/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/biased.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/spin.h"

bool biased_by_kernel;

static bool kernel_barrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void biased_start(void)
{
	/* ThreadSanitizer does not know what the kernel does. */
	if (!UNDER_TSAN && !biased_by_kernel && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
		biased_by_kernel = kernel_barrier();
}

void biased_wait(struct biased *b)
{
	do {
		atomic_store_explicit(&b->held, false, memory_order_release);
		spin_while(&b->wanted);
		atomic_store(&b->held, true);
	} while (atomic_load(&b->wanted));
}

void biased_meet(void)
{
	if (!biased_by_kernel)
		atomic_thread_fence(memory_order_seq_cst);
	while (biased_by_kernel && !kernel_barrier()) /* once it worked, only for want of memory */
		spin_nap();
}

void biased_seize(struct biased *b)
{
	spin_while(&b->held);
}
