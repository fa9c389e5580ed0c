/* SPDX-License-Identifier: BSD-2-Clause */
/* server_file: which log or recording a running server writes, by the Unix socket that it listens on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

bool is_socket(const char *path);
/* The file's path; a recording if it writes both.  Connects to the socket for a moment, to ask the kernel who is there.
 * -1: e says why there is none. */
int server_file(const char *socket, char *to, size_t room, struct err *e);
