/*
 * options.c
 *		The valid options of servers and user mappings of our foreign-data wrappers.
 *
 * A validator gets all options together, also when ALTER changes one of them. So a user who may not name files of the
 * server cannot change any option of a mapping that names one: a superuser must do it.
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "base/compat.h"
#include "base/excerpt.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "http/endpoint.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include <curl/curl.h>

typedef struct OptionKind
{
	const char *name;
	Oid			catalog;
	void		(*check) (const char *name, const char *value);

	/* Exactly one option of a group must be given: its members are alternatives. NULL = optional. */
	const char *group;
} OptionKind;

pg_noreturn static void
refuse_value(const char *option, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", option, what),
			 errhint("%s", hint)));
}

static bool
holds_only(const char *value, const char *characters)
{
	return value[0] != '\0' && value[strspn(value, characters)] == '\0';
}

#define LOWER_CASE "abcdefghijklmnopqrstuvwxyz"
#define UPPER_CASE "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* The part after http:// or https://, or NULL. libcurl would also accept one slash or three. */
static const char *
after_scheme(const char *value)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < lengthof(schemes); i++)
	{
		if (pg_strncasecmp(value, schemes[i], strlen(schemes[i])) == 0)
			return value + strlen(schemes[i]);
	}
	return NULL;
}

/* Whether libcurl can parse the address. */
static bool
is_understood(const char *value)
{
	CURLU	   *url = curl_url();
	CURLUcode	code;

	if (url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	code = curl_url_set(url, CURLUPART_URL, value, 0);
	curl_url_cleanup(url);
	return code == CURLUE_OK;
}

/* No error contains the value: it may be a password. */
static void
check_address(const char *name, const char *value, bool path_allowed)
{
	const char *example = "It looks like https://host or http://host:8080.";
	const char *authority = after_scheme(value);
	const char *path;

	for (const char *at = value; *at != '\0'; at++)
	{
		if (*at <= 0x20 || *at > 0x7e || *at == '\\')
			refuse_value(name, "an http or https address in ASCII without white space or backslashes", example);
	}
	if (strpbrk(value, "?#") != NULL)
		refuse_value(name, "an address without a query or a fragment", example);
	if (authority == NULL || strchr("/:", authority[0]) != NULL || !is_understood(value))
		refuse_value(name, "an http or https address with a host", example);
	path = authority + strcspn(authority, "/");
	if (memchr(authority, '@', path - authority) != NULL)
		refuse_value(name, "an address without a user name or a password",
					 "Credentials belong into the user mapping: CREATE USER MAPPING ... OPTIONS (...).");
	if (!path_allowed && path[strspn(path, "/")] != '\0')
		refuse_value(name, "an address without a path", "The options bucket and prefix say where objects go.");
}

static void
check_url(const char *name, const char *value)
{
	check_address(name, value, true);
}

static void
check_endpoint(const char *name, const char *value)
{
	check_address(name, value, false);
}

static void
check_bool(const char *name, const char *value)
{
	bool		result;

	if (!parse_bool(value, &result))
		refuse_value(name, "on or off", "true, false, yes, no, 1 and 0 will do, too.");
}

static void
check_seconds(const char *name, const char *value)
{
	char	   *end;
	double		seconds;

	if (holds_only(value, DIGITS "."))
	{
		seconds = strtod(value, &end);
		if (end != value && *end == '\0' && seconds > 0 && seconds <= TW_LONGEST_TIMEOUT)
			return;
	}
	refuse_value(name, "a number of seconds above 0 and up to 3600", "For example 30 or 2.5.");
}

static void
check_secret(const char *name, const char *value)
{
	const char *fault = tw_secret_fault(value, strlen(value));

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" holds no usable secret", name),
				 errdetail("%s", fault),
				 errhint("Copy it again, without the line break after it.")));
}

/* The database server opens the file, with its own privileges instead of the user's. */
static void
check_file(const char *name, const char *value)
{
	if (!is_absolute_path(value))
		refuse_value(name, "an absolute path", "It is the path of a file on the database's machine.");
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set option \"%s\"", name),
				 errdetail("It names a file that the database server will read."),
				 errhint("Only superusers and members of pg_read_server_files may set it, and change the other options "
						 "beside it.")));
}

static void
check_region(const char *name, const char *value)
{
	if (!holds_only(value, LOWER_CASE DIGITS "-") || strlen(value) > 64)
		refuse_value(name, "the name of a region", "For example us-east-1, which most servers of one's own take.");
}

/* S3's rules for bucket names. */
static void
check_bucket(const char *name, const char *value)
{
	size_t		length = strlen(value);

	if (length < 3 || length > 63 || !holds_only(value, LOWER_CASE DIGITS ".-") || holds_only(value, DIGITS ".") ||
		strchr(".-", value[0]) != NULL || strchr(".-", value[length - 1]) != NULL || strstr(value, "..") != NULL)
		refuse_value(name, "the name of a bucket",
					 "3 to 63 small letters, digits, dots and hyphens; a letter or a digit comes first and last.");
}

