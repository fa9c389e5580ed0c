/* SPDX-License-Identifier: BSD-2-Clause */
/* compat: the same names for Tcl 8.6 and 9.  Lengths are Tcl_Size, an int in 8.6. */
#pragma once
#include <tcl.h>

#ifndef TCL_SIZE_MAX
typedef int Tcl_Size;
#endif
#if TCL_MAJOR_VERSION < 9
/* As in 9: NULL, and a message, when a character of the value is no byte. */
unsigned char *bytes_from_obj(Tcl_Interp *tcl, Tcl_Obj *value, Tcl_Size *len);
#define Tcl_GetBytesFromObj bytes_from_obj
#endif
