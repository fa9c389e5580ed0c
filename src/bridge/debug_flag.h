/* SPDX-License-Identifier: BSD-2-Clause */
/* debug_flag: -D NAME.FLAG=N, as the command line has it, for the plug-in of that name. */
#pragma once
#include <stddef.h>

struct debug_flag {
	const char *name;  /* NAME.FLAG=N, borrowed */
	size_t name_len;   /* of NAME */
	int value;
};
