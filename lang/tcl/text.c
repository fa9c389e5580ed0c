/* SPDX-License-Identifier: BSD-2-Clause */
#include "text.h"
#include <string.h>

static Tcl_Obj *from(const char *encoding, const char *s)
{
	Tcl_Encoding e = encoding ? Tcl_GetEncoding(NULL, encoding) : NULL; /* NULL: the system's */
	Tcl_DString d;

	Tcl_ExternalToUtfDString(e, s, -1, &d);
	Tcl_Obj *value = Tcl_NewStringObj(Tcl_DStringValue(&d), Tcl_DStringLength(&d));
	Tcl_DStringFree(&d);
	if (e)
		Tcl_FreeEncoding(e);
	return value;
}

static char *to(const char *encoding, const char *s)
{
	Tcl_Encoding e = encoding ? Tcl_GetEncoding(NULL, encoding) : NULL;
	Tcl_DString d;

	Tcl_UtfToExternalDString(e, s, -1, &d);
	char *copy = strdup(Tcl_DStringValue(&d));
	Tcl_DStringFree(&d);
	if (e)
		Tcl_FreeEncoding(e);
	return copy;
}

Tcl_Obj *text_from_system(const char *s)
{
	return from(NULL, s);
}

Tcl_Obj *text_from_wire(const char *s)
{
	return from("utf-8", s);
}

char *text_to_system(const char *s)
{
	return to(NULL, s);
}

char *text_to_wire(Tcl_Obj *value)
{
	return to("utf-8", Tcl_GetString(value));
}
