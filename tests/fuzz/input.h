/* SPDX-License-Identifier: BSD-2-Clause */
/* input: a fuzzer's bytes as choices.  Each take uses bytes up; when there are none left it gives 0, and input_more() is
 * false: so a short input is a short case, and a mutation changes one choice. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A promise that must hold whatever the input is; a fuzzer reports the abort with its input. */
#define MUST(promise)                                                                            \
	do {                                                                                     \
		if (!(promise)) {                                                                \
			fprintf(stderr, "%s:%d: must be: %s\n", __FILE__, __LINE__, #promise);   \
			abort();                                                                 \
		}                                                                                \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

struct input {
	const uint8_t *p;
	size_t n;   /* bytes left */
};

static inline bool input_more(const struct input *in) { return in->n > 0; }

/* n <= 8 bytes, the most significant first. */
static inline uint64_t input_take(struct input *in, unsigned n)
{
	uint64_t v = 0;
	for (; n; n--) {
		v = v << 8 | (in->n ? *in->p : 0);
		if (in->n) {
			in->p++;
			in->n--;
		}
	}
	return v;
}

/* 0 to choices - 1, of one byte. */
static inline unsigned input_pick(struct input *in, unsigned choices) { return (unsigned)input_take(in, 1) % choices; }
