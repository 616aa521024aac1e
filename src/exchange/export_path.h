/*
 * export_path.h
 *		Checks the path of an export to a server file, and replaces or creates it.
 */
#ifndef TW_EXPORT_PATH_H
#define TW_EXPORT_PATH_H

#include <limits.h>

/*
 * The target of an export. Names are relative to the open folder, which stays the same if its path is changed.
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
