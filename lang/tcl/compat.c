/* SPDX-License-Identifier: BSD-2-Clause */
#include "compat.h"

#if TCL_MAJOR_VERSION < 9
/* A value without a string is a byte array or was computed as Unicode; either way, 8.6 would cut characters
 * beyond U+00FF to their low byte, so whatever has, or could have, a string is looked at. */
unsigned char *bytes_from_obj(Tcl_Interp *tcl, Tcl_Obj *value, Tcl_Size *len)
{
	static _Thread_local const Tcl_ObjType *byte_array;
	if (!byte_array)
		byte_array = Tcl_GetObjType("bytearray");
	if (value->bytes || value->typePtr != byte_array) {
		Tcl_Size n;
		const char *s = Tcl_GetStringFromObj(value, &n), *end = s + n;
		Tcl_UniChar ch = 0;
		while (s < end) {
			if ((unsigned char)*s < 0x80) {
				s++;
				continue;
			}
			s += Tcl_UtfToUniChar(s, &ch);
			if (ch > 0xff) {
				Tcl_SetObjResult(tcl, Tcl_ObjPrintf("expected bytes, but the value has the character U+%04X", ch));
				return NULL;
			}
		}
	}
	return Tcl_GetByteArrayFromObj(value, len);
}
#else
typedef int compat_is_empty; /* ISO C wants something in a file */
#endif
