/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's command line: options, what they exclude, parameters and their way to the stages. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "cmd/args.h"
#include "cmd/config.h"
#include "cmd/modules.h"
#include "unit/test.h"

enum { WORDS_MAX = 24 };

static struct args a;
static struct err e;
static char *words[WORDS_MAX + 1];

/* Parse the words behind the program's name; the caller frees a. */
#define PARSE(...) parse((const char *[]){ "nbdkit", __VA_ARGS__, NULL })
static int parse(const char **argv)
{
	int argc = 0;
	args_free(&a);
	for (; argv[argc]; argc++)
		words[argc] = (char *)argv[argc];
	words[argc] = NULL;
	e.msg[0] = '\0';
	return args_parse(&a, argc, words, &e);
}

static bool said(const char *part)
{
	return strstr(e.msg, part) != NULL;
}

TEST(nothing_given_is_the_default_of_everything)
{
	CHECK_EQ_U(parse((const char *[]){ "nbdkit", NULL }), 0);
	CHECK(!a.foreground && !a.readonly && !a.oldstyle && !a.verbose && !a.single && !a.vsock);
	CHECK(!a.unix_path && !a.port && !a.address && !a.run && !a.pidfile);
	CHECK_STR(a.export, "");
	CHECK_EQ_U(a.family, AF_UNSPEC);
	CHECK_EQ_U(a.handshake_mask, 0xffff);
	CHECK_EQ_U(a.threads, 0);
	CHECK_EQ_U(a.word_count, 0);
	CHECK_EQ_U(a.log, LOG_DEFAULT);
}

TEST(the_command_of_the_founding_post_is_understood)
{
	CHECK_EQ_U(PARSE("-fv", "--filter=log", "--filter=delay", "memory", "size=67108864", "logfile=/tmp/log",
			 "rdelay=40ms", "wdelay=40ms"), 0);
	CHECK(a.foreground && a.verbose);
	CHECK_EQ_U(a.filter_count, 2);
	CHECK_STR(a.filters[0], "log");
	CHECK_STR(a.filters[1], "delay");
	CHECK_EQ_U(a.word_count, 5);
	CHECK_STR(a.words[0], "memory");
	CHECK_STR(a.words[4], "wdelay=40ms");
	args_free(&a);
}

TEST(options_may_stand_behind_the_plugin)
{
	CHECK_EQ_U(PARSE("memory", "-r", "64M", "--filter", "log", "-p", "1234"), 0);
	CHECK(a.readonly);
	CHECK_STR(a.port, "1234");
	CHECK_EQ_U(a.filter_count, 1);
	CHECK_EQ_U(a.word_count, 2);
	CHECK_STR(a.words[1], "64M");
	args_free(&a);
}

TEST(behind_two_dashes_everything_is_a_word_and_one_dash_is_a_word)
{
	CHECK_EQ_U(PARSE("-r", "--", "memory", "-1", "-f"), 0);
	CHECK(a.readonly && !a.foreground);
	CHECK_EQ_U(a.word_count, 3);
	CHECK_STR(a.words[1], "-1");
	CHECK_EQ_U(PARSE("memory", "-", "-r"), 0);
	CHECK_EQ_U(a.word_count, 2);
	CHECK_STR(a.words[1], "-");
}

TEST(each_name_of_an_option_means_the_same)
{
	static const char *const exports[] = { "--export=x", "--export-name=x", "--exportname=x", "-ex" };
	static const char *const pidfiles[] = { "--pidfile=x", "--pid-file=x", "-Px" };
	static const char *const singles[] = { "--single", "--stdin", "-s" };
	static const char *const readonlys[] = { "--readonly", "--read-only", "-r" };
	static const char *const oldstyles[] = { "--oldstyle", "--old-style", "-o" };
	static const char *const foregrounds[] = { "--foreground", "--no-fork", "-f" };
	static const char *const addresses[] = { "--ipaddr=x", "--ip-addr=x", "-ix" };
	for (size_t i = 0; i < ARRAY_LEN(exports); i++)
		CHECK(PARSE(exports[i]) == 0 && strcmp(a.export, "x") == 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK(PARSE(pidfiles[i]) == 0 && strcmp(a.pidfile, "x") == 0);
		CHECK(PARSE(singles[i]) == 0 && a.single);
		CHECK(PARSE(readonlys[i]) == 0 && a.readonly);
		CHECK(PARSE(oldstyles[i]) == 0 && a.oldstyle);
		CHECK(PARSE(foregrounds[i]) == 0 && a.foreground);
		CHECK(PARSE(addresses[i]) == 0 && strcmp(a.address, "x") == 0);
	}
	CHECK(PARSE("-4", "-6") == 0 && a.family == AF_INET6); /* the last one counts */
	CHECK(PARSE("-6", "-4") == 0 && a.family == AF_INET);
	CHECK(PARSE("-o", "-n") == 0 && !a.oldstyle);
}

