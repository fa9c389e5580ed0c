/* SPDX-License-Identifier: BSD-2-Clause */
/* page: the files of the page, which tools/embed put into the program.  Constant. */
#pragma once
#include <stddef.h>

struct page_file {
	const char *name;      /* "index.html" ... */
	const char *type;      /* of its content, for HTTP */
	const char *data;      /* len bytes, and a NUL behind them */
	size_t len;
};
extern const struct page_file page_files[];
extern const size_t page_count;
