/*
 * export_path.h
 *		Where on the server an export may be written, and how it gets there.
 */
#ifndef TW_EXPORT_PATH_H
#define TW_EXPORT_PATH_H

#include <limits.h>

/*
 * A file on its way to its place. Names are relative to the folder, which stays the same whatever happens to its path.
 */
typedef struct TwExportPath
{
	mode_t		mode;			/* of the file that is replaced, 0 = none */
	const char *path;
	const char *name;			/* its last component */
	int			folder;			/* descriptor; -1 = not open */
	int			file;			/* of the temporary file; -1 = not open */
	char		temporary[64];	/* its name; empty = there is none */
} TwExportPath;

extern void tw_export_path_open(TwExportPath *target, const char *path, bool overwrite);
extern void tw_export_path_create(TwExportPath *target, int64 id);
extern void tw_export_path_publish(TwExportPath *target, bool overwrite);
extern void tw_export_path_close(TwExportPath *target);

#endif							/* TW_EXPORT_PATH_H */
