/*
 * endpoint.c
 *		Foreign servers of our wrappers, and the secrets of their user mappings.
 *
 * The mapping is that of the wrapper's owner (the extension's owner), or else of PUBLIC: a caller of our functions
 * needs no secret, and cannot supply another one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/reloptions.h"
#include "base/compat.h"
#include "base/excerpt.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "http/endpoint.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SECRET_FILE (64 * 1024)

/* For hints: examples of a server and a mapping. */
typedef struct Example
{
	const char *wrapper;
	const char *server;
	const char *mapping;
} Example;

static const Example examples[] = {
	{TW_LABELSTUDIO_WRAPPER, "url 'https://labelstudio.example.org'", "(token '...') or OPTIONS (token_file '/path')"},
	{TW_S3_WRAPPER, "endpoint 'https://s3.example.org', bucket 'training'",
		"(access_key_id '...', secret_access_key '...') or OPTIONS (access_key_id_file '/path', secret_access_key_file "
	"'/path')"}
};

static const Example *
example_of(const char *wrapper)
{
	return &examples[strcmp(wrapper, TW_LABELSTUDIO_WRAPPER) == 0 ? 0 : 1];
}

static ForeignServer *
find_server(const char *name, const char *wrapper)
{
	ForeignServer *server = GetForeignServerByName(name, true);
	const char *its_wrapper;

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no server \"%s\"", tw_excerpt(name)),
				 errhint("CREATE SERVER %s FOREIGN DATA WRAPPER %s OPTIONS (%s);", quote_identifier(tw_excerpt(name)),
						 wrapper, example_of(wrapper)->server)));
	its_wrapper = GetForeignDataWrapper(server->fdwid)->fdwname;
	if (strcmp(its_wrapper, wrapper) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" does not belong to the foreign-data wrapper %s", name, wrapper),
				 errdetail("It belongs to %s.", quote_identifier(its_wrapper)),
				 errhint("Name another server, or make one: CREATE SERVER ... FOREIGN DATA WRAPPER %s OPTIONS (%s);",
						 wrapper, example_of(wrapper)->server)));
	return server;
}

static List *
find_mapping(const ForeignServer *server, const char *wrapper)
{
	Oid			owner = GetForeignDataWrapper(server->fdwid)->owner;
	HeapTuple	tuple;
	Datum		options;
	bool		isnull;
	List	   *result;

	tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(owner), ObjectIdGetDatum(server->serverid));
	if (!HeapTupleIsValid(tuple))
		tuple = SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
								ObjectIdGetDatum(server->serverid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no user mapping for server \"%s\"", server->servername),
				 errdetail("That of the extension's owner %s is used, or else that of PUBLIC.",
						   quote_identifier(GetUserNameFromId(owner, false))),
				 errhint("CREATE USER MAPPING FOR %s SERVER %s OPTIONS %s; or the same FOR PUBLIC.",
						 quote_identifier(GetUserNameFromId(owner, false)), quote_identifier(server->servername),
						 example_of(wrapper)->mapping)));
	options = SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &isnull);
	result = isnull ? NIL : untransformRelOptions(options);
	ReleaseSysCache(tuple);
	return result;
}

/* The server of this name, which must belong to this wrapper of ours, and its mapping. */
TwEndpoint *
tw_endpoint(const char *name, const char *wrapper)
{
	TwEndpoint *endpoint = palloc(sizeof(TwEndpoint));
	ForeignServer *server = find_server(name, wrapper);

	endpoint->server_id = server->serverid;
	endpoint->server = server->servername;
	endpoint->server_options = server->options;
	endpoint->mapping_options = find_mapping(server, wrapper);
	return endpoint;
}

static const char *
option_text(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return defGetString(option);
	}
	return NULL;
}

/* A server's option, or NULL. */
const char *
tw_endpoint_text(const TwEndpoint *endpoint, const char *option)
{
	return option_text(endpoint->server_options, option);
}

/*
 * A server's address without trailing slashes. The validator requires the option, but an owner can remove the
 * validator.
 */