TEST(a_bad_option_is_named_in_one_line)
{
	CHECK(PARSE("--bogus") < 0 && said("'--bogus'"));
	CHECK(PARSE("memory", "-Z") < 0 && said("'-Z'"));
	CHECK(PARSE("-U") < 0 && said("'-U' requires an argument"));
	CHECK(PARSE("--unix") < 0 && said("'--unix' requires an argument"));
	CHECK(PARSE("--readonly=1") < 0 && said("takes no argument"));
	CHECK(PARSE("--tl=1") < 0 && said("ambiguous"));
}

TEST(a_bad_value_is_named_in_one_line)
{
	CHECK(PARSE("-t", "foo") < 0 && said("threads") && said("foo"));
	CHECK(PARSE("-t", "-1") < 0 && said("negative"));
	CHECK(PARSE("--mask-handshake=9999999999") < 0 && said("mask-handshake"));
	CHECK(PARSE("--log=foo") < 0 && said("foo"));
	CHECK(PARSE("-D", "foo") < 0 && said("NAME.FLAG=N"));
	CHECK(PARSE("-D", "foo.bar=x") < 0 && said("x"));
	CHECK(PARSE("-D", "foo.bar=1") == 0);
	CHECK(PARSE("-u", "no-such-user") < 0 && said("no-such-user"));
	CHECK(PARSE("-g", "no-such-group") < 0 && said("no-such-group"));
	CHECK(PARSE("--tls=foo") < 0 && said("foo"));
}

TEST(users_and_groups_go_by_name_or_number)
{
	CHECK(PARSE("-u", "root", "-g", "0") == 0);
	CHECK(a.has_user && a.user == 0 && a.user_group == 0);
	CHECK(a.has_group && a.group == 0);
	CHECK(PARSE("-u", "4000000000") == 0); /* nobody's number */
	CHECK(a.has_user && a.user == 4000000000u && !a.user_name && a.user_group == (gid_t)-1);
}

static bool refused(const char **argv, bool activated)
{
	return parse(argv) == 0 && args_check(&a, activated, &e) < 0;
}
#define REFUSED(...) refused((const char *[]){ "nbdkit", __VA_ARGS__, NULL }, false)
#define REFUSED_ACTIVATED(...) refused((const char *[]){ "nbdkit", __VA_ARGS__, NULL }, true)

TEST(what_cannot_be_together_is_refused)
{
	CHECK(REFUSED("-U", "s", "-p", "1") && said("-U") && said("-p"));
	CHECK(REFUSED("-U", "s", "--vsock"));
	CHECK(REFUSED("-s", "-p", "1"));
	CHECK(REFUSED("-s", "-U", "s"));
	CHECK(REFUSED("-s", "--vsock"));
	CHECK(REFUSED("-s", "--run", "true"));
	CHECK(REFUSED("-s", "--dump-plugin"));
	CHECK(REFUSED("-P", ""));
	CHECK(!REFUSED("-U", "s", "-i", "::1")); /* as nbdkit */
	CHECK(!REFUSED("--run", "true", "--exit-with-parent", "-f"));
	CHECK(!REFUSED("--vsock", "-p", "5"));
}

TEST(sockets_that_were_passed_on_exclude_other_ways_to_listen)
{
	CHECK(REFUSED_ACTIVATED("-U", "s"));
	CHECK(REFUSED_ACTIVATED("-p", "1"));
	CHECK(REFUSED_ACTIVATED("-i", "::1"));
	CHECK(REFUSED_ACTIVATED("-s"));
	CHECK(REFUSED_ACTIVATED("--run", "true"));
	CHECK(!REFUSED_ACTIVATED("-f", "-r"));
}

