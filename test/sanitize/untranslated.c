/*
 * untranslated.c - messages as they are in the source, for a server under the sanitizers.
 *
 * A server that is linked with the C library's gettext hangs at its start when gcc 12's libasan is loaded before it:
 * bindtextdomain() waits for a lock that nobody holds. These take their place, loaded behind libasan. Tests run
 * without translations anyway.
 */
#include <stddef.h>

char *textdomain(const char *domain);
char *bindtextdomain(const char *domain, const char *folder);
char *bind_textdomain_codeset(const char *domain, const char *codeset);
char *gettext(const char *message);
char *dgettext(const char *domain, const char *message);
char *ngettext(const char *one, const char *many, unsigned long count);
char *dngettext(const char *domain, const char *one, const char *many, unsigned long count);

char *
textdomain(const char *domain)
{
	return NULL;
}

char *
bindtextdomain(const char *domain, const char *folder)
{
	return NULL;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	return NULL;
}

char *
gettext(const char *message)
{
	return (char *) message;
}

char *
dgettext(const char *domain, const char *message)
{
	return (char *) message;
}

char *
ngettext(const char *one, const char *many, unsigned long count)
{
	return (char *) (count == 1 ? one : many);
}

char *
dngettext(const char *domain, const char *one, const char *many, unsigned long count)
{
	return (char *) (count == 1 ? one : many);
}
