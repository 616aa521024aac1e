/*
 * export_path.c
 *		Checks the path of an export to a server file, and replaces or creates it.
 *
 * The folder is opened once, and used through its descriptor from then on: a
 * symbolic link put into its path later changes nothing.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compat.h"
#include "base/excerpt.h"
#include "exchange/export_path.h"
#include "miscadmin.h"
#include "storage/fd.h"

/* How deep a folder may lie; a path has no more components than that. */
#define MAX_DEPTH (MAXPGPATH / 2)

/* Of a temporary file: the export's id and the process that writes it, so that people can tell where one comes from. */
#define TEMPORARY_NAME "training_workflow_export_%lld_%d.tmp"

/* How often a temporary file is created until it stays. */
#define MAX_ATTEMPTS 10

pg_noreturn static void
refuse(const char *path, int sqlerrcode, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlerrcode),
			 errmsg("cannot export to \"%s\": %s", tw_excerpt(path), problem),
			 errhint("%s", hint)));
}

pg_noreturn static void
refuse_file_error(const char *what, const char *path)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s \"%s\": %m", what, tw_excerpt(path))));
}

static void
check_spelling(const char *path)
{
	const char *last = strrchr(path, '/');

	if (path[0] != '/')
		refuse(path, ERRCODE_INVALID_NAME, "it is a relative path",
			   "Name a file by its whole path, such as \"/srv/exports/samples.jsonl\".");
	for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
	{
		if (at[3] == '/' || at[3] == '\0')
			refuse(path, ERRCODE_INVALID_NAME, "it has \"..\" in it", "Name the folder that is meant.");
	}
	if (last[1] == '\0' || strcmp(last, "/.") == 0)
		refuse(path, ERRCODE_INVALID_NAME, "it names a folder", "Add the name of the file.");
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool
is_tablespace(const struct stat *at)
{
	DIR		   *folder = AllocateDir("pg_tblspc");
	struct dirent *entry;
	struct stat there;
	bool		result = false;

	while ((entry = ReadDir(folder, "pg_tblspc")) != NULL && !result)
	{
		char	   *name = psprintf("pg_tblspc/%s", entry->d_name);

		result = entry->d_name[0] != '.' && stat(name, &there) == 0 && is_same(&there, at);
	}
	FreeDir(folder);
	return result;
}

/* Whether an open folder is in the data directory, or in a folder that pg_wal or a tablespace points to. */
static bool
is_inside_data(const char *path, int folder)
{
	struct stat data;
	struct stat wal;
	struct stat at;
	struct stat below = {0};
	char		up[3 * MAX_DEPTH + 2] = ".";

	if (stat(DataDir, &data) != 0 || stat("pg_wal", &wal) != 0)
		refuse_file_error("look at the data directory for", path);
	for (int depth = 0; depth < MAX_DEPTH; depth++)
	{
		if (fstatat(folder, up, &at, 0) != 0)
			refuse_file_error("look at the folders above", path);
		if (is_same(&at, &data) || is_same(&at, &wal) || is_tablespace(&at))
			return true;
		/* The root is its own parent. */
		if (depth > 0 && is_same(&at, &below))
			return false;
		below = at;
		strcat(up, "/..");
	}
	return true;
}

/* The target must not exist, or be a file that may be replaced. */
static void
check_place(TwExportPath *target, bool overwrite)
{
	struct stat there;

	if (fstatat(target->folder, target->name, &there, AT_SYMLINK_NOFOLLOW) != 0)
	{
		if (errno == ENOENT)
			return;
		refuse_file_error("look at", target->path);
	}
	if (S_ISLNK(there.st_mode))
		refuse(target->path, ERRCODE_WRONG_OBJECT_TYPE, "it is a symbolic link", "Name the file that is meant.");
	if (S_ISDIR(there.st_mode))
		refuse(target->path, ERRCODE_WRONG_OBJECT_TYPE, "it is a folder", "Add the name of the file.");
	if (!S_ISREG(there.st_mode))
		refuse(target->path, ERRCODE_WRONG_OBJECT_TYPE, "it is no regular file",
			   "Devices and pipes cannot be replaced by a file.");
	target->mode = there.st_mode & 0777;
	if (!overwrite)
		refuse(target->path, ERRCODE_DUPLICATE_FILE, "the file exists", "Pass overwrite => true to replace it.");
}

/*
 * Checks everything that can be known of a path before there is a file, and
 * opens its folder. What is open is closed by tw_export_path_close(), after an
 * error too.
 */
void
tw_export_path_open(TwExportPath *target, const char *path, bool overwrite)
{
	char	   *folder = pstrdup(path);

	*target = (TwExportPath) {.path = path, .folder = -1, .file = -1};
	check_spelling(path);
	target->name = strrchr(path, '/') + 1;
	folder[Max(target->name - path - 1, 1)] = '\0';

	target->folder = OpenTransientFile(folder, O_RDONLY | O_DIRECTORY);
	if (target->folder < 0 && errno == ENOENT)
		refuse(path, ERRCODE_UNDEFINED_FILE, "there is no such folder",
			   "Make it, and let the server's user write to it.");
	if (target->folder < 0)
		refuse_file_error("open folder", folder);
	if (is_inside_data(path, target->folder))
		refuse(path, ERRCODE_INVALID_NAME, "it lies in the data directory",
			   "Choose a folder that is not the server's own.");
	check_place(target, overwrite);
}

/* Whether a name is one that tw_export_path_create() gives. */
static bool
is_temporary_name(const char *name)
{
	long long	id;
	int			pid;
	char		spelled[sizeof(((TwExportPath *) NULL)->temporary)];

	if (sscanf(name, TEMPORARY_NAME, &id, &pid) != 2)
		return false;
	snprintf(spelled, sizeof(spelled), TEMPORARY_NAME, id, pid);
	return strcmp(name, spelled) == 0;
}

/*
 * Removes a temporary file that nobody writes any more: whoever writes one has
 * it locked, and the lock ends with the process. What cannot be opened or
 * locked is left alone.
 */
static void
remove_orphan(int folder, const char *name)
{
	int			file = openat(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | PG_BINARY);
	struct stat there;

	if (file < 0)
		return;
	if (fstat(file, &there) == 0 && S_ISREG(there.st_mode) &&
		flock(file, LOCK_EX | LOCK_NB) == 0 && unlinkat(folder, name, 0) == 0)
		ereport(LOG,
				(errmsg("removed the temporary file \"%s\" of an export that was cut off", name)));
	close(file);
}

/* Exports that were cut off by kill -9 or a crash of the server cannot clean up after themselves. */
static void
remove_orphans(int folder)
{
	int			copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR		   *entries = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (entries == NULL)
	{
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(entries)) != NULL)
	{
		if (is_temporary_name(entry->d_name))
			remove_orphan(folder, entry->d_name);
	}
	closedir(entries);
}

