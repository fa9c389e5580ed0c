/* SPDX-License-Identifier: BSD-2-Clause */
/* A stand-in for the header of Tcl 9, of which Debian 12 has no package: what lang/tcl uses, with the types that 9 gives
 * it (lengths and counts are Tcl_Size, 64 bits), and nothing else.  To compile against, not to link: tests/run/tcl-9.py.
 * Who uses another function of Tcl adds it here, as the manual of 9 has it.  What 9 has no more must not be added:
 * Tcl_NewIntObj and its kind, CONST, CONST84, VOID, ckalloc, Tcl_SetResult, Tcl_Eval and so on. */
#pragma once
#include <stddef.h>

#define TCL_MAJOR_VERSION 9
#define TCL_VERSION "9.0"
#define TCL_PATCH_LEVEL "9.0.0"

typedef ptrdiff_t Tcl_Size;
#define TCL_SIZE_MAX ((Tcl_Size)(((size_t)-1) >> 1))
typedef long long Tcl_WideInt;

typedef struct Tcl_Interp Tcl_Interp;
typedef struct Tcl_Obj Tcl_Obj;    /* its fields have other types and names in 9: out of bounds */
typedef struct Tcl_Namespace Tcl_Namespace;
typedef struct Tcl_Command_ *Tcl_Command;
typedef struct Tcl_Channel_ *Tcl_Channel;
typedef struct Tcl_Encoding_ *Tcl_Encoding;
typedef struct {
	char *string;
	Tcl_Size length, avail;
	char space[200];
} Tcl_DString;
#define Tcl_DStringLength(d) ((d)->length)
#define Tcl_DStringValue(d) ((d)->string)

/* The number of words stays an int for commands made by Tcl_CreateObjCommand. */
typedef int(Tcl_ObjCmdProc)(void *data, Tcl_Interp *tcl, int n, Tcl_Obj *const *args);
typedef void(Tcl_CmdDeleteProc)(void *data);
typedef void(Tcl_NamespaceDeleteProc)(void *data);

enum { TCL_OK, TCL_ERROR, TCL_RETURN };
enum { TCL_EXACT = 1, TCL_GLOBAL_ONLY = 1, TCL_EVAL_GLOBAL = 0x20000, TCL_WRITABLE = 1 << 2, TCL_STDOUT = 1 << 2 };

/* beginning and end */
const char *Tcl_FindExecutable(const char *argv0);
Tcl_Interp *Tcl_CreateInterp(void);
int Tcl_Init(Tcl_Interp *tcl);
void Tcl_DeleteInterp(Tcl_Interp *tcl);
void Tcl_FinalizeThread(void);

/* values */
void Tcl_IncrRefCount(Tcl_Obj *value);
void Tcl_DecrRefCount(Tcl_Obj *value);
Tcl_Obj *Tcl_NewStringObj(const char *s, Tcl_Size len);
Tcl_Obj *Tcl_NewWideIntObj(Tcl_WideInt n);
Tcl_Obj *Tcl_NewByteArrayObj(const unsigned char *bytes, Tcl_Size len);
Tcl_Obj *Tcl_NewListObj(Tcl_Size n, Tcl_Obj *const words[]);
Tcl_Obj *Tcl_ObjPrintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *Tcl_GetString(Tcl_Obj *value);
char *Tcl_GetStringFromObj(Tcl_Obj *value, Tcl_Size *len);
unsigned char *Tcl_GetBytesFromObj(Tcl_Interp *tcl, Tcl_Obj *value, Tcl_Size *len);
int Tcl_GetBooleanFromObj(Tcl_Interp *tcl, Tcl_Obj *value, int *yes);
int Tcl_GetWideIntFromObj(Tcl_Interp *tcl, Tcl_Obj *value, Tcl_WideInt *n);
int Tcl_ListObjGetElements(Tcl_Interp *tcl, Tcl_Obj *value, Tcl_Size *n, Tcl_Obj ***words);
int Tcl_ListObjAppendElement(Tcl_Interp *tcl, Tcl_Obj *list, Tcl_Obj *value);
int Tcl_DictObjGet(Tcl_Interp *tcl, Tcl_Obj *dict, Tcl_Obj *key, Tcl_Obj **value);
/* In 9 a macro over Tcl_GetIndexFromObjStruct that also says how large an integer *which is. */
int Tcl_GetIndexFromObj(Tcl_Interp *tcl, Tcl_Obj *value, const char *const *table, const char *what, int flags, int *which);

/* commands and variables */
Tcl_Command Tcl_CreateObjCommand(Tcl_Interp *tcl, const char *name, Tcl_ObjCmdProc *f, void *data, Tcl_CmdDeleteProc *gone);
Tcl_Command Tcl_FindCommand(Tcl_Interp *tcl, const char *name, Tcl_Namespace *where, int flags);
Tcl_Namespace *Tcl_CreateNamespace(Tcl_Interp *tcl, const char *name, void *data, Tcl_NamespaceDeleteProc *gone);
Tcl_Obj *Tcl_SetVar2Ex(Tcl_Interp *tcl, const char *name, const char *index, Tcl_Obj *value, int flags);
void Tcl_WrongNumArgs(Tcl_Interp *tcl, Tcl_Size n, Tcl_Obj *const words[], const char *message);

/* evaluation and its result */
int Tcl_EvalObjv(Tcl_Interp *tcl, Tcl_Size n, Tcl_Obj *const words[], int flags);
int Tcl_FSEvalFile(Tcl_Interp *tcl, Tcl_Obj *path);
Tcl_Obj *Tcl_GetObjResult(Tcl_Interp *tcl);
#define Tcl_GetStringResult(tcl) Tcl_GetString(Tcl_GetObjResult(tcl))
void Tcl_SetObjResult(Tcl_Interp *tcl, Tcl_Obj *value);
void Tcl_ResetResult(Tcl_Interp *tcl);
void Tcl_SetObjErrorCode(Tcl_Interp *tcl, Tcl_Obj *code);
void Tcl_SetErrorCode(Tcl_Interp *tcl, ...);
Tcl_Obj *Tcl_GetReturnOptions(Tcl_Interp *tcl, int code);
const char *Tcl_ErrnoId(void);
const char *Tcl_PosixError(Tcl_Interp *tcl);

/* encodings and channels */
Tcl_Encoding Tcl_GetEncoding(Tcl_Interp *tcl, const char *name);
void Tcl_FreeEncoding(Tcl_Encoding encoding);
char *Tcl_ExternalToUtfDString(Tcl_Encoding encoding, const char *s, Tcl_Size len, Tcl_DString *out);
char *Tcl_UtfToExternalDString(Tcl_Encoding encoding, const char *s, Tcl_Size len, Tcl_DString *out);
void Tcl_DStringFree(Tcl_DString *d);
Tcl_Channel Tcl_GetStdChannel(int type);
Tcl_Channel Tcl_GetChannel(Tcl_Interp *tcl, const char *name, int *mode);
int Tcl_GetChannelHandle(Tcl_Channel channel, int direction, void **handle);
int Tcl_Flush(Tcl_Channel channel);
