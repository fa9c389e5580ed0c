/* SPDX-License-Identifier: BSD-2-Clause */
/* text: between Tcl's strings and those of the world.  On threads that have an interpreter.
 *
 *   system    parameters, names of files, messages: in the encoding of the locale, as tclsh has its arguments.  In a
 *             locale without one (C), bytes become characters and the same bytes again.
 *   wire      names of exports and their descriptions: UTF-8 proper, whatever the locale; what Tcl keeps inside is not
 *             (NUL is two bytes there, and in Tcl 8 so are the halves of what is beyond U+FFFF). */
#pragma once
#include "compat.h"

/* New values. */
Tcl_Obj *text_from_system(const char *s);
Tcl_Obj *text_from_wire(const char *s);
/* malloc'd, or NULL without memory.  s as Tcl has it. */
char *text_to_system(const char *s);
char *text_to_wire(Tcl_Obj *value);