/*
 * Creates the temporary file, and locks it; removes those of exports that were
 * cut off. Another session may do so between the two: then the file has no
 * name any more, and is created again.
 */
void
tw_export_path_create(TwExportPath *target, int64 id)
{
	char		name[sizeof(target->temporary)];
	struct stat there;

	remove_orphans(target->folder);
	snprintf(name, sizeof(name), TEMPORARY_NAME, (long long) id, MyProcPid);
	for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++)
	{
		bool		is_there;

		target->file = openat(target->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | PG_BINARY,
							  S_IRUSR | S_IWUSR);
		is_there = target->file < 0 && errno == EEXIST;
		if (target->file < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not create the temporary file \"%s\" for \"%s\": %m", name, target->path),
					 is_there ? errhint("A server that crashed left it behind: remove it.") : 0));
		strlcpy(target->temporary, name, sizeof(target->temporary));
		/* On a file system without locks, nobody removes files by them either. */
		while (flock(target->file, LOCK_EX) != 0 && errno == EINTR)
			CHECK_FOR_INTERRUPTS();
		if (fstat(target->file, &there) != 0 || there.st_nlink > 0)
			break;
		target->temporary[0] = '\0';
		close(target->file);
		target->file = -1;
	}
	if (target->file < 0)
		refuse(target->path, ERRCODE_OBJECT_IN_USE, "its temporary file is removed again and again",
			   "Try again.");
}

/* Renames the temporary file durably. Without overwrite, a file created there in the meantime is kept. */
void
tw_export_path_publish(TwExportPath *target, bool overwrite)
{
	if (pg_fsync(target->file) != 0)
		refuse_file_error("fsync the temporary file for", target->path);
	check_place(target, overwrite);
	if (overwrite)
	{
		/* The new file gets the permissions of the old one. */
		if (target->mode != 0 && fchmod(target->file, target->mode) != 0)
			refuse_file_error("set the mode of", target->path);
		if (renameat(target->folder, target->temporary, target->folder, target->name) != 0)
			refuse_file_error("rename the temporary file to", target->path);
	}
	else
	{
		/* Unlike a rename, a link never replaces anything. */
		if (linkat(target->folder, target->temporary, target->folder, target->name, 0) != 0)
		{
			if (errno == EPERM || errno == EOPNOTSUPP)
				refuse(target->path, ERRCODE_FEATURE_NOT_SUPPORTED,
					   "its file system has no links, which never replace a file",
					   "Pass overwrite => true to rename the file instead.");
			refuse_file_error("link the temporary file to", target->path);
		}
		if (unlinkat(target->folder, target->temporary, 0) != 0)
			refuse_file_error("remove the temporary file for", target->path);
	}
	target->temporary[0] = '\0';
	if (pg_fsync(target->folder) != 0)
		refuse_file_error("fsync the folder of", target->path);
}

/* Removes the temporary file and closes descriptors. May be called repeatedly. Raises no error. */
void
tw_export_path_close(TwExportPath *target)
{
	if (target->temporary[0] != '\0' && unlinkat(target->folder, target->temporary, 0) != 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove the temporary file \"%s\" for \"%s\": %m", target->temporary, target->path)));
	target->temporary[0] = '\0';
	if (target->file >= 0)
		close(target->file);
	target->file = -1;
	if (target->folder >= 0)
		CloseTransientFile(target->folder);
	target->folder = -1;
}
