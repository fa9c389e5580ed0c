/* SPDX-License-Identifier: BSD-2-Clause */
/* embed OUT FILE...: the files as a table in C, for src/web/page.h.  Runs at build time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "embed: %s\n", what);
	exit(1);
}

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" }, { ".svg", "image/svg+xml" },
	};
	const char *end = strrchr(name, '.');

	for (size_t i = 0; end && i < sizeof types / sizeof *types; i++)
		if (strcmp(end, types[i][0]) == 0)
			return types[i][1];
	die(name);
}

static size_t put_bytes(FILE *out, int number, const char *file)
{
	FILE *in = fopen(file, "rb");
	size_t n = 0;
	int c;

	if (!in)
		die(file);
	fprintf(out, "static const unsigned char file%d[] = {", number);
	for (; (c = getc(in)) != EOF; n++)
		fprintf(out, "%s%d,", n % 24 ? "" : "\n", c);
	fprintf(out, "0 };\n");
	if (ferror(in) || fclose(in))
		die(file);
	return n;
}

int main(int argc, char **argv)
{
	FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
	size_t *len = calloc((size_t)argc + 1, sizeof *len);

	if (!out || !len)
		die("usage: embed OUT FILE...");
	fprintf(out, "/* made by tools/embed.c */\n#include \"web/page.h\"\n");
	for (int i = 2; i < argc; i++)
		len[i] = put_bytes(out, i, argv[i]);
	fprintf(out, "const struct page_file page_files[] = {\n");
	for (int i = 2; i < argc; i++) {
		const char *slash = strrchr(argv[i], '/'), *name = slash ? slash + 1 : argv[i];
		fprintf(out, "\t{ \"%s\", \"%s\", (const char *)file%d, %zu },\n", name, type_of(name), i, len[i]);
	}
	fprintf(out, "};\nconst size_t page_count = %d;\n", argc - 2);
	free(len);
	if (fclose(out))
		die("cannot write");
	return 0;
}
