/* SPDX-License-Identifier: BSD-2-Clause */
/* read_fd: bytes at a place of an open file, all of them; in the form that trace/rec_read.h asks for. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Exactly n bytes at at of the descriptor *fd (an int).  0, or an errno (EIO: the file ends before).  Any thread. */
int read_fd(void *fd, void *to, size_t n, uint64_t at);
