/* SPDX-License-Identifier: BSD-2-Clause */
/* json_in: reads JSON of a form that is known beforehand (RFC 8259): the caller says what comes next.  What does not fit makes it bad,
 * and then nothing comes any more.  Any bytes may be given; no allocation, no recursion.  One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_in {
	const char *p, *end;
	bool bad;
};

/* Walks an object or an array: first for its opening bracket, then for each member or element, until it says false: it is over, or bad.
 *
 *	for (bool first = true; json_member(j, &first, key, sizeof key);) ...take the value... */
bool json_member(struct json_in *j, bool *first, char *key, size_t room);
bool json_element(struct json_in *j, bool *first);
/* A text in UTF-8 that fits room with its NUL and has no NUL inside; a whole number that is not negative. */
void json_text(struct json_in *j, char *to, size_t room);
uint64_t json_number(struct json_in *j);
/* Is that all there is? */
bool json_over(struct json_in *j);