TEST(tls_is_off_on_or_required)
{
	CHECK(PARSE("-f") == 0 && a.tls == TLS_DEFAULT);
	CHECK(PARSE("--tls=off") == 0 && a.tls == TLS_OFF);
	CHECK(PARSE("--tls=0") == 0 && a.tls == TLS_OFF);
	CHECK(PARSE("--tls=on") == 0 && a.tls == TLS_ON);
	CHECK(PARSE("--tls=require", "--tls-psk=/x", "--tls-certificates=/y", "--tls-verify-peer") == 0);
	CHECK(a.tls == TLS_REQUIRE && a.tls_verify_peer && strcmp(a.tls_psk, "/x") == 0 && strcmp(a.tls_certificates, "/y") == 0);
	CHECK(REFUSED("-o", "--tls=require") && said("-o"));
	CHECK(!REFUSED("-o", "--tls=on"));
	CHECK(!REFUSED("-s", "--tls=require"));
}

/* --- parameters --- */

struct block {
	const char *shared, *own;
};
static const struct option outer_options[] = {
	OPT_STRING("shared", struct block, shared, "S", "known to all"), { 0 }
};
static const struct option inner_options[] = {
	OPT_STRING("shared", struct block, shared, "S", "known to all"),
	OPT_STRING("own", struct block, own, "S", "known to the inner one"), { 0 }
};
static const struct option magic_options[] = {
	{ .key = "own", .type = OPTION_STRING, .offset = offsetof(struct block, own), .magic = true }, { 0 }
};
static const struct option script_options[] = {
	OPT_STRING("script", struct block, own, "FILE", "a script"),
	OPT_STRING("shared", struct block, shared, "S", "known to all"), { 0 }
};
static const struct module outer = { .name = "outer", .filter = true, .options = outer_options };
static const struct module inner = { .name = "inner", .filter = true, .options = inner_options };
static const struct module with_magic = { .name = "magic", .options = magic_options };
static const struct module with_script = { .name = "script", .options = script_options };
static const struct module with_nothing = { .name = "nothing" };

static struct block blocks[3];
static struct stage stages[3];

/* Two filters and a plug-in, and the words behind the plug-in's name. */
#define PARAMS(plugin, ...) params(plugin, (const char *[]){ "nbdkit", "plugin", __VA_ARGS__, NULL })
static int params(const struct module *plugin, const char **argv)
{
	struct stages ss = { stages, 3 };
	memset(blocks, 0, sizeof blocks);
	stages[0] = (struct stage){ .mod = &outer, .block = &blocks[0], .all = &ss };
	stages[1] = (struct stage){ .mod = &inner, .block = &blocks[1], .all = &ss };
	stages[2] = (struct stage){ .mod = plugin, .block = &blocks[2], .all = &ss };
	return parse(argv) < 0 ? -1 : config_params(&a, &ss, &e);
}

TEST(a_key_goes_to_the_outermost_that_knows_it)
{
	CHECK_EQ_U(PARAMS(&with_script, "shared=a", "own=b", "script=c"), 0);
	CHECK_STR(blocks[0].shared, "a");
	CHECK(!blocks[1].shared && !blocks[2].shared);
	CHECK_STR(blocks[1].own, "b");
	CHECK_STR(blocks[2].own, "c");
}

TEST(a_key_nobody_knows_is_named)
{
	CHECK(PARAMS(&with_magic, "foo=2") < 0 && said("unknown parameter 'foo'"));
	CHECK(PARAMS(&with_nothing, "foo.b-a_r9=2") < 0 && said("unknown parameter 'foo.b-a_r9'"));
}

TEST(a_bare_word_is_the_magic_keys_and_the_last_one_counts)
{
	/* "own" is the inner filter's, too: the plug-in only gives the name */
	CHECK_EQ_U(PARAMS(&with_magic, "1", "x/y=2"), 0);
	CHECK_STR(blocks[1].own, "x/y=2");
	CHECK(!blocks[2].own);
}