char *
tw_endpoint_url(const TwEndpoint *endpoint, const char *option)
{
	const char *url = tw_endpoint_text(endpoint, option);
	size_t		length;

	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("server \"%s\" has no option \"%s\"", endpoint->server, option),
				 errhint("ALTER SERVER %s OPTIONS (ADD %s '...');", quote_identifier(endpoint->server), option)));
	length = strlen(url);
	while (length > 0 && url[length - 1] == '/')
		length--;
	return pnstrdup(url, length);
}

bool
tw_endpoint_bool(const TwEndpoint *endpoint, const char *option, bool standard)
{
	const char *value = tw_endpoint_text(endpoint, option);
	bool		result;

	return value != NULL && parse_bool(value, &result) ? result : standard;
}

double
tw_endpoint_seconds(const TwEndpoint *endpoint, const char *option, double standard)
{
	const char *value = tw_endpoint_text(endpoint, option);

	return value == NULL ? standard : strtod(value, NULL);
}

/* The error in a secret, or NULL. A line break in it would begin another header. */
const char *
tw_secret_fault(const char *secret, size_t length)
{
	if (length == 0)
		return "It is empty.";
	for (size_t i = 0; i < length; i++)
	{
		if (secret[i] <= 0x20 || secret[i] > 0x7e)
			return "Only printable ASCII characters without spaces can be sent.";
	}
	return NULL;
}

pg_noreturn static void
refuse_file(const TwEndpoint *endpoint, const char *option, const char *path, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the file of the option \"%s\" of server \"%s\" holds no usable secret", option, endpoint->server),
			 errdetail("The file is \"%s\". %s", tw_excerpt(path), why),
			 errhint("The file must contain only the secret; white space after it is ignored.")));
}

/* Opening a pipe without a writer must not block. */
static int
open_secret(const TwEndpoint *endpoint, const char *option, const char *path)
{
	int			file = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	struct stat status;

	if (file < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open the file of the option \"%s\" of server \"%s\": %m", option, endpoint->server),
				 errdetail("The file is \"%s\".", tw_excerpt(path)),
				 errhint("The operating system's user of the database server must be able to read it.")));
	if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
		refuse_file(endpoint, option, path, "It is not an ordinary file.");
	return file;
}

static char *
read_secret(const TwEndpoint *endpoint, const char *option, const char *path)
{
	int			file = open_secret(endpoint, option, path);
	char	   *secret = palloc(MAX_SECRET_FILE + 2);
	const char *fault;
	ssize_t		got;
	size_t		length = 0;

	while ((got = read(file, secret + length, MAX_SECRET_FILE + 1 - length)) > 0)
		length += got;
	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file of the option \"%s\" of server \"%s\": %m", option, endpoint->server),
				 errdetail("The file is \"%s\".", tw_excerpt(path))));
	CloseTransientFile(file);
	if (length > MAX_SECRET_FILE)
		refuse_file(endpoint, option, path, "It has more than 64 kB.");
	while (length > 0 && strchr(" \t\r\n\f\v", secret[length - 1]) != NULL && secret[length - 1] != '\0')
		length--;
	fault = tw_secret_fault(secret, length);
	if (fault != NULL)
		refuse_file(endpoint, option, path, fault);
	secret[length] = '\0';
	return secret;
}

/* The mapping's option, or the content of the file that the option with the suffix "_file" names. */
char *
tw_endpoint_secret(const TwEndpoint *endpoint, const char *option)
{
	const char *secret = option_text(endpoint->mapping_options, option);
	char	   *file_option = psprintf("%s_file", option);
	const char *path;

	if (secret != NULL)
		return pstrdup(secret);
	path = option_text(endpoint->mapping_options, file_option);
	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("the user mapping of server \"%s\" has neither \"%s\" nor \"%s\"", endpoint->server, option,
						file_option),
				 errhint("ALTER USER MAPPING FOR ... SERVER %s OPTIONS (ADD %s '...');",
						 quote_identifier(endpoint->server),
						 option)));
	return read_secret(endpoint, file_option, path);
}
