/* SPDX-License-Identifier: BSD-2-Clause */
/* filters: the built-in filters, each a file of its own. */
#pragma once
#include "core/core.h"

extern const struct module mod_blocksize, mod_cow, mod_delay, mod_error, mod_ip, mod_limit, mod_log, mod_offset, mod_partition,
	mod_passthrough, mod_record;