TEST(what_does_not_begin_like_a_key_is_a_bare_word)
{
	static const char *const bare[] = { "=1", "1a=2", "", "./a=b", "-", "a b=c", "_a=1" };
	for (size_t i = 0; i < ARRAY_LEN(bare); i++) {
		CHECK_EQ_U(PARAMS(&with_magic, bare[i]), 0);
		CHECK_STR(blocks[1].own, bare[i]);
	}
	CHECK(PARAMS(&with_magic, "a=1") < 0);
	CHECK(PARAMS(&with_magic, "own=a=b") == 0);
	CHECK_STR(blocks[1].own, "a=b");
}

TEST(without_a_magic_key_the_first_bare_word_is_the_script)
{
	CHECK_EQ_U(PARAMS(&with_script, "file.tcl", "shared=a"), 0);
	CHECK_STR(blocks[2].own, "file.tcl");
	CHECK(PARAMS(&with_script, "shared=a", "file.tcl") < 0 && said("expecting key=value") && said("file.tcl"));
	CHECK(PARAMS(&with_nothing, "word") < 0 && said("word"));
}

/* --- names of modules --- */

TEST(modules_are_found_by_name_and_by_the_name_in_a_path)
{
	CHECK(module_find("memory", false, NULL, 0, &e) != NULL);
	CHECK(module_find("log", true, NULL, 0, &e) != NULL);
	const struct module *memory = module_find("memory", false, NULL, 0, &e);
	CHECK(module_find("/usr/lib/nbdkit/plugins/nbdkit-memory-plugin.so", false, NULL, 0, &e) == memory);
	CHECK(module_find("nbdkit-log-filter.so", true, NULL, 0, &e) == module_find("log", true, NULL, 0, &e));
}

TEST(modules_that_are_not_there_are_named)
{
	CHECK(!module_find("nosuch", false, NULL, 0, &e) && said("'nosuch'") && said("memory"));
	CHECK(!module_find("log", false, NULL, 0, &e));
	CHECK(!module_find("memory", true, NULL, 0, &e));
	CHECK(!module_find("", false, NULL, 0, &e));
	CHECK(!module_find("memor", false, NULL, 0, &e));
	CHECK(!module_find("./nbdkit-nosuch-plugin.so", false, NULL, 0, &e) && said("cannot open plugin"));
	CHECK(!module_find("./nbdkit-log-plugin.so", false, NULL, 0, &e) && said("cannot open plugin"));
	CHECK(!module_find("./nbdkit-plugin.so", false, NULL, 0, &e) && said("cannot open plugin"));
	CHECK(!module_find("./nbdkit--plugin.so", false, NULL, 0, &e) && said("cannot open plugin"));
	CHECK(!module_find("./memory", false, NULL, 0, &e) && said("cannot open plugin"));
}

TEST(every_module_can_be_found_by_its_name_and_has_help)
{
	for (const struct module *const *m = modules; *m; m++) {
		CHECK(module_find((*m)->name, (*m)->filter, NULL, 0, &e) == *m);
		for (const struct option *o = (*m)->options; o && o->key; o++)
			CHECK(o->help && *o->help);
	}
}

TEST(stages_stand_in_the_order_of_the_command_line)
{
	struct stages ss;
	CHECK_EQ_U(PARSE("--filter=delay", "--filter=log", "--filter=delay", "null"), 0);
	CHECK_EQ_U(config_stages(&a, &ss, &e), 0);
	CHECK_EQ_U(ss.count, 4);
	CHECK_STR(ss.at[0].mod->name, "delay");
	CHECK_STR(ss.at[1].mod->name, "log");
	CHECK_STR(ss.at[2].mod->name, "delay");
	CHECK_STR(ss.at[3].mod->name, "null");
	config_free(&ss);
	CHECK(PARSE("--filter=delay") == 0 && config_stages(&a, &ss, &e) < 0 && said("no plugins"));
	config_free(&ss);
	CHECK(PARSE("--filter=nosuch", "null") == 0 && config_stages(&a, &ss, &e) < 0 && said("nosuch"));
	config_free(&ss);
	args_free(&a);
}