static void
check_prefix(const char *name, const char *value)
{
	if (!holds_only(value, LOWER_CASE UPPER_CASE DIGITS "._/-") || value[0] == '/' || strstr(value, "..") != NULL ||
		strlen(value) > 512)
		refuse_value(name, "the beginning of an object's key",
					 "Letters, digits and ._/- without a slash at the start or two dots in a row, for example "
					 "exports/.");
}

static const OptionKind labelstudio_options[] = {
	{"url", ForeignServerRelationId, check_url, "url"},
	{"ca_file", ForeignServerRelationId, check_file},
	{"verify_tls", ForeignServerRelationId, check_bool},
	{"connect_timeout", ForeignServerRelationId, check_seconds},
	{"timeout", ForeignServerRelationId, check_seconds},
	{"import_timeout", ForeignServerRelationId, check_seconds},
	{"token", UserMappingRelationId, check_secret, "token"},
	{"token_file", UserMappingRelationId, check_file, "token"},
	{NULL}
};

static const OptionKind s3_options[] = {
	{"endpoint", ForeignServerRelationId, check_endpoint, "endpoint"},
	{"region", ForeignServerRelationId, check_region},
	{"bucket", ForeignServerRelationId, check_bucket, "bucket"},
	{"prefix", ForeignServerRelationId, check_prefix},
	{"path_style", ForeignServerRelationId, check_bool},
	{"ca_file", ForeignServerRelationId, check_file},
	{"verify_tls", ForeignServerRelationId, check_bool},
	{"connect_timeout", ForeignServerRelationId, check_seconds},
	{"timeout", ForeignServerRelationId, check_seconds},
	{"access_key_id", UserMappingRelationId, check_secret, "access_key_id"},
	{"access_key_id_file", UserMappingRelationId, check_file, "access_key_id"},
	{"secret_access_key", UserMappingRelationId, check_secret, "secret_access_key"},
	{"secret_access_key_file", UserMappingRelationId, check_file, "secret_access_key"},
	{NULL}
};

pg_noreturn static void
refuse_name(const OptionKind *kinds, Oid catalog, const char *name)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (const OptionKind *kind = kinds; kind->name != NULL; kind++)
	{
		if (kind->catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len == 0 ? "" : ", ", kind->name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("there is no option \"%s\" here", tw_excerpt(name)),
			 valid.len == 0 ? errhint("There are none.") : errhint("The options here are: %s.", valid.data)));
}

static void
check_option(const OptionKind *kinds, Oid catalog, DefElem *option)
{
	for (const OptionKind *kind = kinds; kind->name != NULL; kind++)
	{
		if (kind->catalog == catalog && strcmp(kind->name, option->defname) == 0)
		{
			kind->check(kind->name, defGetString(option));
			return;
		}
	}
	refuse_name(kinds, catalog, option->defname);
}

static bool
is_given(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		if (strcmp(lfirst_node(DefElem, cell)->defname, name) == 0)
			return true;
	}
	return false;
}

/* Exactly one option of the group must be given. */
static void
check_group(const OptionKind *kinds, Oid catalog, const char *group, List *options)
{
	StringInfoData names;
	int			given = 0;

	initStringInfo(&names);
	for (const OptionKind *kind = kinds; kind->name != NULL; kind++)
	{
		if (kind->catalog != catalog || kind->group == NULL || strcmp(kind->group, group) != 0)
			continue;
		appendStringInfo(&names, "%s\"%s\"", names.len == 0 ? "" : " or ", kind->name);
		given += is_given(options, kind->name);
	}
	if (given == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option %s is missing", names.data),
				 errhint(catalog == ForeignServerRelationId ? "CREATE SERVER ... OPTIONS (%s '...')" :
						 "CREATE USER MAPPING ... OPTIONS (%s '...')", group)));
	if (given > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only one of the options %s may be given", names.data),
				 errhint("Leave one of them out, or remove it with ALTER ... OPTIONS (DROP ...).")));
}

static void
validate(const OptionKind *kinds, FunctionCallInfo fcinfo)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *cell;

	foreach(cell, options)
		check_option(kinds, catalog, lfirst_node(DefElem, cell));
	for (const OptionKind *kind = kinds; kind->name != NULL; kind++)
	{
		/* The first option of a group represents it. */
		if (kind->catalog == catalog && kind->group != NULL && strcmp(kind->group, kind->name) == 0)
			check_group(kinds, catalog, kind->group, options);
	}
}

PG_FUNCTION_INFO_V1(tw_labelstudio_options);
PG_FUNCTION_INFO_V1(tw_s3_options);

Datum
tw_labelstudio_options(PG_FUNCTION_ARGS)
{
	validate(labelstudio_options, fcinfo);
	PG_RETURN_VOID();
}

Datum
tw_s3_options(PG_FUNCTION_ARGS)
{
	validate(s3_options, fcinfo);
	PG_RETURN_VOID();
}
